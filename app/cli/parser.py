"""What can be typed. Types and apps are no fixed choices here: other distributions may add theirs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from app import __version__
from app.cli import background, delivering, upkeep
from app.cli.parsers import connections, events, hooks, identities, rotations, secrets, serving, shell, trying
from app.cli.parsers.words import Parser, group, whole

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[Parser]

_EXIT_CODES = """\
exit codes: 0 done, 1 failed, 2 wrong usage or input, 3 not found, 4 busy
"""


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Raises SystemExit, with 2 for wrong usage, after saying what is wrong."""
    words, program = _split(words)
    parser = whole_parser(_command(words))
    args: argparse.Namespace
    args, unknown = parser.parse_known_args(words)
    if unknown:
        parser.refuse_unknown(words, unknown)
    if getattr(args, "program", None) is not None:
        args.program = [*args.program, *(program if not args.program else ["--", *program] if program else [])]
        if not args.program:
            args.parser.error("which program? keyturn run -- CMD ...")
    if args.handler != "start:tui" and args.run_scheduler:
        parser.error("--run-scheduler stands alone, without a command")
    if args.run_scheduler:
        args.handler = "scheduler:run"
    elif wrong := background.misplaced(args):
        parser.error(wrong)
    return args


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """What comes after the "--" of `run` is the program's alone; versions of argparse differ about it."""
    words = list(words)
    if _command(words) != "run" or "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


def _command(words: Sequence[str]) -> str:
    """The command that was typed; empty when flags come first, other than --config."""
    before = 2 if words[:1] == ["--config"] else int(len(words) > 0 and words[0].startswith("--config="))
    return "".join(words[before : before + 1])


def whole_parser(only: str = "") -> Parser:
    """`only`: a command that alone is wanted. Making all of them takes as long as some commands."""
    parser = Parser(
        prog="keyturn",
        description="Rotates credentials without downtime. Without a command: the terminal interface.",
        epilog=f"{_EXIT_CODES}keyturn COMMAND --help tells more.\n\n  keyturn rotations create postgres-credentials",
    )
    parser.add_argument("--version", action="version", version=f"keyturn {__version__}")
    background.add_flags(parser, whole)
    parser.set_defaults(handler="start:tui", program=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    listed = _listed(commands)
    alone = [add for names, add in listed if only in names]
    for add in alone or [add for _, add in listed]:
        add()
    return parser


def _listed(commands: Subparsers) -> list[tuple[tuple[str, ...], Callable[[], None]]]:
    """What declares each command, in the order of the help."""

    def grouped(add: Callable[[Subparsers], None], name: str, about: str) -> tuple[tuple[str], Callable[[], None]]:
        return (name,), lambda: add(group(commands, name, about))

    return [
        (("demo",), lambda: trying.add_demo(commands)),
        (("drill",), lambda: trying.add_drill(commands)),
        grouped(connections.add, "connections", "admin access to what is rotated"),
        grouped(rotations.add, "rotations", "create, show and carry out rotations"),
        grouped(secrets.add, "secrets", "read what is published"),
        (("run",), lambda: delivering.run(commands)),
        (("aws-credential-process",), lambda: delivering.aws_credential_process(commands)),
        grouped(delivering.targets, "targets", "files kept up with what is published"),
        grouped(hooks.add, "hooks", "tell others of what happens: programs, web, mail, chat"),
        (("deliveries",), lambda: hooks.add_deliveries(commands)),
        (("serve",), lambda: serving.add(commands)),
        grouped(identities.add, "identities", "programs that may use the HTTP API"),
        (("events",), lambda: events.add(commands)),
        (("doctor", "backup", "restore", "report", "key"), lambda: upkeep.add(commands, whole)),
        (("config", "service"), lambda: background.add(commands)),
        (("completion", "manual"), lambda: shell.add(commands)),
    ]
