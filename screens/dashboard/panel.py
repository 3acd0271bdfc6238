"""What is known about the rotation under the cursor: its two slots over time, and what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.cells import cell_len
from textual.content import Content

from app.rotation.schedule import TimeOfDay, next_after_scheduled
from app.views import RotationRow, SlotView
from screens import look
from screens.text import one_line, plain
from screens.widgets.line_table import fitted

_WORD = 9
_MOST_NAME = 24
_WITH_SINCE, _WITH_DATES = 76, 110
"""From how many columns on the panel says since when a credential is there, and dates beside the spans."""
_MUTED = look.STYLES[look.MUTED]


@dataclass(frozen=True)
class Span:
    """What the bars show, from the left edge to the right one."""

    start: datetime
    end: datetime

    def column(self, moment: datetime, width: int) -> int:
        """Where a moment lies among `width` columns; outside of them when it is not shown."""
        return int((moment - self.start) / (self.end - self.start) * width)


def panel(row: RotationRow, slots: Sequence[SlotView], now: datetime, width: int) -> list[Content]:
    """`slots` are empty until they are known. As wide as `width`; the message of a failure may be longer."""
    failed = row.last_result == "failed"
    lines = [_head(row, width), *_slots(row, slots, now, width, with_axis=not failed)]
    lines += _failure(row, now, dates=width >= _WITH_DATES) if failed else [_moment(row, now)]
    if row.last_message and not failed:
        lines.append(plain(one_line(row.last_message), look.STYLES[look.WARN]))
    return lines


def _head(row: RotationRow, width: int) -> Content:
    dot = f" {look.glyphs().separator} "
    place = f"{row.project} {row.environment} {row.path}"
    head = Content.assemble(
        (one_line(row.name), "bold"),
        (one_line(f"{dot}{row.type_title}{dot}{place}{dot}through {row.connection}"), _MUTED),
    )
    return head.truncate(max(width, 1), ellipsis=True)


def _moment(row: RotationRow, now: datetime) -> Content:
    mark, dot = look.status_mark(row.status), f" {look.glyphs().separator} "
    following = f"next run {look.when(row.next_at, now, with_zone=False)}" if row.next_at else "does not run by itself"
    last = f"last rotated {look.relative(row.last_rotated_at, now)}" if row.last_rotated_at else "never rotated"
    return Content.assemble((mark.text, mark.style), one_line(f"{dot}{following}{dot}{last}"))


def _failure(row: RotationRow, now: datetime, *, dates: bool) -> list[Content]:
    works = f" {row.active_identity} stays published." if row.active_identity else ""
    times = f", {row.failures} times in a row" if row.failures > 1 else ""
    following = "Does not run by itself"
    if row.next_at is not None:
        ahead = look.when(row.next_at, now, with_zone=False) if dates else look.relative(row.next_at, now)
        following = f"Next run {ahead}"
    bad = look.STYLES[look.BAD]
    return [
        Content.assemble((f"{look.glyphs().failed} failed{times}", bad), one_line(f".{works} {following}.")),
        plain(one_line(row.last_message), bad),
    ]


def _slots(row: RotationRow, slots: Sequence[SlotView], now: datetime, width: int, *, with_axis: bool) -> list[Content]:
    if not slots:
        return [_unknown(row), Content(), *([Content()] if with_axis else [])]
    slots = sorted(slots, key=lambda slot: not slot.active)
    ends = {slot.slot: _end(row, slot) for slot in slots}
    said = {slot.slot: _said(slot, ends[slot.slot], now, width) for slot in slots}
    names = min(max(cell_len(one_line(slot.identity)) for slot in slots), _MOST_NAME if width >= _WITH_SINCE else 14)
    left = 2 + _WORD + names + 1
    bar = max(width - left - 1 - max(cell_len(text) for text in said.values()), 0)
    span = _span(row, slots, now)
    lines = []
    for slot in slots:
        glyph, word, style = _state(slot)
        lines.append(
            Content.assemble(
                (f"{glyph} ", style),
                (fitted(slot.identity, names), "bold" if slot.active else ""),
                (f" {word:<{_WORD}}", style),
                *_bar(slot, ends[slot.slot], span, now, bar),
                (f" {said[slot.slot]}", "" if slot.known else _MUTED),
            )
        )
    if with_axis:
        lines.append(_axis(row, span, now, left, bar))
    return lines


def _unknown(row: RotationRow) -> Content:
    """The line of the active slot before more than the row is known."""
    if not row.active_identity:
        return Content.styled(f"{look.glyphs().waiting} nothing is published yet", _MUTED)
    style = look.STYLES[look.GOOD]
    return Content.assemble(
        (f"{look.glyphs().active} ", style), (one_line(row.active_identity), "bold"), (" active", style)
    )


def _state(slot: SlotView) -> tuple[str, str, str]:
    g = look.glyphs()
    if not slot.known:
        return g.waiting, "empty", _MUTED
    return (g.active, "active", look.STYLES[look.GOOD]) if slot.active else (g.inactive, "inactive", _MUTED)


def _end(row: RotationRow, slot: SlotView) -> datetime | None:
    """When it stops working: the next run replaces the inactive one, the run after that the active one."""
    if not slot.known:
        return None
    ends = [] if slot.expires_at is None else [slot.expires_at]
    if row.next_at is not None:
        ends.append(_run_after(row) if slot.active else row.next_at)
    return min(ends, default=None)


def _run_after(row: RotationRow) -> datetime:
    assert row.next_at is not None
    scheduled = row.scheduled_at or row.next_at
    return next_after_scheduled(
        scheduled, row.interval_days, TimeOfDay(scheduled.hour, scheduled.minute), max(row.next_at, scheduled)
    )


def _said(slot: SlotView, end: datetime | None, now: datetime, width: int) -> str:
    if not slot.known or slot.issued_at is None:
        return "nothing issued yet"
    since = f"since {look.span(now - slot.issued_at)}, " if width >= _WITH_SINCE else ""
    if end is None:
        return f"{since}stays until it is rotated"
    expires = end == slot.expires_at
    word = ("expired" if expires else "due to die") if end < now else ("expires" if expires else "dies")
    date = f" ({look.exact(end, with_zone=False)})" if width >= _WITH_DATES else ""
    return f"{since}{word} {look.relative(end, now)}{date}"


def _span(row: RotationRow, slots: Sequence[SlotView], now: datetime) -> Span:
    """From when the older one was issued, two intervals back at most, to just after the active one's end."""
    interval = timedelta(days=row.interval_days)
    issued = [slot.issued_at for slot in slots if slot.issued_at is not None]
    start = max(min(issued, default=now), now - 2 * interval)
    end = _run_after(row) if row.next_at is not None else now + interval
    end = max(end, now + interval / 4)
    return Span(start, end + (end - start) / 20)


def _bar(slot: SlotView, end: datetime | None, span: Span, now: datetime, width: int) -> list[tuple[str, str]]:
    """One line from its issue to its end; `now` stands in it. Pieces with their styles."""
    g = look.glyphs()
    style = look.STYLES[look.GOOD] if slot.active else _MUTED
    line = [" "] * width
    if slot.known and slot.issued_at is not None:
        last = width - 1 if end is None else span.column(end, width)
        for column in range(max(span.column(slot.issued_at, width), 0), min(last, width - 1) + 1):
            line[column] = g.published if slot.active else g.overlapping
        if end is not None and 0 <= last < width:
            line[last] = g.dies
    here = min(max(span.column(now, width), 0), width - 1)
    if width == 0:
        return []
    before, after = "".join(line[:here]), "".join(line[here + 1 :])
    return [(before, style), (g.now, look.STYLES[look.BUSY]), (after, style)]


def _axis(row: RotationRow, span: Span, now: datetime, left: int, width: int) -> Content:
    """What the marks in the bars mean."""
    line = [" "] * (left + width + 24)
    here = left + min(max(span.column(now, width), 0), max(width - 1, 0))
    line[here : here + 3] = "now"
    if row.next_at is not None and width:
        column = left + span.column(max(row.next_at, now), width)
        if column >= here + 4:
            text = f"{look.glyphs().marker} next run"
            line[column : column + len(text)] = text
    return Content.styled("".join(line).rstrip(), _MUTED)
