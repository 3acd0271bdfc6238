"""Every setting with its value and where that comes from; and the table of docs/settings.md."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from app import preferences
from app.preferences import TABLE
from app.settings.check import allowed
from app.settings.file import SettingsFile
from app.settings.loading import given_for, load_declared, load_settings, variable_of
from app.settings.model import Declared

_PASSWORD = re.compile(r"(://[^:/?#]*:).*(?=@)")
_IN_QUERY = re.compile(r"(?i)((?:^|[?&])[^=&]*(?:password|passwd|secret|token)[^=&]*=)[^&]*")


@dataclass(frozen=True)
class Shown:
    """`value` is fit to be shown. `origin`: flag, variable, "FILE:LINE", or "default"."""

    name: str
    value: Any
    origin: str


def shown(environ: Mapping[str, str], file: SettingsFile, flags: Mapping[str, Any] | None = None) -> list[Shown]:
    """Raises UsageError."""
    flags = flags or {}
    values = load_declared(environ, flags, file).model_dump()
    settings = load_settings(environ)
    values |= {"database_url": masked(settings.database_url)}
    if not values["key_file"]:
        values["key_file"] = str(settings.default_key_file)
    found = []
    for name, value in values.items():
        given = given_for(name, environ, file, flags)
        found.append(Shown(name, value, given.origin if given else "default"))
    return [*found, *_look(file)]


def _look(file: SettingsFile) -> list[Shown]:
    """What the page of the terminal UI sets. What makes no sense there has its default, and is no origin."""
    found, _ = preferences.load(file)
    given = preferences.given(file)
    return [
        Shown(f"{TABLE}.{name}", value, file.where(name, TABLE) if given.get(name) == value else "default")
        for name, value in asdict(found).items()
    ]


def masked(url: str) -> str:
    """An address without the passwords in it."""
    return _IN_QUERY.sub(r"\1***", _PASSWORD.sub(r"\1***", url))


def as_table() -> str:
    """The settings as a table in Markdown, made from their declaration."""
    lines = ["| setting | environment variable | takes | default | what it is for |", "| --- | --- | --- | --- | --- |"]
    for name, field in Declared.model_fields.items():
        cells = [f"`{name}`", f"`{variable_of(name)}`", allowed(name), _default(field.default), field.description or ""]
        lines.append(_row(cells))
    for name, value in asdict(preferences.DEFAULTS).items():
        about = preferences.ABOUT[name]
        lines.append(_row([f"`{TABLE}.{name}`", "", about.takes, _default(value), about.purpose]))
    return "\n".join(lines) + "\n"


def _default(value: Any) -> str:
    if value == "":
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else f'{value:g}' if isinstance(value, float) else value}`"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"
