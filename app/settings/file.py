"""The settings file: TOML, read on use; what is wrong with it is said with its line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.errors import UsageError
from app.settings.places import settings_file

_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?")
_KEY = re.compile(r"\s*(?:\"([^\"]*)\"|'([^']*)'|([A-Za-z0-9_-]+))\s*=")
_LARGEST = 256 * 1024
_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(frozen=True)
class SettingsFile:
    """`values`: as TOML has them. Without a file: none."""

    path: Path
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    text: str = field(default="", repr=False)
    exists: bool = True

    def where(self, key: str, table: str = "") -> str:
        """ "PATH:LINE", or the path alone where the line cannot be told."""
        line = _line_of(self.text, key, table)
        return f"{self.path}:{line}" if line else str(self.path)


def read_file(environ: Mapping[str, str]) -> SettingsFile:
    """Raises UsageError: a named file is not there, or cannot be read or understood."""
    path, named = settings_file(environ)
    return read_path(path, must_exist=named)


def read_path(path: Path, *, must_exist: bool = False) -> SettingsFile:
    """Raises UsageError."""
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        if must_exist:
            raise UsageError(f"There is no settings file {path}.", remedy="Name another one with --config.") from None
        return SettingsFile(path, exists=False)
    except OSError as error:
        raise UsageError(
            f"The settings file {path} cannot be read: {error.strerror}.",
            remedy="It must be a file that this user may read; --config names another one.",
        ) from None
    if len(data) > _LARGEST:
        raise UsageError(f"The settings file {path} is too large: it may have {_LARGEST // 1024} KiB.")
    # TOML ends lines as it likes; the parser alone does not.
    text = _decoded(path, data).replace("\r\n", "\n")
    return SettingsFile(path, _parsed(path, text), text)


def unknown(file: SettingsFile, key: str, known: Sequence[str], table: str = "") -> str:
    """What to say of a key that nobody reads: where it is, and the nearest one that is known."""
    import difflib

    near = difflib.get_close_matches(key, known, 1)
    prefix = f"{table}." if table else ""
    meant = f" Did you mean {prefix}{near[0]}?" if near else ""
    return f"{file.where(key, table)}: there is no setting {prefix + key!r}; it changes nothing.{meant}"


def _decoded(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
        raise _broken(path, line, column, "this is no UTF-8") from None


def _parsed(path: Path, text: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _AT.search(str(error))
        reason = str(error)[: found.start()] if found else str(error)
        if found and found[1]:
            line, column = int(found[1]), int(found[2])
        else:
            line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
        raise _broken(path, line, column, f"{reason[:1].lower()}{reason[1:]}") from None
    except (ValueError, RecursionError):  # a date of month 13; brackets thousands deep
        raise UsageError(f"The settings file {path} cannot be understood.", remedy=_REMEDY) from None


_REMEDY = 'It is TOML, such as: log_level = "debug". docs/settings.md lists what can be set.'


def _broken(path: Path, line: int, column: int, reason: str) -> UsageError:
    return UsageError(f"The settings file {path} is broken at line {line}, column {column}: {reason}.", remedy=_REMEDY)


def _line_of(text: str, key: str, table: str) -> int | None:
    """The line that sets a key; None where it is written in a way that only a parser finds."""
    here = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.fullmatch(line):
            here = header[1].strip("\"'")
            found = not table and here == key
        else:
            match = _KEY.match(line)
            found = here == table and match is not None and key in match.groups()
        if found:
            return number
    return None
