"""What can be typed about connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.cli.parsers.words import Parser, as_json, command, file, named, whole

if TYPE_CHECKING:
    from app.cli.parsers.words import Subparsers

_ADD_HELP = """\
With --file the body is as documented. On a terminal, without --file, it asks
for everything; what is secret is not shown while it is typed. Nothing is kept
unless the login works."""
_EDIT_HELP = """\
What is not given stays, passwords included. An empty text removes what is
optional, null in a body. Another access is tried out before it is kept. What is
secret is never given on the command line: a flag names the file that holds it.
With - it is asked for on a terminal, and not shown; in a pipe it is read.

  echo '{"credentials": {"host": "db2.example.com"}}' |
      keyturn connections edit billing-db --file -
  keyturn connections edit billing-db --username keyturn2 --password-file -"""
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
    _edit(verbs)
    about = "what there is to rotate: IAM users, applications"
    choices = _verb(verbs, "choices", about, "choices production --filter billing", _CHOICES_HELP)
    named(choices)
    choices.add_argument("--filter", metavar="TEXT", default="", help="only those whose name holds it; see below")
    choices.add_argument("--type", metavar="TYPE", help="rotation type, where a connection serves several")
    choices.add_argument("--limit", type=_choice_count, default=100, metavar="N", help="at most so many (100)")
    named(_verb(verbs, "remove", "remove one that no rotation uses", "remove billing-db"))


def _edit(verbs: Subparsers) -> None:
    about = "change what is given, once that logs in; what is left out stays"
    edit = _verb(verbs, "edit", about, "edit billing-db --host db2.example.com", _EDIT_HELP)
    named(edit)
    edit.add_argument("--file", metavar="FILE", help="the JSON request body; - reads standard input; not with flags")
    flags = edit.add_argument_group("instead of a body")
    flags.add_argument("--name", dest="new_name", metavar="NEW", help="small letters, digits and hyphens")
    flags.add_argument("--description", metavar="TEXT", help="for those after you; empty removes it")
    flags.add_argument("--method", metavar="METHOD", help="another way to log in, with what that needs")
    edit.later = _credential_flags


def _credential_flags(edit: Parser) -> None:
    from app.cli import connection_flags

    connection_flags.declare(edit)


def _verb(verbs: Subparsers, name: str, about: str, example: str, epilog: str = "") -> Parser:
    parser = command(verbs, name, about, handler=f"connections:{name}", example=f"connections {example}", epilog=epilog)
    as_json(parser)
    return parser


def _choice_count(text: str) -> int:
    return whole(text, 500)
