"""Files of [sections] with key = value lines, of which one section is ours."""

from __future__ import annotations

import re
from collections.abc import Mapping

from app.errors import KeyturnError

_HEADER = re.compile(r"\s*\[\s*([^\]]*?)\s*\]")
_KEY = re.compile(r"\s*([^=#;\s\[][^=]*?)\s*=")


def replaced(text: str, section: str, values: Mapping[str, str], equals: str) -> str:
    """The text with these values in that section. Other sections, comments and other keys stay as they are.

    Raises KeyturnError for a value that fits on no line.
    """
    if broken := [name for name, value in values.items() if "\n" in value or "\r" in value or "\0" in value]:
        raise KeyturnError(f"{', '.join(broken)}: a value of several lines fits in no such file.")
    ours = [f"{name}{equals}{value}" for name, value in values.items()]
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if (found := _HEADER.match(line)) and found[1] == section]
    if not starts:
        gap = [""] if lines and lines[-1].strip() else []
        return _text([*lines, *gap, f"[{section}]", *ours])
    kept: list[str] = []
    inside = False
    for number, line in enumerate(lines):
        if _HEADER.match(line):
            inside = number in starts
            kept += [line, *ours] if number == starts[0] else [] if inside else [line]
        elif not (inside and (key := _KEY.match(line)) and key[1] in values):
            kept.append(line)
    return _text(kept)


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
