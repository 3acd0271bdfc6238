"""The panel below the table: reads what the row under the cursor does not say by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import work
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static

from app.errors import explain
from screens import look
from screens.text import plain

if TYPE_CHECKING:
    from app.views import RotationRow, SlotView
    from screens.desk import Desk

_SETTLED = 0.06
"""How long the cursor stays on a row before more is read about it, in seconds."""


class Detail(Static):
    """Says at once what the row knows, and draws the slots as soon as they are read."""

    def __init__(self) -> None:
        super().__init__(id="detail")
        self._desk: Desk | None = None
        self._row: RotationRow | None = None
        self._slots: tuple[str, Sequence[SlotView]] = ("", ())
        """Of which rotation, and what is known."""
        self._settling: Timer | None = None
        self._said = Content()

    def show(self, desk: Desk, row: RotationRow | None, *, read: bool = False) -> None:
        """`read`: the cursor moved, or the store changed."""
        self._desk, self._row = desk, row
        self._draw()
        if read:
            if self._settling is not None:
                self._settling.stop()
            self._settling = self.set_timer(_SETTLED, self._load)

    def _draw(self) -> None:
        from screens.dashboard.panel import panel

        desk, row, (known, slots) = self._desk, self._row, self._slots
        if desk is None:
            return
        lines = panel(row, slots if row.id == known else (), desk.now(), self.content_size.width) if row else []
        if (trouble := desk.trouble) is not None:
            lines = [plain(f"{look.glyphs().warning} {trouble.message} {trouble.remedy}", look.STYLES[look.BAD])]
        said = Content("\n").join(lines)
        if said != self._said:
            self._said = said
            self.update(said, layout=False)

    @work(exclusive=True)
    async def _load(self) -> None:
        """The last question wins."""
        row, desk = self._row, self._desk
        if row is None or desk is None:
            return
        try:
            slots = await desk.service.rotations.slots(row.id)
        except Exception as error:
            if explain(error) is None:
                raise
            return  # it is gone, or the desk tells what is wrong with the store
        self._slots = row.id, slots
        self._draw()
