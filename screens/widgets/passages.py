"""Lines of text, drawn by one widget however many there are."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

Passage = tuple[str | Content, Content]
"""What a line begins with, and the text: where that is wrapped, it goes on beside its beginning, not below it."""
_NARROW = 8


class Passages(Widget):
    DEFAULT_CSS = "Passages { height: auto; width: 1fr; }"

    def __init__(self, lines: Sequence[Passage] = ()) -> None:
        super().__init__()
        self._lines = lines

    def show(self, lines: Sequence[Passage]) -> None:
        self._lines = lines
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._drawn(width))

    def render(self) -> Content:
        return Content("\n").join(self._drawn(self.content_size.width))

    def _drawn(self, width: int) -> list[Content]:
        drawn: list[Content] = []
        for beginning, text in self._lines:
            lead = Content(beginning) if isinstance(beginning, str) else beginning
            first, *more = text.wrap(max(width - lead.cell_length, _NARROW)) or [Content()]
            drawn.append(Content.assemble(lead, first))
            drawn += [Content.assemble(" " * lead.cell_length, line) for line in more]
        return drawn
