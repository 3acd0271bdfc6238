"""The line between table and panel: what is shown of how many, in which order, and the keys that change it."""

from __future__ import annotations

from textual.content import Content

from screens import look
from screens.dashboard.arranging import Arrangement, Grouping, Order
from screens.text import one_line

_KEYS = (("/", "filter"), ("s", "sort"), ("g", "group"), ("t", "nights"))
_IN_KEY_BAR = 116
"""From how many columns on the key bar has room for them."""


def state_line(chosen: Arrangement, shown: int, total: int, width: int) -> Content:
    """As wide as the screen."""
    rule, muted = look.glyphs().rule, look.STYLES[look.MUTED]
    parts = []
    if chosen.query:
        parts.append(f"{shown} of {total}: {one_line(chosen.query)}, esc clears")
    if chosen.order is not Order.URGENCY:
        parts.append(f"by {chosen.order.value}")
    if chosen.grouping is not Grouping.NONE:
        parts.append(f"grouped by {chosen.grouping.value}")
    said = Content(f" {look.glyphs().separator} ".join(parts)).truncate(width - 6, ellipsis=True)
    line = Content.assemble(rule * 2, " ", said.stylize("$foreground"), " ") if parts else Content(rule * 2)
    hints = Content("  ").join(
        Content.assemble((key, "bold $footer-key-foreground"), (f" {what}", muted)) for key, what in _KEYS
    )
    room = width - line.cell_length - hints.cell_length - 4
    if width >= _IN_KEY_BAR or room < 1:
        return Content.assemble(line, rule * max(width - line.cell_length, 0))
    return Content.assemble(line, rule * room, " ", hints, " ", rule * 2)
