"""The flags of `keyturn connections edit`: one for each field that a connection app declares, whatever it is."""

from __future__ import annotations

import argparse
import re
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from app.cli.asking import Question, ask
from app.cli.body import read_text
from app.cli.conversation import heeding_signals
from app.errors import UsageError
from app.forms import FormField, Kind, fields_of
from app.operations.connection_texts import CREDENTIALS
from providers.registry import connection_apps

_PLAIN = {"new_name": "name", "description": "description", "method": "method"}
"""Which documented name each flag stands for."""


@dataclass(frozen=True)
class Given:
    """The value of one flag. `field`: a credential that is read from the file that the value names."""

    key: str
    text: str
    field: FormField | None = None


@dataclass(frozen=True)
class _Flag:
    name: str
    field: FormField
    apps: tuple[str, ...]
    """Titles of the apps that have it."""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the flags of all apps that load, those of one app together. A name that is taken gets a longer one."""
    groups: dict[tuple[str, ...], Any] = {}
    for flag in _flags():
        group = groups.get(flag.apps) or parser.add_argument_group(f"to log in to {' and '.join(flag.apps)}")
        groups[flag.apps] = group
        field = flag.field
        dest = f"{CREDENTIALS}{field.key}"
        taken = f"--{flag.name}" in parser._option_string_actions
        name = f"--credentials-{flag.name}" if taken else f"--{flag.name}"
        if _in_file(field):
            group.add_argument(f"{name}-file", dest=dest, action=_FromFile, field=field, metavar="FILE")
            if field.kind is Kind.SECRET:
                group.add_argument(name, dest=f"{dest} itself", action=_Refused, nargs="?", help=argparse.SUPPRESS)
        elif field.kind is Kind.SWITCH:
            group.add_argument(name, dest=dest, action=_Typed, choices=("on", "off"), help=_about(field))
        else:
            metavar = "N" if field.kind is Kind.NUMBER else "TEXT"
            group.add_argument(name, dest=dest, action=_Typed, metavar=metavar, help=_about(field))


def given(args: Namespace) -> list[Given]:
    """What was typed; no file has been read."""
    plain = [Given(key, text) for flag, key in _PLAIN.items() if (text := getattr(args, flag)) is not None]
    return plain + [value for value in vars(args).values() if isinstance(value, Given)]


def texts(given: list[Given]) -> Mapping[str, str]:
    """Texts by documented name; files are read and questions asked. Raises UsageError, Left."""
    if len([one for one in given if one.field is not None and one.text == "-"]) > 1 and not sys.stdin.isatty():
        raise UsageError("Only one flag can read standard input.", remedy="Name files for the others.")
    return {one.key: one.text if one.field is None else _from_file(one.field, one.text) for one in given}


def _from_file(field: FormField, name: str) -> str:
    if name == "-" and not field.multiline and sys.stdin is not None and sys.stdin.isatty():
        with heeding_signals():
            return ask(Question(field.key, field.title, help=field.help, kind=Kind.SECRET, required=field.required))
    text = read_text(name, field.title)
    return text if field.multiline else re.sub(r"\r?\n\Z", "", text)


def _flags() -> Iterator[_Flag]:
    """Each flag once, in the order of the apps and their fields."""
    found: dict[tuple[str, bool], tuple[FormField, list[str]]] = {}
    for app in connection_apps().found.values():
        for model in app.methods.values():
            for field in fields_of(model):
                _, apps = found.setdefault((field.key, _in_file(field)), (field, []))
                apps += [app.title] if app.title not in apps else []
    for (key, _), (field, apps) in found.items():
        yield _Flag(_kebab(key), field, tuple(apps))


def _kebab(key: str) -> str:
    """ "sslRejectUnauthorized" as people type flags."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", key).replace(".", "-").replace("_", "-").lower()


def _in_file(field: FormField) -> bool:
    return field.kind is Kind.SECRET or field.multiline


def _about(field: FormField) -> str:
    """argparse takes % for the beginning of a substitution."""
    return (field.help or field.title).replace("%", "%%")


class _Typed(argparse.Action):
    field: FormField | None = None

    def __call__(self, parser: argparse.ArgumentParser, args: Namespace, value: Any, option: str | None = None) -> None:
        setattr(args, self.dest, Given(self.dest, str(value), self.field))


class _FromFile(_Typed):
    def __init__(self, *, field: FormField, **options: Any) -> None:
        about = _about(field)
        super().__init__(**options, help=f"{about}{'' if about.endswith('.') else '.'} In a file, or - (see below)")
        self.field = field


class _Refused(argparse.Action):
    """A secret on the command line: others see it there. What was typed is not said again."""

    def __call__(
        self, parser: argparse.ArgumentParser, args: Namespace, value: Any, option: str | None = None
    ) -> NoReturn:
        parser.error(
            f"{option} takes nothing secret: others see the command line, and the shell remembers it. "
            f"{option}-file - asks for it, and {option}-file FILE reads it from a file"
        )
