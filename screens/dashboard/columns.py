"""What the table of rotations says, at each width."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from app.views import RotationRow
from screens import look
from screens.dashboard.arranging import Order
from screens.widgets.line_table import Cell, Column

_WITH_ACTIVE, _WITH_LAST, _WITH_TYPE, _WITH_WHOLE_TYPE = 72, 96, 112, 140
"""From how many columns on who is active, the last result, the type and the exact next run have a column."""
_ORDERED = {Order.NAME: "Rotation", Order.NEXT: "Next run", Order.LAST: "Last run"}


def columns(width: int, order: Order = Order.URGENCY) -> list[Column]:
    """The one that decides the order is marked."""
    found = [Column("Status", 10), Column("Rotation", 16, 4)]
    if width >= _WITH_TYPE:
        found.append(Column("Type", 22 if width >= _WITH_WHOLE_TYPE else 10))
    found.append(Column("Place", 10, 3))
    if width >= _WITH_ACTIVE:
        found.append(Column("Active", 10, 3))
    found.append(Column("Next run", 29 if width >= _WITH_TYPE else 11))
    if width >= _WITH_LAST:
        found.append(Column("Last run", 12))
    marked = _ORDERED.get(order)
    return [replace(c, title=f"{c.title} {look.glyphs().sorted}") if c.title == marked else c for c in found]


def cells(row: RotationRow, now: datetime, width: int, several_projects: bool) -> tuple[Cell, ...]:
    """One for each column of that width."""
    mark = look.status_mark(row.status)
    place = f"{row.project} {row.environment} {row.path}" if several_projects else f"{row.environment} {row.path}"
    found = [(mark.text, mark.tone), (row.name, "")]
    if width >= _WITH_TYPE:
        title = row.type_title
        found.append((title if width >= _WITH_WHOLE_TYPE else title.partition(" ")[0], look.MUTED))
    found.append((place, ""))
    if width >= _WITH_ACTIVE:
        found.append((row.active_identity or "none yet", "" if row.active_identity else look.MUTED))
    if row.next_at is None:
        found.append(("not by itself" if width >= _WITH_TYPE else "never", look.MUTED))
    elif width >= _WITH_TYPE:
        found.append((f"{look.relative(row.next_at, now):<13}{look.exact(row.next_at, with_zone=False)}", ""))
    else:
        found.append((look.relative(row.next_at, now), ""))
    if width >= _WITH_LAST:
        last = look.result_mark(row.last_result)
        ago = look.relative(row.last_rotated_at, now) if row.last_rotated_at and row.last_result != "failed" else ""
        found.append((f"{last.glyph} {ago or last.word}", last.tone))
    return tuple(found)
