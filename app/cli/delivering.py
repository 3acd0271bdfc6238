"""What can be typed about how published values reach programs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from app.cli.parsers.words import as_json, command

if TYPE_CHECKING:
    from app.cli.parser import Subparsers

FORMATS = ("dotenv", "json", "yaml", "shell")

_EXPORT_HELP = """\
formats:
  dotenv  NAME=value lines. Letters, digits and @%+:,./_- stand bare; any other
          value stands in single quotes or, when it holds a single quote or a
          backslash, in double quotes with a backslash before each of \\ " $ `.
          A value may go on over several lines. sh reads it: set -a; . ./.env
  json    one object, name to value
  yaml    one mapping, name to value
  shell   eval "$(keyturn secrets export --format shell)"

dotenv and shell hold names of letters, digits and _ alone; any other name is
an error that names it."""
_SET_HELP = """\
Without --value-file and --file the value is asked for, and not shown. It is
never a word of the command line, which others see. A value of one line loses
the line end that echo adds; one of several lines is kept as it is.

The body of --file: {"secretValue": "...", "secretComment": "..."}.

A folder that is not there is made. A secret that a rotation writes is refused:
rotate it instead.

  pass show api-key | keyturn secrets set API_KEY --env prod --value-file -"""
_RUN_HELP = """\
The program replaces keyturn: signals and exit code are its own. 127: there is
no such program, 126: it cannot be run. Published values win over variables of
the same name; KEYTURN_KEY is not handed on. A secret whose name cannot be a
variable (letters, digits and _) is an error that names it: no program starts
with a part of its configuration.

With --watch keyturn stays, and starts the program anew when a value that it was
given has changed: TERM, --grace seconds, KILL. With --signal it is told by a
signal instead, for programs that read a file. Other signals are passed on. When
the program ends by itself keyturn ends with its exit code, 128 and the number
of the signal that ended it.

  keyturn run --env prod --watch -- ./billing-service
  keyturn run --watch --signal HUP -- nginx -g 'daemon off;'"""


_KINDS = (
    "dotenv",
    "json",
    "yaml",
    "shell",
    "pgpass",
    "pg-service",
    "pgbouncer-userlist",
    "aws-credentials",
    "template",
)
_ADD_HELP = """\
The file is made at once. From then on the loop (keyturn --run-scheduler, or the
terminal interface) keeps it up: it is written within a second of a publication,
as a whole or not at all, and put right when somebody changed or removed it. A
symbolic link is not followed.

kinds, of a rotation (--rotation) or of a place (--project, --env, --path):
  dotenv, json, yaml, shell    as keyturn secrets export writes them
  template            a Jinja2 template of your own: secrets by their names
kinds of a PostgreSQL rotation:
  pgpass              both users, which both work
  pg-service          the active user, as a section of pg_service.conf
  pgbouncer-userlist  both users, with SCRAM verifiers; --plain: with passwords
kind of an AWS rotation:
  aws-credentials     the active key, as a profile; other profiles stay

  keyturn targets add app --kind dotenv --env prod --file /etc/app/env \\
      --mode 0640 --owner root:app --reload 'systemctl reload app'"""
_RENDER_HELP = """\
Without a name: all of them. With --check nothing is written; exit code 1 when a
file is not as it should be, or cannot be."""


_CREDENTIAL_PROCESS_HELP = """\
In ~/.aws/config:

  [profile billing]
  credential_process = /usr/local/bin/keyturn aws-credential-process billing

SDKs keep what they got until it expires, so the answer expires after an hour,
though the key goes on: whoever asks again in time has the active key, after
a rotation by hand and in an emergency, too. SDKs ask some 15 minutes before;
with less than that they ask at every request.

  keyturn aws-credential-process billing-keys"""


def run(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "run",
        help="run a program with the published values in its environment",
        description="Run a program with the published values in its environment.",
        usage="keyturn run [-h] [--project P] [--env E] [--path P] [--watch] [--grace S]\n"
        "                   [--restart | --signal NAME] -- CMD ...",
        epilog=_RUN_HELP,
    )
    place(parser)
    parser.add_argument("--watch", action="store_true", help="stay, and act when a value that it was given changes")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--restart", action="store_true", help="with --watch: start it anew, which is the default")
    how.add_argument("--signal", metavar="NAME", type=_signal, help="with --watch: send it a signal, such as HUP")
    parser.add_argument(
        "--grace", metavar="S", type=_grace, help="with --watch: seconds from TERM to KILL at a restart (10)"
    )
    parser.add_argument("program", nargs=argparse.REMAINDER, metavar="CMD ...", help="the program and its arguments")
    parser.set_defaults(handler="run:run", parser=parser)


def aws_credential_process(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "aws-credential-process",
        help="the active key of an AWS rotation, as the SDKs ask for it",
        description="The active key of an AWS rotation, as the SDKs ask for it.",
        epilog=_CREDENTIAL_PROCESS_HELP,
    )
    parser.add_argument("name", metavar="NAME", help="rotation, by name or id")
    parser.add_argument(
        "--valid-for", type=_minutes, default=60, metavar="MIN", help="minutes after which the SDK asks again (60)"
    )
    parser.set_defaults(handler="aws:credential_process")


def secrets(verbs: Subparsers) -> None:
    place(_verb(verbs, "list", "names, versions and owners; no values", "list --env prod"))
    get = _verb(verbs, "get", "print one value", "get DB_PASSWORD --env prod")
    get.add_argument("name", metavar="NAME")
    get.add_argument("--version", type=_version, metavar="N", help="an older one; the newest unless given")
    place(get)
    _write(verbs)
    export = _verb(verbs, "export", "print all values of a place", "export --format json", epilog=_EXPORT_HELP)
    export.add_argument("--format", choices=FORMATS, help="dotenv unless given; --json is --format json")
    place(export)


def _write(verbs: Subparsers) -> None:
    put = _verb(verbs, "set", "create a plain secret, or give it a new value", "set API_KEY --env prod", _SET_HELP)
    put.set_defaults(handler="plain_secrets:put")
    put.add_argument("name", metavar="NAME")
    how = put.add_mutually_exclusive_group()
    how.add_argument("--value-file", metavar="FILE", help="the value; - reads standard input")
    how.add_argument("--file", metavar="FILE", help="the JSON request body; - reads standard input")
    put.add_argument("--comment", metavar="TEXT", help='what it is for; "" for nothing')
    place(put)
    delete = _verb(verbs, "delete", "delete a plain secret with all its versions", "delete API_KEY --env prod")
    delete.set_defaults(handler="plain_secrets:delete")
    delete.add_argument("name", metavar="NAME")
    delete.add_argument("--yes", action="store_true", help="don't ask")
    place(delete)


def targets(verbs: Subparsers) -> None:
    example = "add pgpass --kind pgpass --rotation billing --file ~/.pgpass"
    add = _verb(verbs, "add", "keep a file up with what is published", example, epilog=_ADD_HELP, group="targets")
    add.add_argument("name", metavar="NAME", help="what the target is to be called")
    add.add_argument("--kind", choices=_KINDS, required=True, metavar="KIND", help="see below")
    add.add_argument("--file", metavar="FILE", required=True, help="which file")
    add.add_argument("--rotation", metavar="NAME", help="of this rotation (name or id), wherever it is moved")
    place(add)
    add.add_argument("--mode", type=_mode, default=0o600, metavar="MODE", help="who may read it (0600)")
    add.add_argument("--owner", metavar="USER[:GROUP]", help="whose it is to be; needs root")
    add.add_argument("--template", metavar="FILE", help="for kind template")
    add.add_argument("--service", metavar="NAME", help="for kind pg-service: the section")
    add.add_argument("--profile", metavar="NAME", help="for kind aws-credentials: the section (default)")
    add.add_argument("--plain", action="store_true", help="for kind pgbouncer-userlist: passwords, not verifiers")
    add.add_argument("--replace", action="store_true", help="overwrite what is in the file already")
    how = add.add_mutually_exclusive_group()
    how.add_argument("--reload", metavar="CMD", help="a shell command to run after the file has changed")
    how.add_argument("--signal", type=_pid_file, metavar="PIDFILE:HUP", help="a signal to send then")
    _verb(verbs, "list", "all targets and how they are", "list --json", group="targets")
    for name, about in (("show", "one target"), ("remove", "keep a file up no longer; the file stays")):
        _verb(verbs, name, about, f"{name} pgpass", group="targets").add_argument(
            "name", metavar="NAME", help="name or id"
        )
    render = _verb(
        verbs, "render", "bring files up to date now", "render --check", epilog=_RENDER_HELP, group="targets"
    )
    render.add_argument("name", metavar="NAME", nargs="?", help="name or id")
    render.add_argument("--check", action="store_true", help="only look")


def place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--project", metavar="P", default="default", help="id or slug (default)")
    parser.add_argument("--env", metavar="E", default="dev", help="environment slug (dev)")
    parser.add_argument("--path", metavar="P", default="/", help="secret path (/)")


def _verb(
    verbs: Subparsers, name: str, about: str, example: str, epilog: str = "", group: str = "secrets"
) -> argparse.ArgumentParser:
    handler = f"{group}:{'show_all' if name == 'list' else name}"
    parser = command(verbs, name, about, handler=handler, example=f"{group} {example}", epilog=epilog)
    as_json(parser)
    return parser


def _signal(text: str) -> int:
    from signal import Signals

    name = text.upper().removeprefix("SIG")
    known = {one.name.removeprefix("SIG"): one.value for one in Signals}
    if name not in known or name in ("KILL", "STOP", "CHLD"):
        raise argparse.ArgumentTypeError("must name a signal, such as HUP, USR1 or TERM")
    return known[name]


def _pid_file(text: str) -> str:
    file, _, name = text.rpartition(":")
    if not file:
        raise argparse.ArgumentTypeError("must be PIDFILE:SIGNAL, such as /run/app.pid:HUP")
    _signal(name)
    from pathlib import Path

    return f"{Path(file).expanduser().absolute()}:{name}"


def _minutes(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= 1440):
        raise argparse.ArgumentTypeError("must be a whole number of minutes from 1 to 1440")
    return int(text)


def _version(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) >= 1):
        raise argparse.ArgumentTypeError("must be a whole number from 1")
    return int(text)


def _mode(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and set(text) <= set("01234567")):
        raise argparse.ArgumentTypeError("must be an octal mode, such as 0640")
    mode = int(text, 8)
    if mode & 0o7000 or not mode & 0o400:
        raise argparse.ArgumentTypeError("must let its owner read, and have no special bits, such as 0640")
    return mode


def _grace(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise argparse.ArgumentTypeError("must be a number of seconds from 0 to 3600")
    return seconds
