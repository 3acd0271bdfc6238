"""What can be typed about hooks and their deliveries."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from app.cli.parsers.words import Parser, as_json, command, limit, named, whole

if TYPE_CHECKING:
    from app.cli.parsers.words import Subparsers

_EVENTS_HELP = """\
events:
  published  new values are published, by schedule or by hand
  failed     a rotation failed; the same failure within 15 minutes is counted
  recovered  it works again
  overdue    a run is late
  expiring   the published credential expires before it is replaced
  guard      somebody still uses what is about to be replaced
  drift      somebody changed a credential at the target, or it is set back

A command is run without a shell, and told by KEYTURN_EVENT, KEYTURN_ROTATION,
KEYTURN_SECRETS and others, never a value. A webhook is a signed POST of JSON;
its signing key is printed once. --notify takes an address of Apprise. What
cannot be delivered is tried again for a day: see keyturn deliveries.
Take care: what stands in --command is shown to everybody who may list hooks."""
_ADD_EXAMPLE = """\
hooks add restart --on published --rotation billing \\
    --command 'systemctl restart billing'
hooks add chat --on failed,recovered --webhook https://example.com/in"""
_DELIVERIES_EXAMPLE = """\
deliveries --failed
deliveries retry 17"""
_HIGHEST = 2**31 - 1


def add(verbs: Subparsers) -> None:
    new = _verb(verbs, "add", "tell somebody of what happens", _ADD_EXAMPLE, epilog=_EVENTS_HELP)
    new.add_argument("name", metavar="NAME", help="what the hook is to be called")
    new.add_argument("--on", metavar="EVENTS", required=True, help="one or more, with commas between them; see below")
    how = new.add_mutually_exclusive_group(required=True)
    how.add_argument("--command", metavar="CMD", help="a program and its arguments, as one word")
    how.add_argument("--webhook", metavar="URL", help="a web address; - reads it from standard input")
    how.add_argument("--notify", metavar="URL", help="an address of Apprise; - reads it from standard input")
    new.add_argument("--rotation", metavar="NAME", help="only of this rotation (name or id)")
    new.add_argument("--project", metavar="P", help="only of this project (id or slug)")
    new.add_argument("--env", metavar="E", help="only of this environment")
    new.add_argument("--path", metavar="P", help="only of this secret path; with --env")
    new.add_argument("--time-out", metavar="S", type=lambda text: whole(text, 600), default=30, help="seconds (30)")
    _verb(verbs, "list", "all hooks", "hooks list")
    for name, about in (
        ("show", "one hook, without what is secret in it"),
        ("test", "send it a test message now, say what came back; exit code 1 when that failed"),
        ("pause", "send it nothing; what it would be told of waits"),
        ("resume", "send it what waited, and go on"),
        ("remove", "tell it nothing any more; what waits is not delivered"),
    ):
        named(_verb(verbs, name, about, f"hooks {name} chat"))


def add_deliveries(commands: Subparsers) -> None:
    about = "what hooks were told, and what could not be delivered"
    shown = command(commands, "deliveries", about, handler="deliveries:show_all", example=_DELIVERIES_EXAMPLE)
    shown.add_argument("--failed", action="store_true", help="only what is given up, or waits for another try")
    shown.add_argument("--hook", metavar="NAME", help="only those of one hook (name or id)")
    limit(shown, 100)
    as_json(shown)
    verbs = shown.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    for name, about in (("retry", "try one again, now and for a day"), ("drop", "deliver one never")):
        verb = command(verbs, name, about, handler=f"deliveries:{name}", example=f"deliveries {name} 17")
        verb.add_argument("id", metavar="ID", type=lambda text: whole(text, _HIGHEST), help="its number")
        as_json(verb)


def _verb(verbs: Subparsers, name: str, about: str, example: str, epilog: str = "") -> argparse.ArgumentParser:
    handler = f"hooks:{'show_all' if name == 'list' else name}"
    parser = command(verbs, name, about, handler=handler, example=example, epilog=epilog)
    as_json(parser)
    return parser
