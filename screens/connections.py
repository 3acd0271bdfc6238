"""The connections there are: who uses them, whether they work."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from app.views import ConnectionTest, ConnectionView
from screens import look
from screens.dialogs import YES, confirmation, error_dialog
from screens.leaving import LeftOnce
from screens.pages import CONNECTIONS
from screens.text import one_line, plain
from screens.troubles import told
from screens.widgets.bars import KeyBar, TitleBar, rule
from screens.widgets.line_table import Cell, Column, LineTable
from screens.widgets.question import Question

if TYPE_CHECKING:
    from screens.desk import Desk

EMPTY = (
    ("No connections yet.", "bold"),
    ("", ""),
    ("Press  n  to set one up. A connection is the access through which", ""),
    ("Keyturn changes other people's credentials.", ""),
)


class _Table(LineTable[ConnectionView], inherit_bindings=False):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "edge(-1)", "First", show=False),
        Binding("end", "edge(1)", "Last", show=False),
    ]


class ConnectionsScreen(LeftOnce[None]):
    PAGE = CONNECTIONS
    CSS_PATH = "connections.tcss"
    HELP = "The access through which Keyturn changes credentials. A connection that a rotation uses can't be removed."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "New", tooltip="Set up a new connection"),
        Binding("t", "test", "Test", tooltip="Log in through the one under the cursor"),
        Binding("d", "remove", "Remove", tooltip="Remove the one under the cursor"),
        Binding("question_mark,f1", "app.help", "Help"),
        Binding("escape,q", "back", "Back"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk, self._service = desk, desk.service
        self._views: dict[str, ConnectionView] = {}
        self._tests: dict[str, ConnectionTest | None] = {}
        """By name: the last answer, None while it is awaited."""
        self._table = _Table(_columns(80), key=lambda view: view.name, cells=lambda view: _cells(view, self._tests))
        self._empty, self._detail = Static(id="empty"), Static(id="detail")

    def compose(self) -> ComposeResult:
        yield TitleBar("Connections")
        yield self._table
        yield self._empty
        yield rule()
        yield self._detail
        yield KeyBar()

    async def on_mount(self) -> None:
        self._empty.update(Content("\n").join(plain(text, style) for text, style in EMPTY))
        self._table.focus()
        await self._load()

    async def _load(self) -> None:
        try:
            self._views = {view.name: view for view in await self._service.connections.views()}
        except Exception as error:
            found = told(error)
            self._detail.update(plain(f"{found.message} {found.remedy}", look.STYLES[look.BAD]))
            return
        self._show()

    def on_resize(self) -> None:
        self._table.set_columns(_columns(self.size.width))
        self._show()

    def _show(self) -> None:
        self._table.set_rows(list(self._views.values()))
        self._table.display, self._empty.display = bool(self._views), not self._views
        self._show_detail()
        self.refresh_bindings()

    @on(LineTable.Highlighted)
    def _show_detail(self) -> None:
        view = self._here()
        lines = _detail(view, self._tests) if view is not None else []
        self._detail.update(Content("\n").join(lines))

    def _here(self) -> ConnectionView | None:
        return self._views.get(self._table.cursor_key or "")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self._here() is not None if action in ("test", "remove") else True

    def action_back(self) -> None:
        self.dismiss(None)

    @work
    async def action_new(self) -> None:
        from screens.connection_form import ConnectionFormScreen

        apps = self._service.catalog.connection_apps()
        app = apps[0][0] if apps else ""
        if len(apps) > 1:
            app = await self.app.push_screen_wait(Question("New connection", "To what?", apps))
        if not app:
            return
        name = await self.app.push_screen_wait(ConnectionFormScreen(self._service, app))
        await self._load()
        if name is not None:
            self._table.move_to(name)

    @work
    async def action_test(self) -> None:
        """Several may be tested at once; none holds up the screen."""
        if (view := self._here()) is None or (view.name in self._tests and self._tests[view.name] is None):
            return
        self._tests[view.name] = None
        self._show()
        try:
            self._tests[view.name] = await self._service.connections.test(view.name)
        except Exception as error:
            found = told(error)
            self._tests[view.name] = ConnectionTest(False, found.message, found.remedy)
        self._show()

    @work
    async def action_remove(self) -> None:
        if (view := self._here()) is None:
            return
        text = f"Keyturn forgets {view.summary} and its password. At the target nothing changes."
        question = confirmation(f"Remove {view.name}?", text, "Remove it", "Keep it")
        if not view.used_by and await self.app.push_screen_wait(question) != YES:
            return
        try:
            await self._service.connections.remove(view.name)
        except Exception as error:
            await self.app.push_screen_wait(error_dialog("Not removed", told(error)))
        else:
            self._tests.pop(view.name, None)
        await self._load()


def _columns(width: int) -> list[Column]:
    columns = [Column("Connection", 16, 2), Column("To", 10), Column("Access", 24, 4), Column("Used by", 11)]
    return [*columns, Column("Tested", 12)] if width >= 96 else columns


def _cells(view: ConnectionView, tests: dict[str, ConnectionTest | None]) -> tuple[Cell, ...]:
    text, tone = _word(view, tests)
    number = len(view.used_by)
    used = f"{number} rotation{'' if number == 1 else 's'}" if number else "nobody"
    return (view.name, ""), (view.app_title, look.MUTED), (view.summary, ""), (used, look.MUTED), (text, tone)


def _word(view: ConnectionView, tests: dict[str, ConnectionTest | None]) -> tuple[str, str]:
    g = look.glyphs()
    if view.name not in tests:
        return "not tested", look.MUTED
    found = tests[view.name]
    if found is None:
        return f"{g.busy} logging in", look.BUSY
    return (f"{g.healthy} works", look.GOOD) if found.ok else (f"{g.failed} fails", look.BAD)


def _detail(view: ConnectionView, tests: dict[str, ConnectionTest | None]) -> Iterable[Content]:
    muted = look.STYLES[look.MUTED]
    yield Content.assemble((one_line(view.name), "bold"), plain(f"  {one_line(view.summary)}", muted))
    yield plain(one_line(view.description or "no description"), muted)
    used = f"used by {', '.join(view.used_by)}" if view.used_by else "used by no rotation"
    yield plain(one_line(used))
    text, tone = _word(view, tests)
    found = tests.get(view.name)
    yield plain(one_line(f"{text}: {found.text} {found.remedy}" if found else text), look.STYLES[tone])
