"""The command line: parsing and printing. Every rule is the service's.

Nothing heavy is imported before a command needs it: `keyturn --help` must answer at once.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from app.cli import output
from app.cli.endings import OutputClosed, Terminated

if TYPE_CHECKING:
    from argparse import Namespace

EXIT_INTERRUPTED, EXIT_PIPE_CLOSED, EXIT_TERMINATED = 130, 141, 143  # as the shell counts signals
_JOURNALED = "What had begun is journaled: the loop, or the same command, carries on from there."


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command line and return its exit code. No exception and no traceback leaves."""
    output.prepare()
    try:
        return _exit_code(sys.argv[1:] if argv is None else list(argv))
    finally:
        output.abandon()


def _exit_code(words: list[str]) -> int:
    try:
        code = _carry_out(words)
        output.flush()
        return code
    except OutputClosed:
        return EXIT_PIPE_CLOSED
    except KeyboardInterrupt:
        output.note(f"Interrupted. {_JOURNALED}")
        return EXIT_INTERRUPTED
    except Terminated:
        output.note(f"Terminated. {_JOURNALED}")
        return EXIT_TERMINATED
    except Exception as error:
        from app.cli.failures import report

        return report(error)


def _carry_out(words: list[str]) -> int:
    if words[:1] == ["__complete"]:
        return _complete(words[1:])
    from app.cli.parser import parse

    try:
        args = parse(words)
    except SystemExit as ended:  # argparse has printed help, the version or what is wrong
        return ended.code if isinstance(ended.code, int) else 0
    with _settings_file(args.config):
        return _handler(args.handler)(args)


def _complete(words: list[str]) -> int:
    """For a shell at every tab: whatever is wrong, nothing is said in the middle of somebody's line."""
    with contextlib.suppress(Exception):
        from app.cli.completing import answer

        named = next((after for word, after in itertools.pairwise(words) if word == "--config"), None)
        with _settings_file(named):
            output.out(answer(words))
    return 0


@contextlib.contextmanager
def _settings_file(named: str | None) -> Iterator[None]:
    """A file named by flag is the one that this command, and what it starts, reads."""
    if named is None:
        yield
        return
    from pathlib import Path

    from app.settings.places import FILE_VARIABLE

    before = os.environ.get(FILE_VARIABLE)
    os.environ[FILE_VARIABLE] = str(Path(named).absolute())
    try:
        yield
    finally:
        if before is None:
            del os.environ[FILE_VARIABLE]
        else:
            os.environ[FILE_VARIABLE] = before


def _handler(path: str) -> Callable[[Namespace], int]:
    """The function that "module:name" stands for: only the chosen command's module is imported."""
    from importlib import import_module

    module, _, name = path.partition(":")
    gc.disable()  # all that an import makes stays; looking through it for garbage takes a tenth of a short command
    found: Callable[[Namespace], int] = getattr(import_module(f"app.cli.{module}"), name)
    gc.freeze()
    gc.enable()
    return found
