"""What can be typed about the background loop: its flags, the settings, and the service it runs as."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from app.cli.parsers.words import group

if TYPE_CHECKING:
    from app.cli.parser import Subparsers

LOOP_FLAGS = ("concurrency", "log_format", "log_level", "metrics_address", "metrics_public")
"""Flags that are settings, too: what is given here wins."""

_SHOW_HELP = """\
A flag wins over an environment variable, that over the file, that over the
default. The file is config.toml in the configuration folder; KEYTURN_CONFIG
or --config names another one. Passwords in addresses are not shown.

  keyturn --config staging.toml config show --json
  keyturn config show"""

_INSTALL_HELP = """\
The unit runs this very installation, hardened. A system service keeps data in
/var/lib/keyturn, settings and key in /etc/keyturn. --print writes the unit to
standard output and changes nothing. Changes of yours belong beside the unit
(systemctl edit keyturn); one that was changed itself is not overwritten.

  keyturn service install --user
  sudo keyturn service install --system"""
_UNINSTALL_HELP = """\
The unit file alone is removed: store, settings and key stay.

  keyturn service uninstall --user"""


def add_flags(parser: argparse.ArgumentParser, whole: Callable[[str, int], int]) -> None:
    """`whole`: reads a whole number of at most so much."""
    parser.add_argument("--config", metavar="FILE", help="the settings file (config.toml in the configuration folder)")
    parser.add_argument("--no-mouse", action="store_true", help="leave the mouse to the terminal")
    loop = parser.add_argument_group("background loop")
    loop.add_argument(
        "--run-scheduler", action="store_true", help="rotate what is due, in the foreground, until SIGTERM"
    )
    loop.add_argument("--once", action="store_true", help="only what is due now; exit code 1 when one failed")
    loop.add_argument(
        "--concurrency", type=lambda text: whole(text, 64), metavar="N", help="how many rotations at once (4)"
    )
    loop.add_argument("--log-format", choices=("text", "json"), help="key=value lines, or one JSON object a line")
    loop.add_argument("--log-level", choices=("debug", "info", "warning", "error"), help="these and worse (info)")
    loop.add_argument("--metrics-address", metavar="HOST:PORT", help="where to serve /metrics and /healthz (nowhere)")
    loop.add_argument(
        "--metrics-public", action="store_true", default=None, help="let that address be reached from other machines"
    )


def misplaced(args: argparse.Namespace) -> str:
    """What is wrong when flags of the loop stand without it; empty when none does."""
    given = [name for name in ("once", *LOOP_FLAGS) if getattr(args, name) not in (None, False)]
    named = " and ".join(f"--{name.replace('_', '-')}" for name in given)
    return f"{named} {'go' if len(given) > 1 else 'goes'} with --run-scheduler" if given else ""


def add(commands: Subparsers) -> None:
    config = group(commands, "config", "what is set, and where", "show")
    about = "every setting, its value, and where that comes from"
    show = config.add_parser("show", help=about, description=f"{about[0].upper()}{about[1:]}.", epilog=_SHOW_HELP)
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(handler="config:show")
    service = group(commands, "service", "run the loop under systemd", "install --user")
    install = _service(service, "install", "write the unit file, and say what to do next", _INSTALL_HELP)
    install.add_argument("--print", action="store_true", help="print it instead")
    install.add_argument("--run-as", metavar="USER", default="keyturn", help="whom a system service runs as (keyturn)")
    _service(service, "uninstall", "remove the unit file", _UNINSTALL_HELP)


def _service(verbs: Subparsers, name: str, about: str, epilog: str) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.", epilog=epilog)
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("--user", action="store_true", help="a service of your own")
    whose.add_argument("--system", action="store_true", help="a service of the machine")
    parser.add_argument("--root", metavar="DIR", default="/", help="where the system is, for images (/)")
    parser.add_argument("--force", action="store_true", help="even if somebody changed the file")
    parser.set_defaults(handler=f"service:{name}")
    return parser
