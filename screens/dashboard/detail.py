"""The panel below the table: reads what the row under the cursor does not say by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
"""How long the cursor stays on a row before more is read, in seconds."""


class Detail(Static):
    """Says at once what the row knows, and draws its slots as soon as they are read.

    `near` are the rows where the cursor may be next: their slots are read along with it, so that it meets them drawn.
    """

    def __init__(self, near: Callable[[], Sequence[RotationRow]]) -> None:
        super().__init__(id="detail")
        self._near = near
        self._desk: Desk | None = None
        self._row: RotationRow | None = None
        self._known: Mapping[str, Sequence[SlotView]] = {}
        """The slots of rotations, by their ids."""
        self._outdated = False
        self._settling: Timer | None = None
        self._said = Content()

    def show(self, desk: Desk, row: RotationRow | None) -> None:
        """What is true at the moment."""
        self._desk, self._row = desk, row
        self._draw()

    def read(self, *, renew: bool) -> None:
        """Soon. `renew`: also what is known, for the store changed."""
        self._outdated |= renew
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(_SETTLED, self._load)

    def _draw(self) -> None:
        from screens.dashboard.panel import panel

        desk, row = self._desk, self._row
        if desk is None:
            return
        lines = panel(row, self._slots(row), desk.now(), self.content_size.width) if row else []
        if (trouble := desk.trouble) is not None:
            lines = [plain(f"{look.glyphs().warning} {trouble.message} {trouble.remedy}", look.STYLES[look.BAD])]
        said = Content("\n").join(lines)
        if said != self._said:
            self._said = said
            self.update(said, layout=False)

    def _slots(self, row: RotationRow) -> Sequence[SlotView]:
        """None while what was read about them contradicts the row: that is newer."""
        slots = self._known.get(row.id, ())
        active = next((slot.identity for slot in slots if slot.active), "")
        return slots if active == row.active_identity else ()

    @work(exclusive=True)
    async def _load(self) -> None:
        """The last question wins."""
        rows = [*self._near(), *([self._row] if self._row else [])]
        renew, self._outdated = self._outdated, False
        wanted = {row.id for row in rows if renew or row.id not in self._known}
        if self._desk is None or not wanted:
            return
        try:
            found = await self._desk.service.rotations.slots(wanted)
        except BaseException as error:
            self._outdated |= renew
            if isinstance(error, Exception) and explain(error) is not None:
                return  # the desk tells what is wrong with the store
            raise
        self._known = found if renew else {**self._known, **found}
        self._draw()
