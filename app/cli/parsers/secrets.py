"""What can be typed about secrets: for programs, and for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.cli import delivering
from app.cli.parsers.words import as_json, command

if TYPE_CHECKING:
    from app.cli.parsers.words import Subparsers

_REVEAL_HELP = """\
As keyturn secrets get, and the history tells who looked: for people, where get
is for programs."""


def add(verbs: Subparsers) -> None:
    delivering.secrets(verbs)
    about = "projects, environments and paths that there are"
    places = command(verbs, "places", about, handler="revealing:places", example="secrets places")
    as_json(places)
    about = "print one value, and note in the history who looked"
    example = "secrets reveal DB_PASSWORD --env prod"
    reveal = command(verbs, "reveal", about, handler="revealing:reveal", example=example, epilog=_REVEAL_HELP)
    as_json(reveal)
    reveal.add_argument("name", metavar="NAME", help="name of the secret")
    reveal.add_argument("--rotation", metavar="NAME", help="one of this rotation (name or id), wherever it is")
    delivering.place(reveal)
