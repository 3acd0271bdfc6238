"""`keyturn run -- CMD`: the program takes this process over, with the published values in its environment."""

from __future__ import annotations

import errno
import os
import signal
from argparse import Namespace
from typing import NoReturn

from app.cli import output
from app.cli.reading import values_at
from app.cli.secrets import place_of
from app.deliver.formats import refuse_unfit

NOT_RUNNABLE, NOT_FOUND = 126, 127
_OURS_ALONE = (b"KEYTURN_KEY",)
"""What opens the whole store is no business of a program that gets some of its values."""


def run(args: Namespace) -> int:
    values = values_at(place_of(args))
    refuse_unfit(values, "a program's environment")
    published = {name.encode(): value.encode() for name, value in values.items()}
    inherited = {name: value for name, value in os.environb.items() if name not in _OURS_ALONE}
    try:
        _become(args.program, {**inherited, **published})
    except FileNotFoundError:
        output.complain(f"There is no program {args.program[0]!r}.")
        return NOT_FOUND
    except (OSError, ValueError) as error:
        output.complain(f"{args.program[0]!r} cannot be run: {_reason(error)}.")
        return NOT_RUNNABLE


def _become(program: list[str], environment: dict[bytes, bytes]) -> NoReturn:
    """Raises OSError or ValueError, and nothing has changed then."""
    output.flush()
    # Python ignores these, and a program would inherit that.
    former = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGPIPE, signal.SIGXFSZ)}
    try:
        os.execvpe(program[0], program, environment)  # noqa: S606 - running it is what was asked for
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _reason(error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return "its name or an argument holds a NUL"
    if error.errno == errno.ENOEXEC:
        return "it is no program, or a script without #! line"
    return error.strerror or "the system refused"
