"""Label and value, line by line, drawn by one widget however many there are."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

Line = tuple[Content, Content]


class Rows(Widget):
    """Long values are wrapped beside their label, not below it."""

    DEFAULT_CSS = "Rows { height: auto; width: 1fr; }"

    def __init__(self, lines: Iterable[Line] = (), *, labels: int = 24) -> None:
        """`labels`: width of the first column."""
        super().__init__()
        self._lines = list(lines)
        self._labels = labels

    def show(self, lines: Iterable[Line]) -> None:
        self._lines = list(lines)
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._drawn(width))

    def render(self) -> Content:
        return Content("\n").join(self._drawn(self.content_size.width))

    def _drawn(self, width: int) -> list[Content]:
        drawn: list[Content] = []
        for label, value in self._lines:
            first, *more = value.wrap(max(width - self._labels, 8)) or [Content("")]
            short = label.truncate(self._labels - 1, ellipsis=True)
            drawn.append(Content.assemble(short.pad_right(self._labels - short.cell_length), first))
            drawn += [Content.assemble(" " * self._labels, line) for line in more]
        return drawn
