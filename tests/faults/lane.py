"""A process that carries out one command after the other, as a shell's loop does, without starting anew for each.

Reads [words, standard input] a line, answers with [exit code, standard output, standard error].
"""

from __future__ import annotations

import json
import sys

from tests.cli.ground import keyturn


def main() -> None:
    for line in sys.stdin:
        words, stdin = json.loads(line)
        ran = keyturn(*words, stdin=stdin)
        print(json.dumps([ran.code, ran.out, ran.err]), flush=True)


if __name__ == "__main__":
    main()
