"""What hooks were told, are to be told, and could not be; newest first."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content

from screens import look
from screens.dialogs import YES, confirmation
from screens.leaving import LeftOnce
from screens.look import Mark
from screens.pages import DELIVERIES, open_known
from screens.rereading import Rereading
from screens.text import one_line, plain
from screens.troubles import in_words
from screens.widgets.finder import Finder
from screens.widgets.line_table import Cell, Column, LineTable
from screens.widgets.listing import Listing

if TYPE_CHECKING:
    from app.operations.deliveries import DeliveryView
    from screens.desk import Desk

PAGE = 500
"""How many are read at first; so many more when one gets near to the last of them."""
_NEAR = 100
EVERY = 2.0
"""Seconds between two readings, should nothing tell of a change."""
_COLUMNS = (
    Column("State", 10),
    Column("When", look.AT_WIDTH),
    Column("Hook", 8, 1),
    Column("What", 14, 4),
    Column("Tries", 5),
    Column("Next try", look.AT_WIDTH),
)
_EMPTY = """Nothing was to be delivered yet.

A hook tells others what happens, by a command, the web, mail or chat:
keyturn hooks add --help"""


class DeliveriesScreen(LeftOnce[None]):
    PAGE = DELIVERIES
    CSS_PATH = "widgets/listing.tcss"
    HELP = (
        "What hooks were told, and what could not be delivered. Each is tried for a day, after ever longer pauses; "
        "then it is given up, until r tries it again. Hooks themselves are set up by keyturn hooks."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "retry", "Retry", tooltip="Try the one under the cursor at once, and for a day"),
        Binding("d", "drop", "Drop", tooltip="Never deliver the one under the cursor"),
        Binding("f", "failed", "Failed", tooltip="Only what failed: given up, or tried again later; or all"),
        Binding("slash", "find", "Filter", tooltip="Only those that hold all the words that you type"),
        Binding("question_mark,f1", "app.help", "Help", tooltip="The keys of this screen"),
        Binding("escape,q", "back", "Back", tooltip="Show everything again; then leave the page"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self._views: list[DeliveryView] = []
        self._failed = False
        self._wanted: float = PAGE
        """How many are to be read; infinity for all."""
        self._older = self._to_the_end = False
        """Whether there are more than were read; whether the cursor goes to the last, once all are."""
        self._reading = Rereading(self, self._read)
        self._table: LineTable[DeliveryView] = LineTable(_COLUMNS, key=lambda view: str(view.id), cells=self._cells)
        self._list = Listing("Deliveries", self._table, one="delivery", words="hook, rotation, event, state or answer")

    def compose(self) -> ComposeResult:
        yield self._list

    def on_mount(self) -> None:
        self._desk.changed.subscribe(self, lambda desk: self._renew())
        self.set_interval(EVERY, self._renew)
        self.watch(self._table, "scroll_y", self._read_on, init=False)

    def on_screen_resume(self) -> None:
        self._renew()

    def _renew(self) -> None:
        if self.is_current:
            self._reading.renew()

    async def _read(self) -> None:
        """Page by page: no reading takes long."""
        with self._list.reading():
            views: list[DeliveryView] = []
            older, recent = True, self._desk.service.deliveries.recent
            while older and len(views) < self._wanted:
                page = await recent(PAGE, failed=self._failed, before_id=views[-1].id if views else None)
                views += page
                older = len(page) == PAGE
            self._views, self._older = views, older
        self._show()
        if self._to_the_end and not self._older:
            self._to_the_end = False
            self._table.action_edge(1)

    def _want(self, number: float) -> None:
        if self._older and number > self._wanted:
            self._wanted = number
            self._reading.renew()

    @on(LineTable.Highlighted)
    def _read_on(self) -> None:
        """The next page, when the last rows that are known come near."""
        self._show_detail()
        if self._table.beyond()[1] < _NEAR:
            self._want(len(self._views) + PAGE)

    @on(LineTable.Edge)
    def _to_the_edge(self, edge: LineTable.Edge) -> None:
        self._to_the_end = edge.direction > 0 and self._older
        if self._to_the_end:
            self._want(math.inf)

    # Showing ---------------------------------------------------------------------------------------------------------

    def _cells(self, view: DeliveryView) -> tuple[Cell, ...]:
        now, mark = self._desk.now(), mark_of(view.state)
        times = f" x{view.count}" if view.count > 1 else ""
        return (
            (mark.text, mark.tone),
            (look.relative(view.at, now), look.MUTED),
            (view.hook, ""),
            (f"{view.event}{times} {view.rotation}", ""),
            (str(view.attempts), look.MUTED),
            (look.relative(view.next_at, now) if view.next_at else "", look.MUTED),
        )

    @on(Finder.Changed)
    def _found(self) -> None:
        """Looked for in all of them."""
        self._show()
        if self._list.finder.text:
            self._want(math.inf)

    def _show(self) -> None:
        rows = [view for view in self._views if _holds(view, self._list.finder.text)]
        self._list.show(rows, otherwise="No delivery failed.\n\nf shows all." if self._failed else _EMPTY)
        count = f"{len(rows)}{' and more' if self._older else ''}"
        given_up = sum(view.state == "given up" for view in self._views)
        right = f"{look.glyphs().failed} {given_up} given up" if given_up else ""
        self._list.head(f"Deliveries  {count}{' failed' if self._failed else ''}", right)
        self._show_detail()

    def _show_detail(self) -> None:
        view = self._table.cursor_row
        self._list.tell(_detail(view, self._desk.now()) if view is not None else [])
        self.refresh_bindings()

    # What can be done ------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        view = self._table.cursor_row
        if action == "find":
            return self._list.may_find()
        if action == "retry":
            return view is not None and view.state != "done"
        if action == "drop":
            return view is not None and (view.next_at is not None or view.state == "paused")
        return True

    def action_find(self) -> None:
        self._list.finder.open()

    def action_failed(self) -> None:
        self._failed, self._wanted = not self._failed, PAGE
        self._reading.renew()

    def action_back(self) -> None:
        if self._list.widen():
            return
        if self._failed:
            self.action_failed()
        else:
            self.dismiss(None)

    @work
    async def action_retry(self) -> None:
        if (view := self._table.cursor_row) is None:
            return
        try:
            await self._desk.service.deliveries.retry(view.id)
        except Exception as error:
            self.notify(in_words(error), severity="error", timeout=10)
        else:
            self.notify(f"Delivery {view.id} to {one_line(view.hook)} is tried again now.")
        self._reading.renew()

    @work
    async def action_drop(self) -> None:
        if (view := self._table.cursor_row) is None:
            return
        about = f"{view.event} of {view.rotation} is never told to {view.hook}."
        if await self.app.push_screen_wait(confirmation(f"Drop delivery {view.id}?", about, "Drop it")) != YES:
            return
        try:
            await self._desk.service.deliveries.drop(view.id)
        except Exception as error:
            self.notify(in_words(error), severity="error", timeout=10)
        self._reading.renew()

    @on(LineTable.Selected)
    def _open(self) -> None:
        if (view := self._table.cursor_row) is not None:
            open_known(self.app, self._desk, view.rotation_id, view.rotation)


def mark_of(state: str) -> Mark:
    """A state of app/operations/deliveries.py."""
    g = look.glyphs()
    glyph, tone = {
        "done": (g.healthy, look.GOOD),
        "retrying": (g.warning, look.WARN),
        "given up": (g.failed, look.BAD),
        "paused": (g.paused, look.MUTED),
        "dropped": (g.deleting, look.MUTED),
    }.get(state, (g.waiting, look.BUSY))
    return Mark(glyph, state, tone)


def _holds(view: DeliveryView, wanted: str) -> bool:
    text = " ".join((view.hook, view.to, view.rotation, view.event, view.state, view.answer, view.message)).casefold()
    return all(word in text for word in wanted.casefold().split())


def _detail(view: DeliveryView, now: datetime) -> Iterable[Content]:
    muted, mark = look.STYLES[look.MUTED], mark_of(view.state)
    yield Content.assemble(
        (mark.text, f"bold {mark.style}"),
        f"  {view.event} of {one_line(view.rotation)}  ",
        (one_line(view.hook), "bold"),
        (f"  {view.kind} {one_line(view.to)}", muted),
    )
    tries = f"{view.attempts} {'try' if view.attempts == 1 else 'tries'}"
    then = f", next {look.relative(view.next_at, now)}" if view.next_at else ""
    at = look.in_both_zones(view.at, seconds=True)
    yield plain(one_line(f"number {view.id}, {look.relative(view.at, now)}, {at}; {tries}{then}"), muted)
    if view.answer:
        yield plain(one_line(f"answer: {view.answer}"), look.STYLES[look.BAD] if view.state != "done" else "")
    yield plain(one_line(view.message))
