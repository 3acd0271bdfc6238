"""The history: who did what when, newest first, and what is being done right now."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from app.views import EventView
from screens import look
from screens.leaving import LeftOnce
from screens.pages import EVENTS, open_rotation
from screens.text import one_line, plain
from screens.troubles import told
from screens.widgets.bars import KeyBar, TitleBar, rule
from screens.widgets.finder import Finder
from screens.widgets.line_table import Cell, Column, LineTable

if TYPE_CHECKING:
    from screens.desk import Desk

PAGE = 300
"""How many events are read at once; more when one scrolls near to the last."""
_NEAR = 100
_COLUMNS = (Column("When", look.AT_WIDTH), Column("What", 18, 2), Column("On", 12, 3), Column("Who", 9, 2))


class EventsScreen(LeftOnce[None]):
    """Reads a page at a time, and listens to what is written meanwhile."""

    PAGE = EVENTS
    CSS_PATH = "events.tcss"
    HELP = (
        "Everything that was done: by whom, on what, with what result. Type / to look for words in any field; "
        "with f new events appear by themselves as they are written, by whatever process."
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
        self._following = self._complete = self._loading = False
        self._trouble = ""
        self._title = TitleBar("Events", "reading")
        self._table: LineTable[EventView] = LineTable(_COLUMNS, key=lambda event: str(event.id), cells=self._cells)
        self._finder = Finder(self._table, placeholder="words: who, what, result, rotation or text")
        self._empty, self._detail = Static(id="empty"), Static(id="detail")

    def compose(self) -> ComposeResult:
        yield self._title
        yield self._finder
        yield self._table
        yield self._empty
        yield rule()
        yield self._detail
        yield KeyBar()

    def on_mount(self) -> None:
        self._table.focus()
        self.set_interval(1.0, self._tick)
        self.watch(self._table, "scroll_y", self._read_on, init=False)
        self._read()

    def _tick(self) -> None:
        if self.is_current:
            self._table.redraw()

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
    @work(exclusive=True, group="read")
    async def _read(self) -> None:
        """The first page of what is looked for; from then on what is written, until something else is looked for."""
        history, wanted = self._desk.service.history, self._finder.text
        self._loading, self._complete = True, False
        with self._telling():
            newest = await history.recent(1)
            after_id = newest[0].id if newest else 0
            self._events = await history.recent(PAGE, before_id=after_id + 1, matching=wanted)
            self._newer, self._complete, self._loading = [], len(self._events) < PAGE, False
            self._show()
            if self._events:
                self._table.move_to(str(self._events[0].id))
            async with contextlib.aclosing(history.follow(after_id, matching=wanted)) as written:
                async for events in written:
                    self._newer[:0] = reversed(events)
                    self._show_newer()

    @on(LineTable.Highlighted)
    def _read_on(self) -> None:
        """The next page, when the last rows that are known come near."""
        self._show_detail()
        seen = max(self._table.scroll_offset.y + self._table.size.height, self._at() + 1)
        if not self._loading and not self._complete and len(self._events) - seen < _NEAR:
            self._loading = True
            self._read_more(self._finder.text, self._events[-1].id)

    @work(exclusive=True, group="more")
    async def _read_more(self, wanted: str, before_id: int) -> None:
        with self._telling():
            more = await self._desk.service.history.recent(PAGE, before_id=before_id, matching=wanted)
            if wanted != self._finder.text or not self._events or self._events[-1].id != before_id:
                return  # something else is looked for by now
            self._events += more
            self._complete, self._loading = len(more) < PAGE, False
            self._show()

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            found = told(error)
            self._trouble, self._loading = f"{found.message} {found.remedy}".strip(), False
            self._show()
        else:
            self._trouble = ""

    def _at(self) -> int:
        """How far down the cursor is."""
        key = self._table.cursor_key
        ids = [event.id for event in self._events]
        return ids.index(int(key)) if key is not None and int(key) in ids else 0

    # Showing ---------------------------------------------------------------------------------------------------------

    def _show_newer(self) -> None:
        if self._following and self._newer:
            at_the_top = self._at() == 0
            self._events[:0], self._newer = self._newer, []
            self._show()
            if at_the_top:
                self._table.move_to(str(self._events[0].id))
        self._show_title()

    def _show(self) -> None:
        self._table.set_rows(self._events)
        self._table.display, self._empty.display = bool(self._events), not self._events
        wanted = self._finder.text
        text = f"No event holds {wanted}.\n\nesc shows all again." if wanted else "Nothing has happened yet."
        self._empty.update(plain(self._trouble or text))
        self._show_title()
        self._show_detail()

    def _show_title(self) -> None:
        g = look.glyphs()
        count = f"{len(self._events)}{'' if self._complete else ' and more'}"
        wanted = f" that hold {self._finder.text}" if self._finder.text else ""
        if self._following:
            right = f"{g.busy} following"
        else:
            right = f"{len(self._newer)} newer, f shows them" if self._newer else ""
        self._title.show(f"Events  {count}{wanted}", f"{g.warning} not readable" if self._trouble else right)

    def _show_detail(self) -> None:
        event = self._table.cursor_row
        lines = _detail(event, self._desk.now()) if event is not None else []
        if self._trouble:
            lines = [plain(self._trouble, look.STYLES[look.BAD])]
        self._detail.update(Content("\n").join(lines), layout=False)

    # What can be done ------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "find" or self.focused is self._table

    def action_find(self) -> None:
        self._finder.open()

    def action_follow(self) -> None:
        self._following = not self._following
        self._show_newer()
        if self._following and self._events:
            self._table.move_to(str(self._events[0].id))

    def action_back(self) -> None:
        if self._finder.text:
            self._finder.clear()
        else:
            self.dismiss(None)

    @on(LineTable.Selected)
    def _open(self) -> None:
        event, desk = self._table.cursor_row, self._desk
        if event is None:
            return
        known = desk.snapshot.rows if desk.snapshot is not None else ()
        if event.rotation_id is None:
            self.notify("This event belongs to no rotation.")
        elif any(row.id == event.rotation_id for row in known):
            open_rotation(self.app, desk, event.rotation_id)
        else:
            self.notify(f"The rotation {one_line(event.subject)} is gone.")


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
