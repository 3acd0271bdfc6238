"""What can be typed to try Keyturn out: the demo and the drill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.cli.parsers.words import as_json, command, whole

if TYPE_CHECKING:
    from app.cli.parsers.words import Subparsers

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


def add_demo(commands: Subparsers) -> None:
    about = "rotate all types on stand-ins of its own, nothing to set up"
    command(commands, "demo", about, handler="start:demo", example="demo | cat")


def add_drill(commands: Subparsers) -> None:
    about = "kill Keyturn wherever it can die, and see that every login goes on"
    example = "drill --type postgres-credentials --only 'run by hand'"
    drill = command(commands, "drill", about, handler="drill:run", example=example, epilog=_DRILL_HELP)
    drill.add_argument(
        "connection", metavar="CONNECTION", nargs="?", help="name or id, to a PostgreSQL; targets of its own without it"
    )
    drill.add_argument("--type", metavar="TYPE", choices=_DRILLED, help="only this rotation type; not with CONNECTION")
    drill.add_argument("--only", metavar="TEXT", default="", help="only points whose name holds it: 'run by hand'")
    drill.add_argument("--at-once", type=_at_once, default=2, metavar="N", help="how many points at once (2)")
    drill.add_argument("--yes", action="store_true", help="don't ask")
    as_json(drill)


def _at_once(text: str) -> int:
    return whole(text, 64)
