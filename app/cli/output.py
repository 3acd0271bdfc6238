"""Printing: for people on a terminal, in stable lines for programs in a pipe.

A table on a terminal fits its width; in a pipe it is tab-separated, without a heading and cut nowhere, its columns
in the order of docs/command-line.md.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from app.cli.endings import OutputClosed

if TYPE_CHECKING:
    from datetime import datetime

    from pydantic import BaseModel

    from app.errors import KeyturnError

_NARROWEST = 7
_GAP = "  "
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


def prepare() -> None:
    """UTF-8 for programs, the terminal's own encoding for people; no character may end in an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")


def out(text: str) -> None:
    """Write a text to standard output as it is."""
    if sys.stdout is None:
        raise _unwritable("standard output is closed")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise OutputClosed from None
    except OSError as error:
        raise _unwritable(str(error.strerror)) from None


def _unwritable(reason: str) -> KeyturnError:
    from app.errors import KeyturnError

    return KeyturnError(f"The output cannot be written: {reason}.")


def line(text: str) -> None:
    out(f"{text}\n")


def note(text: str) -> None:
    """A line on standard error; lost without a word when nobody can read it."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except OSError:
        _to_nowhere(sys.stderr)


def complain(message: str, remedy: str = "") -> None:
    """What went wrong and what to do, on standard error."""
    first, *more = message.splitlines() or [""]
    note(f"keyturn: {clean(first)}")
    for text in (*more, *remedy.splitlines()):
        note(f"  {clean(text)}")


def ignored(keys: Sequence[str]) -> None:
    """Warn of keys in a body that nobody reads."""
    if keys:
        note(f"keyturn: warning: ignored, since nobody reads them: {clean(', '.join(keys))}")


def flush() -> None:
    """Raises OutputClosed; KeyturnError when the output has no room."""
    if sys.stdout is not None:
        out("")


def abandon() -> None:
    """Keep the interpreter from complaining at exit that it could not write the rest, and from another exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, AttributeError):
            _to_nowhere(stream)


def _to_nowhere(stream: Any) -> None:
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, AttributeError, ValueError):
        pass


def json_text(value: Any, *, indent: int | None = 2) -> str:
    import json

    return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)


def json_line(value: Any) -> None:
    line(json_text(value))


def model_json(model: BaseModel) -> Any:
    """A documented object as JSON has it."""
    return model.model_dump(mode="json", by_alias=True)


def view_json(view: object) -> Any:
    """A view as JSON has it: camelCase names, RFC 3339 times."""
    import dataclasses
    import enum
    from datetime import datetime

    if dataclasses.is_dataclass(view):
        return {_camel(f.name): view_json(getattr(view, f.name)) for f in dataclasses.fields(view)}
    if isinstance(view, datetime):
        return utc_text(view)
    if isinstance(view, enum.Enum):
        return view.value
    if isinstance(view, Mapping):
        return {str(key): view_json(value) for key, value in view.items()}
    if isinstance(view, list | tuple):
        return [view_json(item) for item in view]
    return view


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def utc_text(moment: datetime) -> str:
    """RFC 3339 in UTC."""
    from datetime import UTC

    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def when(moment: datetime | None, absent: str = "") -> str:
    """A moment: short for people, RFC 3339 for programs."""
    if moment is None:
        return absent
    text = utc_text(moment)
    return f"{text[:10]} {text[11:16]} UTC" if for_people() else text


def distance(moment: datetime | None, absent: str = "") -> str:
    """How far off a moment is: "in 30 d" or "2 h ago" for people, RFC 3339 for programs."""
    from datetime import UTC, datetime

    if moment is None or not for_people():
        return when(moment, absent)
    seconds = (moment - datetime.now(UTC)).total_seconds()
    size = abs(seconds)
    amount = next((f"{size / unit:.0f} {name}" for unit, name in _UNITS if size >= 1.5 * unit), f"{size:.0f} s")
    return f"in {amount}" if seconds > 0 else f"{amount} ago"


def for_people() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def clean(text: str) -> str:
    """On one line and without anything that could command a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def table(
    heading: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    empty: str,
    yields: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> None:
    """Rows of cells; `empty` is told to people on standard error when there are none.

    On a narrow terminal the columns `yields` give way first, in this order; those in `whole` are never cut.
    """
    cells = [[clean(cell) for cell in row] for row in rows]
    if not for_people():
        out("".join("\t".join(row) + "\n" for row in cells))
    elif not cells:
        note(empty)
    else:
        first = [heading.index(name) for name in yields]
        never = [heading.index(name) for name in whole]
        out(laid_out([list(heading), *cells], _columns(), first, never))


def pairs(rows: Sequence[tuple[str, str]]) -> None:
    """Names and values, a line each."""
    shown = [[name, clean(value)] for name, value in rows if value]
    if for_people():
        width = max(len(name) for name, _ in shown)
        out("".join(f"{name.ljust(width)}{_GAP}{value}\n" for name, value in shown))
    else:
        out("".join("\t".join(row) + "\n" for row in shown))


def laid_out(rows: Sequence[Sequence[str]], columns: int, yields: Sequence[int] = (), whole: Sequence[int] = ()) -> str:
    """Aligned columns, cut until a row fits: those that yield, then the widest, last the first, which tells rows apart.

    A column that is cut keeps 7 characters. A row that does not fit even so goes on in the next line.
    """
    widths = [max(_width(cell) for cell in column) for column in zip(*rows, strict=True)]
    over = sum(widths) + len(_GAP) * (len(widths) - 1) - columns
    alike = [at for at in range(1, len(widths)) if at not in whole]
    for group in (*([at] for at in yields), alike, *([[0]] if 0 not in whole else [])):
        while over > 0 and any(widths[at] > _NARROWEST for at in group):
            widths[max(group, key=widths.__getitem__)] -= 1
            over -= 1
    lines = (_GAP.join(_fitted(cell, width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(f"{text.rstrip()}\n" for text in lines)


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns


def _fitted(text: str, width: int) -> str:
    if _width(text) > width:
        while _width(text) > width - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    """How many columns a terminal needs for it."""
    if text.isascii():
        return len(text)
    import unicodedata

    return sum(_columns_of(c, unicodedata.category(c), unicodedata.east_asian_width(c)) for c in text)


def _columns_of(character: str, category: str, wide: str) -> int:
    """Marks and the later parts of a Korean syllable stand in the column of what is before them."""
    if category in ("Mn", "Me", "Cf") or "\u1160" <= character <= "\u11ff":
        return 0
    return 2 if wide in "WF" else 1
