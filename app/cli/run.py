"""`keyturn run -- CMD`: a program with the published values in its environment; with --watch it learns of new ones."""

from __future__ import annotations

import errno
import os
import signal
from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import NoReturn

from app.cli import output
from app.cli.reading import values_at
from app.cli.secrets import place_of
from app.deliver.formats import refuse_unfit
from app.errors import KeyturnError, UsageError

NOT_RUNNABLE, NOT_FOUND = 126, 127
_OURS_ALONE = (b"KEYTURN_KEY",)
"""What opens the whole store is no business of a program that gets some of its values."""
_GRACE = 10.0


def run(args: Namespace) -> int:
    if not args.watch and (args.restart or args.signal or args.grace is not None):
        raise UsageError("--restart, --signal and --grace go with --watch.")
    values = values_at(place_of(args))
    refuse_unfit(values, "a program's environment")
    try:
        if args.watch:
            return _watch(args, values)
        _become(args.program, _environment(values))
    except FileNotFoundError:
        output.complain(f"There is no program {args.program[0]!r}.")
        return NOT_FOUND
    except (OSError, ValueError) as error:
        output.complain(f"{args.program[0]!r} cannot be run: {_reason(error)}.")
        return NOT_RUNNABLE


def _watch(args: Namespace, values: dict[str, str]) -> int:
    from app.cli.following import following
    from app.deliver.supervising import Orders, supervise

    output.flush()
    with following(place_of(args), "run", _say_trouble) as look:
        changed = _changes(values, look)
        grace = _GRACE if args.grace is None else args.grace
        orders = Orders(args.program, changed, tell_by=args.signal, grace=grace, say=_say)
        return supervise(orders, _environment(values))


def _changes(
    given: dict[str, str], look: Callable[[], dict[str, str] | None]
) -> Callable[[], dict[bytes, bytes] | None]:
    """Asked again and again: the environment to start with when a value that was given has become another one.

    Names that are new or gone alone are no reason: a program does not lose its credentials because they were moved.
    """

    def changed() -> dict[bytes, bytes] | None:
        nonlocal given
        values = look()
        if values is None or all(values.get(name, value) == value for name, value in given.items()):
            return None
        try:
            refuse_unfit(values, "a program's environment")
        except KeyturnError as error:
            _say(f"the program runs on with what it has: {error.message}")
            return None
        given = {**given, **values}
        return _environment(given)

    return changed


def _say_trouble(text: str) -> None:
    _say(f"{text} The program runs on with what it has." if text else "the store can be read again")


def _say(text: str) -> None:
    output.note(f"keyturn: {output.clean(text)}")


def _environment(values: Mapping[str, str]) -> dict[bytes, bytes]:
    inherited = {name: value for name, value in os.environb.items() if name not in _OURS_ALONE}
    return {**inherited, **{name.encode(): value.encode() for name, value in values.items()}}


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
