"""What can be typed about connections."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from app.cli.parsers.words import as_json, command, file, named, whole

if TYPE_CHECKING:
    from app.cli.parsers.words import Subparsers

_ADD_HELP = """\
With --file the body is as documented. On a terminal, without --file, it asks
for everything; what is secret is not shown while it is typed. Nothing is kept
unless the login works."""
_EDIT_HELP = """\
What the body leaves out stays, inside "credentials" too, passwords included;
null removes what is optional. Another access is tried out before it is kept.

  echo '{"credentials": {"host": "db2.example.com"}}' |
      keyturn connections edit billing-db --file -"""
_CHOICES_HELP = """\
Nothing is changed. PARAMETERS is what goes into the body of rotations create.
Entra finds the beginning of a word of a name, or a whole id; AWS any part of a
name. PostgreSQL has no such list: type the names of the users.

  keyturn connections choices my-entra --filter Billing --json"""


def add(verbs: Subparsers) -> None:
    about = "log in to a target, and keep the access when that works"
    new = _verb(verbs, "add", about, "add postgres --file body.json", _ADD_HELP)
    new.add_argument("app", metavar="APP", help="what it leads to, such as postgres or aws")
    file(new, "it asks")
    _verb(verbs, "list", "all connections", "list --json").set_defaults(handler="connections:show_all")
    named(_verb(verbs, "show", "one connection, without its secrets", "show billing-db"))
    named(_verb(verbs, "test", "log in with what is kept", "test billing-db"))
    about = "change what the body gives, once that logs in"
    edit = _verb(verbs, "edit", about, "edit billing-db --file changes.json", _EDIT_HELP)
    named(edit)
    edit.add_argument("--file", required=True, metavar="FILE", help="the JSON request body; - reads standard input")
    about = "what there is to rotate: IAM users, applications"
    choices = _verb(verbs, "choices", about, "choices production --filter billing", _CHOICES_HELP)
    named(choices)
    choices.add_argument("--filter", metavar="TEXT", default="", help="only those whose name holds it; see below")
    choices.add_argument("--type", metavar="TYPE", help="rotation type, where a connection serves several")
    choices.add_argument("--limit", type=_choice_count, default=100, metavar="N", help="at most so many (100)")
    named(_verb(verbs, "remove", "remove one that no rotation uses", "remove billing-db"))


def _verb(verbs: Subparsers, name: str, about: str, example: str, epilog: str = "") -> argparse.ArgumentParser:
    parser = command(verbs, name, about, handler=f"connections:{name}", example=f"connections {example}", epilog=epilog)
    as_json(parser)
    return parser


def _choice_count(text: str) -> int:
    return whole(text, 500)
