"""Label and value, line by line."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content

from screens.widgets.passages import Passages

Line = tuple[Content, Content]


def rows(lines: Iterable[Line] = (), *, labels: int = 24) -> Passages:
    """`labels`: width of the first column, to which labels are cut."""
    return Passages([(_fitted(label, labels), value) for label, value in lines])


def _fitted(label: Content, width: int) -> Content:
    short = label.truncate(width - 1, ellipsis=True)
    return short.pad_right(width - short.cell_length)
