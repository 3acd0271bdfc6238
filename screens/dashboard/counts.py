"""The dashboard's title: how many rotations are in which state, in as many words as there is room for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from textual.content import Content

from app.views import RotationRow, Status
from screens import look
from screens.widgets.bars import TitleBar

_QUIET = (Status.HEALTHY, Status.DUE_SOON, Status.PAUSED)
"""Their words go first when room is short."""


class CountsBar(TitleBar):
    """All words, then those of what needs somebody, then glyphs alone. The moment on the right goes before any word."""

    def __init__(self, right: str) -> None:
        super().__init__("", right)
        self._counts: dict[Status, int] = {}

    def count(self, rows: Sequence[RotationRow]) -> None:
        """Tell of these from now on."""
        found = Counter(row.status for row in rows)
        counts = {status: found[status] for status in Status if found[status]}
        if counts != self._counts:
            self._counts = counts
            self.refresh()

    def render(self) -> Content:
        if not self._counts:
            return super().render()
        room, head = self.content_size.width, Content.styled("Keyturn", "bold $primary")
        right = Content.styled(self._right, look.STYLES[look.MUTED])
        lefts = [Content.assemble(head, "  ", text) for text in told(self._counts)]
        for text in lefts:
            if text.cell_length + right.cell_length + 2 <= room:
                return Content.assemble(text.pad_right(room - right.cell_length - text.cell_length), right)
            if not self._urgent and text.cell_length <= room:
                return text
        if self._urgent:
            return super().render()
        return lefts[-1].truncate(max(room, 1), ellipsis=True)

    @property
    def _urgent(self) -> bool:
        """Whether the right side says more than the time."""
        return self._right.startswith(look.glyphs().warning)


def told(counts: dict[Status, int]) -> Iterable[Content]:
    """In ever fewer words."""
    number = sum(counts.values())
    yield _line(f"{number} rotation{'' if number == 1 else 's'}", counts, set(counts))
    yield _line(f"{number}", counts, set(counts))
    yield _line(f"{number}", counts, set(counts) - set(_QUIET))
    yield _line(f"{number}", counts, set())


def _line(number: str, counts: dict[Status, int], with_words: set[Status]) -> Content:
    parts = [Content(number)]
    for status, count in counts.items():
        mark = look.status_mark(status)
        text = f"{mark.glyph} {count} {mark.word}" if status in with_words else f"{mark.glyph} {count}"
        parts.append(Content.styled(text, mark.style))
    return Content("  ").join(parts)
