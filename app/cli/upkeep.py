"""What can be typed to look after Keyturn itself."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.cli.parser import Subparsers

_DOCTOR_HELP = """\
Nothing is changed: no store is created, nothing is rotated. It looks at the
key, who may read the files, the store and every sealed value in it, the disk,
the clock, the history, backups, rotations that fail, are overdue or stuck,
leases of processes that died, and logs in to every connection. Each line says
passed, warning or failed, and what to do. Exit code 1 when something failed.

  keyturn doctor --json | jq '.checks[] | select(.result != "passed")'"""


_BACKUP_HELP = """\
FILE is a copy of one moment; others go on working meanwhile. It is sealed as
the store is, readable for this user alone, and does not hold the key: keep a
copy of that somewhere else. A store in PostgreSQL becomes such a file, too,
and may be restored into either.

  keyturn backup /mnt/backup/keyturn-$(date +%F).db"""
_RESTORE_HELP = """\
FILE is checked first: that it is a whole backup of a known version, and opens
with the present key. Every other Keyturn on this store has to be stopped. What
is there now is kept beside it, as keyturn.db.before-restore-TIME. Afterwards
the loop tries every credential before it rotates anything: what was issued
after the backup was made, the backup does not know.

  keyturn restore /mnt/backup/keyturn-2026-11-21.db --yes"""


_KEY_HELP = """\
The key seals every value in the store; it is never printed. keyturn key rotate
makes a new one and moves everything to it, while others go on working. The
former keys stay in the ring, so that older backups can still be restored, until
keyturn key prune drops them.

  keyturn key show
  keyturn key rotate"""
_ROTATE_HELP = """\
Killed at any moment, it is finished by running it once more: the ring holds
both keys until all has moved, and every value opens meanwhile. Afterwards make
a new copy of the key file.

A key that comes from KEYTURN_KEY, KEYTURN_KEY_COMMAND or a systemd credential
cannot be replaced from here; nor can the copies of a key file on other machines
that share a store in PostgreSQL. There it takes two steps:

  keyturn key rotate --to /run/user/1000/new-ring
  (put its content where the key comes from, on every machine)
  keyturn key rotate"""
_PRUNE_HELP = """\
It refuses while anything in the store is sealed with a former key. Backups that
were made before everything moved to the present key open with a former one
alone: the question lists those that the history knows of. What was dropped
cannot be made again; keep a copy of the key file for as long as you keep them.

A key that comes from KEYTURN_KEY, KEYTURN_KEY_COMMAND or a systemd credential
cannot be replaced from here; nor can the copies of a key file on other machines
that share a store in PostgreSQL. --to writes what is to be put there.

  keyturn key prune"""
_REPORT_HELP = """\
One line for each credential: rotation, type, connection, project, environment,
path, identity, slot, state, issued at, age in days, interval, whether it is as
it should be and why not, next run, expiry. It is not when it is older than its
interval and a day (an inactive one: two intervals and a day, since it was
active before), expired, of a rotation that fails or is paused, or was never
rotated. Times are UTC. In csv, a cell that a spreadsheet would take for a
formula begins with an apostrophe.

  keyturn report --format csv > credentials-$(date +%F).csv"""
_REPORT_FORMATS = ("table", "csv", "json")


_VERIFY_HELP = """\
Each event carries a hash over its content and the hash before it. Walks them
all and says up to which event the history is intact; exit code 1 when one was
changed, removed or put in, or when some are missing at the end. Note the head
it prints elsewhere: --known tells whether all of it was written anew.

  keyturn events verify --known 132:5f70bf18a086..."""


def add(commands: Subparsers, whole: Callable[[str, int], int]) -> None:
    """`whole`: reads a whole number of at most so much."""
    _doctor(commands, whole)
    _backup(commands)
    _report(commands)
    _key(commands)


def _doctor(commands: Subparsers, whole: Callable[[str, int], int]) -> None:
    doctor = _command(commands, "doctor", "look whether all is well, and say what to do", _DOCTOR_HELP)
    doctor.add_argument(
        "--timeout",
        type=lambda text: whole(text, 600),
        default=20,
        metavar="SECONDS",
        help="how long each connection has to answer (20)",
    )
    doctor.set_defaults(handler="doctor:run")


def _backup(commands: Subparsers) -> None:
    backup = _command(commands, "backup", "copy everything into one file, still sealed", _BACKUP_HELP)
    backup.add_argument("file", metavar="FILE", help="where to; its folder must exist")
    backup.add_argument("--force", action="store_true", help="replace a file that is there")
    backup.set_defaults(handler="backup:write")
    restore = _command(commands, "restore", "put a backup in the store's place", _RESTORE_HELP)
    restore.add_argument("file", metavar="FILE", help="what keyturn backup wrote")
    restore.add_argument("--yes", action="store_true", help="don't ask")
    restore.set_defaults(handler="backup:restore")


def _report(commands: Subparsers) -> None:
    report = _command(
        commands, "report", "every credential, its age, and whether that is as it should be", _REPORT_HELP
    )
    report.add_argument("--format", choices=_REPORT_FORMATS, help="table unless given; --json is --format json")
    report.add_argument("--project", metavar="P", help="only those of this project (id or slug)")
    report.set_defaults(handler="report:show")


def _key(commands: Subparsers) -> None:
    about = "where the store's key comes from, and a new one"
    key = commands.add_parser("key", help=about, description=f"{about[0].upper()}{about[1:]}.", epilog=_KEY_HELP)
    verbs = key.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show = _command(verbs, "show", "where it comes from and its id; never the key", "  keyturn key show --json")
    show.set_defaults(handler="key:show")
    rotate = _command(verbs, "rotate", "make a new key and move everything to it", _ROTATE_HELP)
    rotate.add_argument("--to", metavar="FILE", help="only write a ring with a new key to FILE; see below")
    rotate.set_defaults(handler="key:rotate")
    prune = _command(verbs, "prune", "drop the former keys that nothing in the store needs", _PRUNE_HELP)
    prune.add_argument("--to", metavar="FILE", help="only write the ring without them to FILE; see below")
    prune.add_argument("--yes", action="store_true", help="don't ask")
    prune.set_defaults(handler="key:prune")


def verify(events: argparse.ArgumentParser) -> None:
    """`events verify`, a command of a command that does without."""
    about = "whether the history is what was written"
    verbs = events.add_subparsers(title="commands", metavar="[verify]", required=False)
    parser = verbs.add_parser("verify", help=about, description=f"See {about}.", epilog=_VERIFY_HELP)
    parser.add_argument("--known", metavar="HEAD", help="a head that was printed and noted before")
    # Not to overrule the one before the word verify.
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")
    parser.set_defaults(handler="audit:verify")


def _command(commands: Subparsers, name: str, about: str, epilog: str) -> argparse.ArgumentParser:
    description = f"{about[0].upper()}{about[1:]}."
    parser = commands.add_parser(name, help=about, description=description, epilog=epilog)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser
