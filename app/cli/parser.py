"""What can be typed. Types and apps are no fixed choices here: other distributions may add theirs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from app import __version__
from app.cli import background, delivering, output, upkeep

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction["_Parser"]

_EXIT_CODES = """\
exit codes: 0 done, 1 failed, 2 wrong usage or input, 3 not found, 4 busy
"""
_CONNECTION_EDIT_HELP = """\
What the body leaves out stays, inside "credentials" too, passwords included;
null removes what is optional. Another access is tried out before it is kept.

  echo '{"credentials": {"host": "db2.example.com"}}' |
      keyturn connections edit billing-db --file -"""
_CHOICES_HELP = """\
Nothing is changed. PARAMETERS is what goes into the body of rotations create.

  keyturn connections choices production --filter billing
  keyturn connections choices my-entra --filter Billing --json

Entra finds the beginning of a word of a name, or a whole id; AWS any part of a
name. PostgreSQL has no such list: type the names of the users."""

_EVENTS_HELP = """\
With --follow the newest ten come first and then whatever is written, oldest
first, a line each; with --json each line is one object.

  keyturn events --filter "failed billing"
  keyturn events --follow --json | jq -r .message"""

_PLAN_HELP = """\
Every step in words, with the calls at the target; what is published where;
what dies and when, and who still uses it. Each permission is tried, and what
is missing stands there with the statement or policy that mends it. Nothing is
changed, at the target or in the store. Exit code 1 when something is missing.

  keyturn rotations plan billing"""

_EMERGENCY_HELP = """\
For when somebody may know them who must not. The new credential is published
before the one that was active dies; then the sessions that were opened with
the old ones are ended. The guard does not wait, and a pause does not matter.
The report says what is dead since when, and what to do. Should it be
interrupted, the loop finishes it, and so does the same command once more.
Exit code 1 when something is left open.

  keyturn rotations emergency billing"""

_DRILLED = ("postgres-credentials", "aws-iam-user-secret", "azure-client-secret")
_DRILL_HELP = """\
Without a connection it plays all rotation types: on a private PostgreSQL, and
on stand-ins for AWS IAM and Microsoft Entra that it starts itself.

At a PostgreSQL of your own it makes users (keyturn_drill_..., four for each
point at once), which may log in and nothing else, and removes them again. Your
users, rotations and secrets are not touched: the rotations of the drill are
in stores of their own, in a temporary directory. Each line is one point: what
was going on, where Keyturn was killed or suspended, how often an application
logged in meanwhile, and whether all was as it must be afterwards. Exit code 1
when one point failed."""


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Raises SystemExit, with 2 for wrong usage, after saying what is wrong."""
    words, program = _split(words)
    parser = _parser(_command(words))
    args = parser.parse_args(words)
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


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)

    def _print_message(self, message: str, file: Any = None) -> None:
        """As everything else is printed: argparse itself swallows a full disk and a reader that went away."""
        if file is sys.stdout:
            output.out(message)
        else:
            output.note(message.rstrip("\n"))


def _parser(only: str = "") -> argparse.ArgumentParser:
    """`only`: a command that alone is wanted. Making all of them takes as long as some commands."""
    parser = _Parser(
        prog="keyturn",
        description="Rotates credentials without downtime. Without a command: the terminal interface.",
        epilog=f"{_EXIT_CODES}keyturn COMMAND --help tells more.",
    )
    parser.add_argument("--version", action="version", version=f"keyturn {__version__}")
    background.add_flags(parser, _whole)
    parser.set_defaults(handler="start:tui", program=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)
    frequent: dict[str, Callable[[], None]] = {
        "rotations": lambda: _rotations(_group(commands, "rotations", "create, show and carry out rotations")),
        "secrets": lambda: delivering.secrets(_group(commands, "secrets", "read what is published")),
        "run": lambda: delivering.run(commands),
        "targets": lambda: delivering.targets(_group(commands, "targets", "files kept up with what is published")),
        "events": lambda: _events(commands),
    }
    if only in frequent:
        frequent[only]()
        return parser
    _demo(commands)
    _drill(commands)
    _connections(_group(commands, "connections", "admin access to what is rotated"))
    for add in frequent.values():
        add()
    upkeep.add(commands, _whole)
    background.add(commands, _group)
    return parser


def _demo(commands: Subparsers) -> None:
    demo = commands.add_parser("demo", help="rotate all types on stand-ins of its own, nothing to set up")
    demo.set_defaults(handler="start:demo")


def _drill(commands: Subparsers) -> None:
    drill = commands.add_parser(
        "drill",
        help="kill Keyturn wherever it can die, and see that every login goes on",
        description="Kill Keyturn wherever it can die, and see that every login goes on.",
        epilog=_DRILL_HELP,
    )
    drill.add_argument(
        "connection", metavar="CONNECTION", nargs="?", help="name or id, to a PostgreSQL; targets of its own without it"
    )
    drill.add_argument("--type", metavar="TYPE", choices=_DRILLED, help="only this rotation type; not with CONNECTION")
    drill.add_argument("--only", metavar="TEXT", default="", help="only points whose name holds it: 'run by hand'")
    drill.add_argument("--at-once", type=_concurrency, default=2, metavar="N", help="how many points at once (2)")
    drill.add_argument("--yes", action="store_true", help="don't ask")
    _json(drill)
    drill.set_defaults(handler="drill:run")


def _connections(verbs: Subparsers) -> None:
    add = _verb(verbs, "connections", "add", "log in to a target, and keep the access when that works")
    add.add_argument("app", metavar="APP", help="what it leads to, such as postgres or aws")
    _file(add)
    _verb(verbs, "connections", "list", "all connections")
    _named(_verb(verbs, "connections", "show", "one connection, without its secrets"))
    _named(_verb(verbs, "connections", "test", "log in with what is kept"))
    edit = _verb(
        verbs, "connections", "edit", "change what the body gives, once that logs in", epilog=_CONNECTION_EDIT_HELP
    )
    _named(edit)
    _file(edit)
    choices = _verb(
        verbs, "connections", "choices", "what there is to rotate: IAM users, applications", epilog=_CHOICES_HELP
    )
    _named(choices)
    choices.add_argument("--filter", metavar="TEXT", default="", help="only those whose name holds it; see below")
    choices.add_argument("--type", metavar="TYPE", help="rotation type, where a connection serves several")
    choices.add_argument("--limit", type=_choice_count, default=100, metavar="N", help="at most so many (100)")
    _named(_verb(verbs, "connections", "remove", "remove one that no rotation uses"))


def _rotations(verbs: Subparsers) -> None:
    create = _verb(verbs, "rotations", "create", "check everything, then issue and publish the first credentials")
    create.add_argument("type", metavar="TYPE", help="such as postgres-credentials or aws-iam-user-secret")
    _file(create)
    every = _verb(verbs, "rotations", "list", "all rotations and how they are")
    every.add_argument("--project", metavar="P", help="only those of this project (id or slug)")
    _named(_verb(verbs, "rotations", "show", "one rotation"))
    edit = _verb(verbs, "rotations", "edit", "change what the body gives; what it leaves out stays")
    _named(edit)
    _file(edit)
    move = _verb(verbs, "rotations", "move", "move it with its secrets; the target is not touched")
    _named(move)
    move.add_argument("--env", metavar="E", required=True, help="environment slug to move to")
    move.add_argument("--path", metavar="P", default="/", help="secret path to move to (/)")
    move.add_argument("--overwrite", action="store_true", help="replace plain secrets of the same names there")
    plan = _verb(verbs, "rotations", "plan", "what the next rotation would do, and whether it may", epilog=_PLAN_HELP)
    plan.set_defaults(handler="plan:show")
    _named(plan)
    rotate = _verb(verbs, "rotations", "rotate", "rotate now, or resume what was interrupted")
    _named(rotate)
    rotate.add_argument("--force", action="store_true", help="even while the guard waits for who still uses it")
    emergency = _verb(
        verbs,
        "rotations",
        "emergency",
        "renew both credentials now, and end what uses the old ones",
        epilog=_EMERGENCY_HELP,
    )
    emergency.set_defaults(handler="emergency:renew")
    _named(emergency)
    emergency.add_argument("--yes", action="store_true", help="don't ask")
    check = _verb(verbs, "rotations", "check", "log in with both credentials; exit code 1 when one is refused")
    _named(check)
    check.add_argument("--heal", action="store_true", help="set passwords that somebody changed back first")
    _named(_verb(verbs, "rotations", "credentials", "print both credentials, secret values included"))
    _named(_verb(verbs, "rotations", "pause", "switch auto-rotation off"))
    _named(_verb(verbs, "rotations", "resume", "switch auto-rotation on"))
    history = _verb(verbs, "rotations", "history", "its attempts, newest first")
    _named(history)
    _limit(history, 50)
    delete = _verb(verbs, "rotations", "delete", "delete a rotation; the credentials stay as they are")
    _named(delete)
    delete.add_argument("--revoke", action="store_true", help="make both credentials useless at the target first")
    delete.add_argument(
        "--delete-secrets", action="store_true", help="delete its secrets; without this they stay as plain secrets"
    )
    delete.add_argument("--yes", action="store_true", help="don't ask")


def _events(commands: Subparsers) -> None:
    events = commands.add_parser("events", help="who did what when, newest first", epilog=_EVENTS_HELP)
    events.add_argument("--rotation", metavar="NAME", help="only those of one rotation (name or id)")
    events.add_argument("--filter", metavar="WORDS", default="", help="only those that hold all of the words")
    events.add_argument("--follow", "-f", action="store_true", help="go on with what is written, until ctrl+c")
    events.add_argument("--limit", type=_count, metavar="N", help="at most so many (100; 10 before following)")
    _json(events)
    events.set_defaults(handler="events:show")
    upkeep.verify(events)


def _group(commands: Subparsers, name: str, about: str) -> Subparsers:
    parser = commands.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
    return parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Parser)


def _verb(verbs: Subparsers, group: str, name: str, about: str, **options: Any) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.", **options)
    parser.set_defaults(handler=f"{group}:{'show_all' if name == 'list' else name}")
    _json(parser)
    return parser


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="name or id")


def _file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--file", required=True, metavar="FILE", help="the JSON request body; - reads standard input")


def _limit(parser: argparse.ArgumentParser, default: int) -> None:
    parser.add_argument("--limit", type=_count, default=default, metavar="N", help=f"at most so many ({default})")


def _concurrency(text: str) -> int:
    return _whole(text, 64)


def _count(text: str) -> int:
    return _whole(text, 100_000)


def _choice_count(text: str) -> int:
    return _whole(text, 500)


def _whole(text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {most}")
    return int(text)
