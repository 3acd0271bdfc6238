"""Where one is among the steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from screens.look import BUSY, GOOD, MUTED, STYLES, WARN, glyphs


class StepBar(Widget):
    """One line: what is done, what is open, what is to come. A click asks for a step."""

    DEFAULT_CSS = "StepBar { height: 1; width: 100%; padding: 0 1; }"

    @dataclass
    class Chosen(Message):
        at: int

    def __init__(self, titles: Sequence[str]) -> None:
        super().__init__()
        self._titles = [title if at == 0 else f"{at} {title}" for at, title in enumerate(titles)]
        self._at = 0
        self._reached = 0
        self._unfinished: frozenset[int] = frozenset()

    def mark(self, unfinished: Iterable[int]) -> None:
        """Which steps need another look: these do not count as done."""
        marked = frozenset(unfinished)
        if marked != self._unfinished:
            self._unfinished = marked
            self.refresh()

    def show(self, at: int) -> None:
        """Earlier steps, and later ones that were reached once, are done."""
        self._at, self._reached = at, max(at, self._reached)
        self.refresh()

    def render(self) -> Content:
        whole = Content("  ").join(self._parts())
        if whole.cell_length <= self.content_size.width:
            return whole
        return Content.assemble((f"{self._titles[self._at]}", "bold"), f" of {len(self._titles) - 1}")

    def _parts(self) -> list[Content]:
        parts = []
        for at, title in enumerate(self._titles):
            if at == self._at:
                parts.append(Content.assemble((f"{glyphs().active} ", STYLES[BUSY]), (title, "bold")))
            elif at <= self._reached and at in self._unfinished:
                parts.append(Content.assemble((f"{glyphs().warning} ", STYLES[WARN]), title))
            elif at < self._reached:
                parts.append(Content.assemble((f"{glyphs().healthy} ", STYLES[GOOD]), title))
            else:
                parts.append(Content.styled(f"{glyphs().inactive} {title}", STYLES[MUTED]))
        return parts

    def on_click(self, event: events.Click) -> None:
        left = 1
        for at, part in enumerate(self._parts()):
            if left <= event.x < left + part.cell_length:
                self.post_message(self.Chosen(at))
                return
            left += part.cell_length + 2
