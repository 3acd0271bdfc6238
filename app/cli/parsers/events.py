"""What can be typed about the history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.cli import upkeep
from app.cli.parsers.words import as_json, command, count

if TYPE_CHECKING:
    from app.cli.parsers.words import Subparsers

_HELP = """\
With --follow the newest ten come first and then whatever is written, oldest
first, a line each; with --json each line is one object.

  keyturn events --follow --json | jq -r .message"""


def add(commands: Subparsers) -> None:
    about = "who did what when, newest first"
    events = command(
        commands, "events", about, handler="events:show", example="events --filter 'failed billing'", epilog=_HELP
    )
    events.add_argument("--rotation", metavar="NAME", help="only those of one rotation (name or id)")
    events.add_argument("--filter", metavar="WORDS", default="", help="only those that hold all of the words")
    events.add_argument("--follow", "-f", action="store_true", help="go on with what is written, until ctrl+c")
    events.add_argument("--limit", type=count, metavar="N", help="at most so many (100; 10 before following)")
    as_json(events)
    upkeep.verify(events)
