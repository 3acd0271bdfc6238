"""What can be typed to look after Keyturn itself."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.cli.parser import Subparsers

_DOCTOR_HELP = """\
Nothing is changed: no store is created, nothing is rotated. It looks at the
key, who may read the files, the store and every sealed value in it, the
disk, the clock, rotations that fail, are overdue or stuck, leases of processes
that died, and logs in to every connection. Each line says passed, warning or
failed, and what to do. Exit code 1 when something failed.

  keyturn doctor --json | jq '.checks[] | select(.result != "passed")'"""


def add(commands: Subparsers, whole: Callable[[str, int], int]) -> None:
    """`whole`: reads a whole number of at most so much."""
    _doctor(commands, whole)


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


def _command(commands: Subparsers, name: str, about: str, epilog: str) -> argparse.ArgumentParser:
    description = f"{about[0].upper()}{about[1:]}."
    parser = commands.add_parser(name, help=about, description=description, epilog=epilog)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser
