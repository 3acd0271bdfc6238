"""How a person likes Keyturn to look: a small TOML file of its own, which may be missing.

The page in the terminal UI writes it; one that is broken is never written over.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any

from app.errors import KeyturnError

AUTO, LOCAL, UTC_ZONE = "auto", "local", "UTC"
TIMES = ("relative", "exact")
ASCII = (AUTO, "on", "off")
THEMES = (AUTO, "keyturn-dark", "keyturn-light", "keyturn-ansi", "ansi-dark", "ansi-light")
FILE_NAME = "ui.toml"
"""In the configuration folder."""
_LARGEST = 64 * 1024


@dataclass(frozen=True)
class Preferences:
    """`theme`: one of THEMES; `times`: "relative" or "exact"; `zone`: "local", "UTC" or a name such as
    "Europe/Berlin"; `ascii`: "auto" (as the locale says), "on" or "off".
    """

    theme: str = AUTO
    times: str = "relative"
    zone: str = LOCAL
    ascii: str = AUTO


DEFAULTS = Preferences()


def zone_of(name: str) -> tzinfo | None:
    """None is the local zone. Raises ValueError for a name that is none."""
    if name == LOCAL:
        return None
    if name == UTC_ZONE:
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # what is unknown, no name at all, or a folder of names
        raise ValueError(f"There is no time zone {name!r}; such as local, UTC or Europe/Berlin.") from None


def load(path: Path) -> tuple[Preferences, list[str]]:
    """What the file says, and what is wrong with it; the default stands in for whatever is."""
    try:
        given = _read(path)
    except KeyturnError as error:
        return DEFAULTS, [f"{error.message} The usual settings are used."]
    found, problems = DEFAULTS, list[str]()
    for key, value in given.items():
        if key not in _ALLOWED:
            problems.append(f"{path}: nobody reads {key!r}; it is kept.")
        elif problem := _problem(key, value):
            problems.append(f"{path}: {problem}")
        else:
            found = replace(found, **{key: value})
    return found, problems


def save(path: Path, chosen: Preferences) -> None:
    """Change what differs; comments and what nobody reads stay. Raises KeyturnError, with the file as it was."""
    before = _text(path)
    given = _read(path)
    usual, wanted = asdict(DEFAULTS), asdict(chosen)
    changed = {key: value for key, value in wanted.items() if given.get(key, usual[key]) != value}
    if not changed:
        return
    text = before
    for key, value in changed.items():
        text = _with(text, key, value)
    import tomllib

    try:
        same = tomllib.loads(text) == {**given, **changed}
    except tomllib.TOMLDecodeError:
        same = False
    if not same:
        raise KeyturnError(f"{path} is written in a way that Keyturn cannot change.", remedy="Change it by hand.")
    try:
        _replace(path.resolve(), text)  # a link stays one
    except OSError as error:
        raise KeyturnError(f"{path} cannot be written: {error.strerror}.") from None


def _read(path: Path) -> dict[str, Any]:
    """Raises KeyturnError with line and column."""
    text = _text(path)
    if not text:
        return {}
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise KeyturnError(f"{path} is not TOML: {error}.", remedy="Mend it, or remove it.") from None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise KeyturnError(f"{path} cannot be read: {error.strerror}.") from None
    if len(data) > _LARGEST:
        raise KeyturnError(f"{path} is too large: it may have {_LARGEST // 1024} KiB.")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise KeyturnError(f"{path} is not UTF-8 (at line {line}, column {column}).", remedy="Mend it.") from None


def _with(text: str, key: str, value: str) -> str:
    """The line of that key anew, or a further one before the first table."""
    line = f'{key} = "{value}"'
    lines = text.splitlines()
    top = next((at for at, each in enumerate(lines) if each.lstrip().startswith("[")), len(lines))
    for at in range(top):
        if re.match(rf"\s*{key}\s*=", lines[at]):
            lines[at] = line
            break
    else:
        lines.insert(top, line)
    return "\n".join(lines) + "\n"


def _replace(path: Path, text: str) -> None:
    """All of it or nothing, for nobody else to read."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _one_of(*words: str) -> Callable[[str], str]:
    return lambda text: "" if text in words else f"must be one of: {', '.join(words)}"


def _zone_problem(text: str) -> str:
    try:
        zone_of(text)
    except ValueError as error:
        return str(error)
    return ""


_ALLOWED = {"theme": _one_of(*THEMES), "times": _one_of(*TIMES), "zone": _zone_problem, "ascii": _one_of(*ASCII)}
assert set(_ALLOWED) == {field.name for field in fields(Preferences)}


def _problem(key: str, value: object) -> str:
    if not isinstance(value, str):
        return f"{key} must be text."
    complaint = _ALLOWED[key](value)
    return f"{key}: {complaint}" if complaint else ""
