"""What can be typed about rotations."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from app.cli.parsers.words import as_json, command, file, limit, named

if TYPE_CHECKING:
    from app.cli.parsers.words import Subparsers

GUARDS = ("warn", "wait", "off")

_CREATE_HELP = """\
With --file the body is as documented. On a terminal, without --file, it asks
for everything, one question after the other, and shows what would happen
before it does anything; ctrl+c leaves nothing behind."""
_EDIT_HELP = """\
Either flags, or a body: what they leave out stays. --set gives any parameter
or secret's name by its documented name; an empty value removes what is
optional. --rotate-at is UTC, as times of day are everywhere on the command
line.

  keyturn rotations edit billing --set parameters.passwordRequirements.length=64
  keyturn rotations edit billing --guard wait --guard-wait-hours 12
  echo '{"rotationInterval": 14}' | keyturn rotations edit billing --file -"""
_PREPARE_HELP = """\
For PostgreSQL: SQL that creates both users, with one owner role in common, so
that tables made by one of them belong to both. What exists already is left
alone. Without --run it is printed, for you or your administrator."""
_PREPARE_EXAMPLE = """\
prepare postgres-credentials --connection billing-db \\
    --set username1=billing_1 --set username2=billing_2"""
_GUARD_HELP = """\
What a run does while somebody still uses the credential that it is about to
replace. warn: it names them and goes on. wait: it is put off, at most so many
hours. off: nobody looks. Without a policy it says what holds now."""
_PLAN_HELP = """\
Every step in words, with the calls at the target; what is published where;
what dies and when, and who still uses it. Each permission is tried, and what
is missing stands there with the statement or policy that mends it. Nothing is
changed, at the target or in the store. Exit code 1 when something is missing."""
_EMERGENCY_HELP = """\
For when somebody may know them who must not. The new credential is published
before the one that was active dies; then the sessions that were opened with
the old ones are ended. The guard does not wait, and a pause does not matter.
The report says what is dead since when, and what to do. Should it be
interrupted, the loop finishes it, and so does the same command once more.
Exit code 1 when something is left open."""


def add(verbs: Subparsers) -> None:
    _create(verbs)
    _prepare(verbs)
    every = _verb(verbs, "list", "all rotations and how they are", "list --project default")
    every.set_defaults(handler="rotations:show_all")
    every.add_argument("--project", metavar="P", help="only those of this project (id or slug)")
    named(_verb(verbs, "show", "one rotation", "show billing"))
    _edit(verbs)
    _move(verbs)
    _guard(verbs)
    plan = _verb(verbs, "plan", "what the next rotation would do, and whether it may", "plan billing", _PLAN_HELP)
    plan.set_defaults(handler="plan:show")
    named(plan)
    rotate = _verb(verbs, "rotate", "rotate now, or resume what was interrupted", "rotate billing --json")
    named(rotate)
    rotate.add_argument("--force", action="store_true", help="even while the guard waits for who still uses it")
    _emergency(verbs)
    check = _verb(verbs, "check", "log in with both credentials; exit code 1 when one is refused", "check billing")
    named(check)
    check.add_argument("--heal", action="store_true", help="set passwords that somebody changed back first")
    credentials = "print both credentials, secret values included"
    named(_verb(verbs, "credentials", credentials, "credentials billing --json"))
    named(_verb(verbs, "pause", "switch auto-rotation off", "pause billing"))
    named(_verb(verbs, "resume", "switch auto-rotation on", "resume billing"))
    history = _verb(verbs, "history", "its attempts, newest first", "history billing --limit 5")
    named(history)
    limit(history, 50)
    _delete(verbs)


def _create(verbs: Subparsers) -> None:
    about = "check everything, then issue and publish the first credentials"
    create = _verb(verbs, "create", about, "create postgres-credentials --file body.json", _CREATE_HELP)
    create.add_argument("type", metavar="TYPE", help="such as postgres-credentials or aws-iam-user-secret")
    file(create, "it asks")


def _prepare(verbs: Subparsers) -> None:
    about = "the script that makes what is to be rotated, to read or to run"
    prepare = _verb(verbs, "prepare", about, _PREPARE_EXAMPLE, _PREPARE_HELP)
    prepare.set_defaults(handler="preparing:prepare")
    prepare.add_argument("type", metavar="TYPE", help="such as postgres-credentials")
    prepare.add_argument("--connection", metavar="NAME", required=True, help="connection, by name or id")
    prepare.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a parameter of the rotation to be"
    )
    prepare.add_argument("--run", action="store_true", help="run it through the connection, all or nothing")
    prepare.add_argument("--yes", action="store_true", help="don't ask before it runs")


def _edit(verbs: Subparsers) -> None:
    edit = _verb(
        verbs,
        "edit",
        "change what is given; what is left out stays",
        "edit billing --interval 14 --rotate-at 03:30",
        _EDIT_HELP,
    )
    edit.set_defaults(handler="editing:edit")
    named(edit)
    edit.add_argument("--file", metavar="FILE", help="the JSON request body; - reads standard input; not with flags")
    flags = edit.add_argument_group("instead of a body")
    flags.add_argument("--name", dest="new_name", metavar="NEW", help="small letters, digits and hyphens")
    flags.add_argument("--description", metavar="TEXT", help="for those after you; empty removes it")
    flags.add_argument("--interval", metavar="DAYS", help="days from one rotation to the next")
    flags.add_argument("--rotate-at", metavar="HH:MM", help="time of day in UTC, such as 03:30")
    flags.add_argument("--auto-rotation", choices=("on", "off"), help="whether it rotates by itself")
    flags.add_argument("--guard", choices=GUARDS, help="what to do when the old credential is still in use")
    flags.add_argument("--guard-wait-hours", metavar="HOURS", help="how long the guard waits at most")
    flags.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a parameter or a secret's name, such as parameters.username1=billing_3; may be repeated",
    )


def _move(verbs: Subparsers) -> None:
    about = "move it with its secrets; the target is not touched"
    move = _verb(verbs, "move", about, "move billing --env prod --path /billing")
    named(move)
    move.add_argument("--env", metavar="E", required=True, help="environment slug to move to")
    move.add_argument("--path", metavar="P", default="/", help="secret path to move to (/)")
    move.add_argument("--overwrite", action="store_true", help="replace plain secrets of the same names there")


def _guard(verbs: Subparsers) -> None:
    about = "what to do when the old credential is still in use"
    guard = _verb(verbs, "guard", about, "guard billing wait --wait-hours 12", _GUARD_HELP)
    guard.set_defaults(handler="editing:guard")
    named(guard)
    guard.add_argument("policy", metavar="POLICY", nargs="?", choices=GUARDS, help="warn, wait or off")
    guard.add_argument("--wait-hours", metavar="HOURS", help="with wait: how long at most (as before, or 24)")


def _emergency(verbs: Subparsers) -> None:
    about = "renew both credentials now, and end what uses the old ones"
    emergency = _verb(verbs, "emergency", about, "emergency billing", _EMERGENCY_HELP)
    emergency.set_defaults(handler="emergency:renew")
    named(emergency)
    emergency.add_argument("--yes", action="store_true", help="don't ask")


def _delete(verbs: Subparsers) -> None:
    about = "delete a rotation; the credentials stay as they are"
    delete = _verb(verbs, "delete", about, "delete billing --revoke")
    named(delete)
    delete.add_argument("--revoke", action="store_true", help="make both credentials useless at the target first")
    delete.add_argument(
        "--delete-secrets", action="store_true", help="delete its secrets; without this they stay as plain secrets"
    )
    delete.add_argument("--yes", action="store_true", help="don't ask")


def _verb(verbs: Subparsers, name: str, about: str, example: str, epilog: str = "") -> argparse.ArgumentParser:
    parser = command(verbs, name, about, handler=f"rotations:{name}", example=f"rotations {example}", epilog=epilog)
    as_json(parser)
    return parser
