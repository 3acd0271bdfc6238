"""The history: who did what when, newest first, and what is being done right now."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.worker import Worker

from app.views import EventView
from screens import look
from screens.leaving import LeftOnce
from screens.pages import EVENTS, open_known
from screens.text import one_line, plain
from screens.widgets.finder import Finder
from screens.widgets.line_table import Cell, Column, LineTable
from screens.widgets.listing import Listing

if TYPE_CHECKING:
    from screens.desk import Desk

PAGE = 300
"""How many events are read at once; more when one gets near to the first or last of them."""
_NEAR = 100
_COLUMNS = (Column("When", look.AT_WIDTH), Column("What", 18, 2), Column("On", 12, 3), Column("Who", 9, 2))


class EventsScreen(LeftOnce[None]):
    """Holds a stretch of the history without gaps, reads on at its ends, and listens to what is written meanwhile."""

    PAGE = EVENTS
    CSS_PATH = "widgets/listing.tcss"
    HELP = (
        "Everything that was done: by whom, on what, with what result. Type / to look for words in any field; "
        "with f new events appear by themselves as they are written, by whatever process. end shows the first of all."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "find", "Filter", tooltip="Only events that hold all the words that you type"),
        Binding("f", "follow", "Follow", tooltip="Show new events as they are written, or stop that"),
        Binding("question_mark,f1", "app.help", "Help", tooltip="The keys of this screen"),
        Binding("escape,q", "back", "Back", tooltip="Show everything again; then leave the page"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self._events: list[EventView] = []
        self._newer: list[EventView] = []
        """What was written since, while nobody follows; the newest first."""
        self._gap = self._older = False
        """Whether the store has more: between these and the newest; before these."""
        self._following = False
        self._reading: Worker[None] | None = None
        self._more: Worker[None] | None = None
        self._table: LineTable[EventView] = LineTable(_COLUMNS, key=lambda event: str(event.id), cells=self._cells)
        self._list = Listing("Events", self._table, one="event", words="who, what, result, rotation or text")

    def compose(self) -> ComposeResult:
        yield self._list

    def on_mount(self) -> None:
        self.set_interval(1.0, self._tick)
        self.watch(self._table, "scroll_y", self._read_on, init=False)
        self._start()

    def _tick(self) -> None:
        if self.is_current:
            self._table.redraw()
        if self._list.trouble and self._reading is not None and self._reading.is_finished:
            self._start()  # the store may be back

    def _cells(self, event: EventView) -> tuple[Cell, ...]:
        mark = look.result_mark(event.result)
        return (
            (look.relative(event.at, self._desk.now()), look.MUTED),
            (f"{mark.glyph} {kind_of(event)}", mark.tone),
            (event.subject, ""),
            (event.actor, look.MUTED),
        )

    # Reading ---------------------------------------------------------------------------------------------------------

    @on(Finder.Changed)
    def _start(self) -> None:
        self._reading = self._read()

    @work(exclusive=True, group="read")
    async def _read(self) -> None:
        """The newest of what is looked for; from then on what is written, until something else is looked for."""
        history, wanted = self._desk.service.history, self._list.finder.text
        with self._list.reading():
            after_id = max([0, *(event.id for event in await history.recent(1))])
            found = await history.recent(PAGE, before_id=after_id + 1, matching=wanted)
            self.workers.cancel_group(self, "more")
            self._events, self._newer = found, []
            self._gap, self._older = False, len(found) == PAGE
        self._show()
        if self._list.trouble:
            return
        self._table.move_to(str(self._events[0].id) if self._events else "")
        with self._list.reading():
            async with contextlib.aclosing(history.follow(after_id, matching=wanted)) as written:
                async for events in written:
                    self._newer[:0] = reversed(events)
                    self._show_newer()
        self._show()

    @on(LineTable.Highlighted)
    def _read_on(self) -> None:
        """The next page, when the first or the last rows that are known come near."""
        self._show_detail()
        above, below = self._table.beyond()
        if self._more is not None and not self._more.is_finished:
            return
        if self._older and below < _NEAR:
            self._more = self._read_older(self._events[-1].id)
        elif self._gap and above < _NEAR:
            self._more = self._read_newer(self._events[0].id)

    @on(LineTable.Edge)
    def _to_the_edge(self, edge: LineTable.Edge) -> None:
        """However long the history is: what lies between is read when one comes by."""
        if edge.direction > 0 and self._older:
            self._more = self._read_oldest()
        elif edge.direction < 0 and self._gap:
            self._start()

    @work(exclusive=True, group="more")
    async def _read_older(self, before_id: int) -> None:
        with self._list.reading():
            history, wanted = self._desk.service.history, self._list.finder.text
            found = await history.recent(PAGE, before_id=before_id, matching=wanted)
            self._events += found
            self._older = len(found) == PAGE
        self._show()

    @work(exclusive=True, group="more")
    async def _read_newer(self, after_id: int) -> None:
        with self._list.reading():
            found = await self._desk.service.history.after(after_id, PAGE, matching=self._list.finder.text)
            self._events[:0] = reversed(found)
            self._gap = len(found) == PAGE
            shown = {event.id for event in found}
            self._newer = [event for event in self._newer if event.id not in shown]
        self._show()

    @work(exclusive=True, group="more")
    async def _read_oldest(self) -> None:
        with self._list.reading():
            found = await self._desk.service.history.after(0, PAGE, matching=self._list.finder.text)
            found.reverse()
            last = self._events[-1].id
            if found and found[0].id >= last:
                self._events += [event for event in found if event.id < last]
            else:
                self._events, self._gap = found, True
            self._older = False
        self._show()
        if self._events:
            self._table.move_to(str(self._events[-1].id))

    # Showing ---------------------------------------------------------------------------------------------------------

    def _show_newer(self) -> None:
        if self._following and self._newer and self._gap:
            self._start()
        elif self._following and self._newer:
            at_the_top = self._table.cursor_at == 0
            self._events[:0], self._newer = self._newer, []
            self._show()
            if at_the_top:
                self._table.move_to(str(self._events[0].id))
        self._show_title()

    def _show(self) -> None:
        self._list.show(self._events, otherwise="Nothing has happened yet.")
        self._show_title()
        self._show_detail()

    def _show_title(self) -> None:
        wanted = f" that hold {self._list.finder.text}" if self._list.finder.text else ""
        count = f"the first {len(self._events)}" if self._gap else f"{len(self._events)}"
        if self._following:
            right = f"{look.glyphs().busy} following"
        else:
            right = f"{len(self._newer)} newer, f shows them" if self._newer else ""
        self._list.head(f"Events  {count}{' and more' if self._older else ''}{wanted}", right)

    def _show_detail(self) -> None:
        event = self._table.cursor_row
        self._list.tell(_detail(event, self._desk.now()) if event is not None else [])

    # What can be done ------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "find" or self._list.may_find()

    def action_find(self) -> None:
        self._list.finder.open()

    def action_follow(self) -> None:
        self._following = not self._following
        if self._following and self._gap:
            self._start()
        self._show_newer()
        if self._following and self._events:
            self._table.move_to(str(self._events[0].id))

    def action_back(self) -> None:
        if not self._list.widen():
            self.dismiss(None)

    @on(LineTable.Selected)
    def _open(self) -> None:
        event = self._table.cursor_row
        if event is None:
            return
        if event.rotation_id is None:
            self.notify("This event belongs to no rotation.")
        else:
            open_known(self.app, self._desk, event.rotation_id, event.subject)


def kind_of(event: EventView) -> str:
    """What was done, without the words that most kinds share."""
    return event.action.replace("secret-rotation-", "").replace("-secret-rotation", "")


def _detail(event: EventView, now: datetime) -> Iterable[Content]:
    muted = look.STYLES[look.MUTED]
    mark = look.result_mark(event.result)
    yield Content.assemble(
        (mark.text, f"bold {mark.style}"), f"  {one_line(event.action)}  ", (one_line(event.subject), "bold")
    )
    yield plain(one_line(f"{look.relative(event.at, now)}, {look.in_both_zones(event.at, seconds=True)}"), muted)
    yield plain(one_line(f"by {event.actor}"), muted)
    yield plain(event.message)
