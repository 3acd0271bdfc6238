"""The connections there are: who uses them, whether they work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from pathlib import PurePath
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content

from app.views import ConnectionTest, ConnectionView, Pick, RotationRow
from screens import look
from screens.dialogs import YES, confirmation, error_dialog
from screens.leaving import LeftOnce
from screens.pages import CONNECTIONS, open_rotation
from screens.picking import PickScreen
from screens.text import one_line, plain
from screens.troubles import told
from screens.waiting import AT_ONCE, answer_of
from screens.widgets.finder import Finder
from screens.widgets.line_table import Cell, Column, LineTable
from screens.widgets.listing import Listing
from screens.widgets.question import Question

if TYPE_CHECKING:
    from screens.connection_form import ConnectionFormScreen
    from screens.desk import Desk

EMPTY = Content.assemble(
    ("No connections yet.", "bold"),
    "\n\nPress  n  to set one up. A connection is the access through which",
    "\nKeyturn changes other people's credentials.",
)
_USERS_SHOWN, _MOST_USERS = 12, 200
_WITH_TO = 76
"""From how many columns on the app has a column of its own."""


class ConnectionsScreen(LeftOnce[None]):
    PAGE = CONNECTIONS
    CSS_PATH: ClassVar[list[str | PurePath]] = ["widgets/listing.tcss", "connections.tcss"]
    HELP = (
        "The access through which Keyturn changes credentials. Enter opens a rotation that uses the one under the "
        "cursor; a connection that is used can't be removed."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "New", tooltip="Set up a new connection"),
        Binding("e", "edit", "Edit", tooltip="Change the one under the cursor"),
        Binding("t", "test", "Test", tooltip="Log in through the one under the cursor"),
        Binding("d", "remove", "Remove", tooltip="Remove the one under the cursor"),
        Binding("slash", "find", "Filter", tooltip="Only those that hold all the words that you type"),
        Binding("question_mark,f1", "app.help", "Help", tooltip="The keys of this screen"),
        Binding("escape,q", "back", "Back", tooltip="Show everything again; then leave the page"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk, self._service = desk, desk.service
        self._views: dict[str, ConnectionView] = {}
        self._tests: dict[str, ConnectionTest | float] = {}
        """By id: the last answer; while it is awaited, since when (time.monotonic)."""
        self._table: LineTable[ConnectionView] = LineTable(
            _columns(80), key=lambda view: view.id, cells=lambda view: _cells(view, self._tests, self.size.width)
        )
        self._list = Listing("Connections", self._table, one="connection", words="name, target, access or user of it")

    def compose(self) -> ComposeResult:
        yield self._list

    def on_screen_resume(self) -> None:
        self._reload()

    def _tick(self) -> None:
        """A test that is waited for counts its seconds."""
        if self.is_current and any(isinstance(found, float) for found in self._tests.values()):
            self._table.redraw()
            self._show_detail()

    async def on_mount(self) -> None:
        self._desk.changed.subscribe(self, lambda desk: self._reload())
        self.set_interval(1.0, self._tick)
        self._first = asyncio.create_task(self._load())
        await asyncio.wait([self._first], timeout=AT_ONCE)  # a store that hangs holds up no key

    @work(exclusive=True, group="reload")
    async def _reload(self) -> None:
        """Who uses it may have changed, and connections come and go by other processes."""
        if self.is_current:
            await self._load()

    async def _load(self) -> None:
        with self._list.reading():
            self._views = {view.id: view for view in await self._service.connections.views()}
        if self.is_attached:
            self._show()

    def on_resize(self) -> None:
        self._table.set_columns(_columns(self.size.width))

    @on(Finder.Changed)
    def _show(self) -> None:
        words = self._list.finder.text.casefold().split()
        rows = [view for view in self._views.values() if all(word in _text(view) for word in words)]
        self._list.show(rows, otherwise=EMPTY)
        self._list.head(f"Connections  {f'{len(rows)} of ' if words else ''}{len(self._views)}")
        self._show_detail()

    @on(LineTable.Highlighted)
    def _show_detail(self) -> None:
        view = self._here()
        self._list.tell(_detail(view, self._tests) if view is not None else [])
        self.refresh_bindings()

    def _here(self) -> ConnectionView | None:
        return self._views.get(self._table.cursor_key or "")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "find":
            return self._list.may_find()
        return self._here() is not None if action in ("test", "edit", "remove") else True

    def action_find(self) -> None:
        self._list.finder.open()

    def action_back(self) -> None:
        if not self._list.widen():
            self.dismiss(None)

    @work
    async def action_new(self) -> None:
        from screens.connection_form import ConnectionFormScreen

        apps = await asyncio.to_thread(self._service.catalog.connection_apps)  # the first time, it loads them
        app = apps[0][0] if apps else ""
        if len(apps) > 1:
            app = await self.app.push_screen_wait(Question("New connection", "To what?", apps))
        if not app:
            return
        await self._ask(ConnectionFormScreen(self._service, app))

    @work
    async def action_edit(self) -> None:
        from screens.connection_form import ConnectionFormScreen

        if (view := self._here()) is None:
            return
        self._tests.pop(view.id, None)  # what was found out is about what is changed now
        await self._ask(ConnectionFormScreen(self._service, view.app, view))

    async def _ask(self, form: ConnectionFormScreen) -> None:
        name = await self.app.push_screen_wait(form)
        await self._load()
        if name is not None:
            self._table.move_to(next((view.id for view in self._views.values() if view.name == name), ""))

    @work
    async def action_test(self) -> None:
        """Several may be tested at once; none holds up the screen."""
        if (view := self._here()) is None or isinstance(self._tests.get(view.id), float):
            return
        self._tests[view.id] = time.monotonic()
        self._show()
        try:
            self._tests[view.id] = await self._service.connections.test(view.id)
        except Exception as error:
            found = told(error)
            self._tests[view.id] = ConnectionTest(False, found.message, found.remedy)
        self._show()

    @on(LineTable.Selected)
    @work
    async def _open_user(self) -> None:
        """The rotation that uses it; where several do, the one that is chosen."""
        if (view := self._here()) is None:
            return
        try:
            # The desk's may be older than what stands here.
            snapshot = await answer_of(self.app, self._service.rotations.snapshot())
        except Exception as error:
            await self.app.push_screen_wait(error_dialog("Not opened", told(error)))
            return
        users = [row for row in snapshot.rows if row.connection == view.name]
        if not users:
            self.notify(f"No rotation uses {one_line(view.name)} yet.")
        elif len(users) == 1:
            open_rotation(self.app, self._desk, users[0].id)
        else:
            chosen = await self.app.push_screen_wait(_users(view, users))
            if chosen is not None:
                open_rotation(self.app, self._desk, chosen["id"])

    @work
    async def action_remove(self) -> None:
        if (view := self._here()) is None:
            return
        text = f"Keyturn forgets {view.summary} and its password. At the target nothing changes."
        question = confirmation(f"Remove {view.name}?", text, "Remove it", "Keep it")
        if not view.used_by and await self.app.push_screen_wait(question) != YES:
            return
        try:
            await answer_of(self.app, self._service.connections.remove(view.id))
        except Exception as error:
            await self.app.push_screen_wait(error_dialog("Not removed", told(error)))
        else:
            self._tests.pop(view.id, None)
        await self._load()


def _columns(width: int) -> list[Column]:
    columns = [Column("Connection", 16, 2), Column("To", 10), Column("Access", 20, 4), Column("Used by", 13)]
    if width < _WITH_TO:
        del columns[1]
    return [*columns, Column("Tested", 12)] if width >= 96 else columns


def _cells(view: ConnectionView, tests: dict[str, ConnectionTest | float], width: int) -> tuple[Cell, ...]:
    text, tone = _word(view, tests)
    number = len(view.used_by)
    used = f"{number} rotation{'' if number == 1 else 's'}" if number else "nobody"
    to = [(view.app_title, look.MUTED)] if width >= _WITH_TO else []
    return (view.name, ""), *to, (view.summary, ""), (used, look.MUTED), (text, tone)


def _text(view: ConnectionView) -> str:
    """What it can be found by."""
    return " ".join((view.name, view.app_title, view.summary, view.description, *view.used_by)).casefold()


def _users(view: ConnectionView, rows: list[RotationRow]) -> PickScreen:
    """To choose from, by a part of the name."""

    async def found(text: str) -> list[Pick]:
        rest = [row for row in rows if text.lower() in row.name.lower()]
        return [Pick(row.name, f"{row.environment} {row.path}", {"id": row.id}) for row in rest[:_MOST_USERS]]

    return PickScreen(f"Rotations that use {view.name}", found, take="Open", leave="Back")


def _word(view: ConnectionView, tests: dict[str, ConnectionTest | float]) -> tuple[str, str]:
    g = look.glyphs()
    found = tests.get(view.id)
    if found is None:
        return "not tested", look.MUTED
    if isinstance(found, float):
        seconds = int(time.monotonic() - found)
        return f"{g.busy} logging in{f' {seconds} s' if seconds else ''}", look.BUSY
    return (f"{g.healthy} works", look.GOOD) if found.ok else (f"{g.failed} fails", look.BAD)


def _detail(view: ConnectionView, tests: dict[str, ConnectionTest | float]) -> Iterable[Content]:
    muted = look.STYLES[look.MUTED]
    yield Content.assemble((one_line(view.name), "bold"), plain(f"  {one_line(view.summary)}", muted))
    yield plain(one_line(view.description or "no description"), muted)
    text, tone = _word(view, tests)
    found = tests.get(view.id)
    told_more = f"{text}: {found.text} {found.remedy}" if isinstance(found, ConnectionTest) else text
    yield plain(one_line(told_more), look.STYLES[tone])
    shown = ", ".join(view.used_by[:_USERS_SHOWN])
    more = f" and {len(view.used_by) - _USERS_SHOWN} more" if len(view.used_by) > _USERS_SHOWN else ""
    used = f"used by {shown}{more}" if view.used_by else "used by no rotation"
    yield plain(one_line(used))
