"""The next 30 days in two lines: how many runs each of them holds, and when the rotation under the cursor is due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from textual.content import Content

from app.rotation.nights import Night, crowded
from screens import look

_LABEL = 8
_LEVELS, _ASCII_LEVELS = "▁▂▃▄▅▆▇█", ":-=+*#%@"
"""For numbers that there is no room for: how many, compared with the fullest day."""
_STYLES = {"": "", "none": look.STYLES[look.MUTED], "crowd": f"bold {look.STYLES[look.WARN]}"}


def timeline(nights: Sequence[Night], next_at: datetime | None, width: int) -> list[Content]:
    """`next_at` is marked when it is among them. As many columns a day as there is room for."""
    step = max(min((width - _LABEL - 2) // len(nights), 4), 1)
    counts = [len(night.rows) for night in nights]
    stand_out = crowded(counts)
    due = next_at.astimezone().date() if next_at is not None else None
    marked = next((index for index, night in enumerate(nights) if night.day == due), None)
    if due is not None and due < nights[0].day:
        marked = 0
    runs = [Content.styled(f"{'30 days':<{_LABEL}}", look.STYLES[look.MUTED])]
    for index, (count, text) in enumerate(zip(counts, _told(counts, max(step - 1, 1)), strict=True)):
        style = _STYLES["crowd" if index in stand_out else "" if count else "none"]
        runs.append(
            Content.assemble(" " * (step - len(text)), (text, f"{style} reverse" if index == marked else style))
        )
    runs.append(_most(nights, counts, width - _LABEL - step * len(nights)))
    return [Content("").join(runs), _axis([night.day for night in nights], marked, step)]


def _told(counts: Sequence[int], room: int) -> list[str]:
    """Numbers as long as each of them has room, levels otherwise."""
    most, nothing = max(counts), look.glyphs().waiting
    if len(str(most)) <= room:
        return [str(count) if count else nothing for count in counts]
    levels = _ASCII_LEVELS if look.glyphs() is look.ASCII else _LEVELS
    return [levels[(count * len(levels) - 1) // most] if count else nothing for count in counts]


def _most(nights: Sequence[Night], counts: list[int], room: int) -> Content:
    """The fullest one, in as many words as there is room for."""
    most = max(counts)
    number = f"  most {most}"
    texts = [f"{number}, {nights[counts.index(most)].day:%d %b}", number, ""] if most else [""]
    return Content.styled(next(text for text in texts if len(text) <= max(room, 0)), look.STYLES[look.MUTED])


def _axis(days: Sequence[date], marked: int | None, step: int) -> Content:
    """Dates a week apart; the marker takes the place of one that is in its way."""
    line = [" "] * (_LABEL + step * len(days) + 8)
    columns = [_LABEL + step * index + step - 1 for index in range(len(days))]
    here = None if marked is None else columns[marked]
    for index in range(0, len(days), 7):
        label, column = "today" if index == 0 else f"{days[index]:%d %b}", columns[index]
        if here is None or not column - 1 <= here <= column + len(label):
            line[column : column + len(label)] = label
    style, muted = look.STYLES[look.BUSY], look.STYLES[look.MUTED]
    if here is None:
        return Content.styled("".join(line).rstrip(), muted)
    before, after = "".join(line[:here]), "".join(line[here + 1 :]).rstrip()
    return Content.assemble((before, muted), (look.glyphs().marker, style), (after, muted))
