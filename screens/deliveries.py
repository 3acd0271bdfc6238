"""What hooks were told, are to be told, and could not be; newest first."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from screens import look
from screens.dialogs import YES, confirmation
from screens.leaving import LeftOnce
from screens.look import Mark
from screens.pages import DELIVERIES, open_rotation
from screens.text import one_line, plain
from screens.troubles import told
from screens.widgets.bars import KeyBar, TitleBar, rule
from screens.widgets.finder import Finder
from screens.widgets.line_table import Cell, Column, LineTable

if TYPE_CHECKING:
    from app.operations.deliveries import DeliveryView
    from screens.desk import Desk

SHOWN = 500
"""The newest so many; the command line shows more."""
EVERY = 2.0
"""Seconds between two readings, should nothing tell of a change."""
_COLUMNS = (
    Column("State", 10),
    Column("When", look.AT_WIDTH),
    Column("Hook", 8, 3),
    Column("What", 14, 3),
    Column("Tries", 5),
    Column("Next try", look.AT_WIDTH),
)
_EMPTY = """Nothing was to be delivered yet.

A hook tells others what happens, by a command, the web, mail or chat:
keyturn hooks add --help"""


class DeliveriesScreen(LeftOnce[None]):
    PAGE = DELIVERIES
    CSS_PATH = "deliveries.tcss"
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
        self._trouble = ""
        self._title = TitleBar("Deliveries", "reading")
        self._table: LineTable[DeliveryView] = LineTable(_COLUMNS, key=lambda view: str(view.id), cells=self._cells)
        self._finder = Finder(self._table, placeholder="words: hook, rotation, event, state or answer")
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
        self._desk.changed.subscribe(self, lambda desk: self._reload())
        self.set_interval(EVERY, self._reload)
        self._reload()

    def on_screen_resume(self) -> None:
        self._reload()

    @work(exclusive=True, group="reload")
    async def _reload(self) -> None:
        if not self.is_current:
            return
        try:
            self._views = await self._desk.service.deliveries.recent(SHOWN, failed=self._failed)
            self._trouble = ""
        except Exception as error:
            found = told(error)
            self._trouble = f"{found.message} {found.remedy}".strip()
        self._show()

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
    def _show(self) -> None:
        rows = [view for view in self._views if _holds(view, self._finder.text)]
        self._table.set_rows(rows)
        self._table.display, self._empty.display = bool(rows), not rows
        if rows and self.focused is None:  # it was hidden, which took its focus
            self._table.focus()
        wanted = self._finder.text
        text = "No delivery failed.\n\nf shows all." if self._failed else _EMPTY
        text = f"No delivery holds {wanted}.\n\nesc shows all again." if wanted else text
        self._empty.update(plain(self._trouble or text))
        count = f"{len(rows)}{' and more' if len(self._views) == SHOWN else ''}"
        kind = " failed" if self._failed else ""
        given_up = sum(view.state == "given up" for view in self._views)
        right = f"{look.glyphs().failed} {given_up} given up" if given_up else ""
        right = f"{look.glyphs().warning} not readable" if self._trouble else right
        self._title.show(f"Deliveries  {count}{kind}", right)
        self._show_detail()
        self.refresh_bindings()

    @on(LineTable.Highlighted)
    def _show_detail(self) -> None:
        view = self._table.cursor_row
        lines = _detail(view, self._desk.now()) if view is not None else []
        if self._trouble:
            lines = [plain(self._trouble, look.STYLES[look.BAD])]
        self._detail.update(Content("\n").join(lines), layout=False)
        self.refresh_bindings()

    # What can be done ------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        view = self._table.cursor_row
        if action == "find":
            return self.focused is self._table
        if action == "retry":
            return view is not None and view.state != "done"
        if action == "drop":
            return (view is not None and view.next_at is not None) or (view is not None and view.state == "paused")
        return True

    def action_find(self) -> None:
        self._finder.open()

    def action_failed(self) -> None:
        self._failed = not self._failed
        self._reload()

    def action_back(self) -> None:
        if self._finder.text:
            self._finder.clear()
        elif self._failed:
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
            self._complain(error)
        else:
            self.notify(f"Delivery {view.id} to {one_line(view.hook)} is tried again now.")
        self._reload()

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
            self._complain(error)
        self._reload()

    @on(LineTable.Selected)
    def _open(self) -> None:
        view, desk = self._table.cursor_row, self._desk
        if view is None:
            return
        known = desk.snapshot.rows if desk.snapshot is not None else ()
        if any(row.id == view.rotation_id for row in known):
            open_rotation(self.app, desk, view.rotation_id)
        else:
            self.notify(f"The rotation {one_line(view.rotation)} is gone.")

    def _complain(self, error: Exception) -> None:
        found = told(error)
        self.notify(f"{found.message} {found.remedy}".strip(), severity="error", timeout=10)


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
