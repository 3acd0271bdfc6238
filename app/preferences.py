"""How a person likes Keyturn to look: the table [ui] of the settings file, which may be missing.

The page in the terminal UI writes it, and leaves the rest of the file as it is; a broken file is never written over.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any

from app.errors import KeyturnError
from app.settings.file import SettingsFile, read_path, unknown

AUTO, LOCAL, UTC_ZONE = "auto", "local", "UTC"
TIMES = ("relative", "exact")
ASCII = (AUTO, "on", "off")
MOUSE = ("on", "off")
THEMES = (AUTO, "keyturn-dark", "keyturn-light", "keyturn-ansi", "ansi-dark", "ansi-light")
TABLE = "ui"


@dataclass(frozen=True)
class Preferences:
    """`theme`: one of THEMES; `times`: "relative" or "exact"; `zone`: "local", "UTC" or a name such as
    "Europe/Berlin"; `ascii`: "auto" (as the locale says), "on" or "off"; `mouse`: "on" or "off".
    """

    theme: str = AUTO
    times: str = "relative"
    zone: str = LOCAL
    ascii: str = AUTO
    mouse: str = "on"


@dataclass(frozen=True)
class About:
    takes: str
    purpose: str


DEFAULTS = Preferences()
ABOUT = {
    "theme": About(f"one of {', '.join(THEMES)}", "Colours of the terminal UI; auto: as the terminal is."),
    "times": About(f"one of {', '.join(TIMES)}", "How the terminal UI shows times."),
    "zone": About("local, UTC or a name such as Europe/Berlin", "The time zone that it shows them in."),
    "ascii": About(f"one of {', '.join(ASCII)}", "Whether it draws with ASCII alone; auto: as the locale says."),
    "mouse": About(f"one of {', '.join(MOUSE)}", "Whether it asks the terminal for the mouse."),
}


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


def wants_mouse(chosen: Preferences, environ: Mapping[str, str]) -> bool:
    """KEYTURN_NO_MOUSE=1 decides, which is what `keyturn --no-mouse` sets; 0 asks for the mouse."""
    if asked := environ.get("KEYTURN_NO_MOUSE"):
        return asked == "0"
    return chosen.mouse == "on"


def load(file: SettingsFile) -> tuple[Preferences, list[str]]:
    """What the file says, and what is wrong with it; the default stands in for whatever is."""
    if not isinstance(file.values.get(TABLE, {}), dict):
        return DEFAULTS, [f"{file.where(TABLE)}: {TABLE} must be a table."]
    found, problems = DEFAULTS, list[str]()
    for key, value in given(file).items():
        if key not in _ALLOWED:
            problems.append(unknown(file, key, list(_ALLOWED), TABLE))
        elif problem := _problem(key, value):
            problems.append(f"{file.where(key, TABLE)}: {problem}")
        else:
            found = replace(found, **{key: value})
    return found, problems


def given(file: SettingsFile) -> dict[str, Any]:
    """The table as it is written, whatever that means."""
    table = file.values.get(TABLE)
    return dict(table) if isinstance(table, dict) else {}


def save(path: Path, chosen: Preferences) -> None:
    """Change what differs; all else stays. Raises KeyturnError, with the file as it was."""
    file = read_path(path)
    before = given(file)
    usual, wanted = asdict(DEFAULTS), asdict(chosen)
    changed = {key: value for key, value in wanted.items() if before.get(key, usual[key]) != value}
    if not changed:
        return
    text = file.text
    for key, value in changed.items():
        text = _with(text, key, value)
    import tomllib

    try:
        same = tomllib.loads(text) == {**file.values, TABLE: {**before, **changed}}
    except tomllib.TOMLDecodeError:
        same = False
    if not same:
        raise KeyturnError(f"{path} is written in a way that Keyturn cannot change.", remedy="Change it by hand.")
    try:
        _replace(path.resolve(), text)  # a link stays one
    except OSError as error:
        raise KeyturnError(f"{path} cannot be written: {error.strerror}.") from None


def _with(text: str, key: str, value: str) -> str:
    """The line of that key anew, or a further one at the end of the table, which may be a new one."""
    line = f'{key} = "{value}"'
    lines = text.splitlines()
    heads = [at for at, each in enumerate(lines) if each.lstrip().startswith("[")]
    begin = next((at for at in heads if re.match(rf"\s*\[\s*{TABLE}\s*\]", lines[at])), None)
    if begin is None:
        gap = [""] if lines and lines[-1].strip() else []
        return "\n".join([*lines, *gap, f"[{TABLE}]", line]) + "\n"
    end = next((at for at in heads if at > begin), len(lines))
    for at in range(begin + 1, end):
        if re.match(rf"\s*{key}\s*=", lines[at]):
            lines[at] = line
            return "\n".join(lines) + "\n"
    while not lines[end - 1].strip():
        end -= 1
    lines.insert(end, line)
    return "\n".join(lines) + "\n"


def _replace(path: Path, text: str) -> None:
    """All of it or nothing; a new file is for nobody else to read, another one keeps its rights."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
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


_ALLOWED = {
    "theme": _one_of(*THEMES),
    "times": _one_of(*TIMES),
    "zone": _zone_problem,
    "ascii": _one_of(*ASCII),
    "mouse": _one_of(*MOUSE),
}
assert set(_ALLOWED) == {field.name for field in fields(Preferences)}


def _problem(key: str, value: object) -> str:
    if not isinstance(value, str):
        return f"{key} must be text."
    complaint = _ALLOWED[key](value)
    return f"{key}: {complaint}" if complaint else ""
