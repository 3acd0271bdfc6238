"""Every rotation at a glance; what is known about the one under the cursor stands below."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.reactive import reactive
from textual.screen import Screen
from textual.widgets import Static

from app.views import RotationRow, Snapshot
from screens import look
from screens.dashboard.arranging import Arrangement, following
from screens.dashboard.columns import cells, columns
from screens.dashboard.counts import CountsBar
from screens.dashboard.detail import Detail
from screens.dashboard.empty import nothing_shown
from screens.text import plain
from screens.widgets.bars import KeyBar
from screens.widgets.line_table import Cell, LineTable

if TYPE_CHECKING:
    from screens.dashboard.preparing import Prepared
    from screens.desk import Desk
    from screens.widgets.finder import Finder


class DashboardScreen(Screen[None]):
    """Shows one snapshot; drawn before the store is open."""

    PAGE = "rotations"
    HELP = "Every rotation, those that need somebody first. Enter opens the one under the cursor."

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "New", tooltip="Set up a new rotation"),
        Binding("r", "rotate", "Rotate", tooltip="Rotate the one under the cursor now"),
        Binding("p", "pause", "Pause", tooltip="Switch auto-rotation off"),
        Binding("p", "resume", "Resume", tooltip="Switch auto-rotation on"),
        Binding("d", "delete", "Delete", tooltip="Delete the one under the cursor"),
        Binding("c", "connections", "Connections", tooltip="Admin access to the targets"),
        Binding("question_mark,f1", "app.help", "Help", tooltip="The keys of this screen"),
        Binding("q", "app.quit", "Quit", tooltip="Leave Keyturn; what is under way ends first"),
        Binding("slash", "filter", "Filter", tooltip="Only rotations that hold all the words that you type"),
        Binding("escape", "clear", "Clear", tooltip="Show all rotations again", show=False),
        Binding("s", "sort", "Sort", tooltip="Sort by urgency, name, next run or last rotated"),
        Binding("g", "group", "Group", tooltip="Group by environment, by project, or not"),
        Binding("t", "nights", "Nights", tooltip="The next 30 days, and which nights are crowded"),
    ]

    snapshot: reactive[Snapshot | None] = reactive(None, init=False)

    def __init__(self, status_line: Callable[[], str] | None = None) -> None:
        super().__init__()
        self._status_line = status_line
        self._status = Static(classes="status-line", markup=False)
        self.desk: Desk | None = None
        self._title = CountsBar("opening the store")
        self._table: LineTable[RotationRow] = LineTable(
            columns(80), key=lambda row: row.id, cells=self._cells, moved=self._highlighted
        )
        self._empty, self._timeline = Static(id="empty"), Static(id="timeline")
        self._state, self._detail = (
            Static(look.glyphs().rule * 500, id="state", markup=False),
            Detail(self._table.rows_near),
        )
        self._finder: Finder | None = None
        self._wide = 80
        self._chosen = Arrangement()
        self._prepared: Prepared | None = None
        self._preparing = False
        self._shown: dict[Static, Content] = {}

    def compose(self) -> ComposeResult:
        yield self._title
        if self._status_line is not None:
            yield self._status
        yield self._table
        yield self._empty
        yield self._state
        yield self._detail
        yield self._timeline
        yield KeyBar()

    def on_mount(self) -> None:
        self._table.focus()
        self._tick()
        self.set_interval(1.0, self._tick)

    def attach(self, desk: Desk) -> None:
        """The store is open: show what is in it from now on."""
        self.desk = desk
        desk.changed.subscribe(self, self._changed)
        self.refresh_bindings()

    def _changed(self, desk: Desk) -> None:
        if desk.snapshot is not None:
            self.snapshot = desk.snapshot
        self._detail.read(renew=True)
        self._show_moment()

    def watch_snapshot(self) -> None:
        self._prepare()

    # What is shown, and in which order -----------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Work out again what is shown: at once, or in a thread where that takes a while."""
        from screens.dashboard.preparing import AT_ONCE, prepare

        if self.snapshot is None or self.desk is None:
            return
        if len(self.snapshot.rows) > AT_ONCE:
            self._prepare_apart()
        else:
            self._show_prepared(prepare(self.snapshot.rows, self._chosen, self.desk.now(), self._prepared))

    @work
    async def _prepare_apart(self) -> None:
        """Until nothing changed meanwhile: the last choice wins."""
        from screens.dashboard.preparing import prepare

        if self._preparing:
            return
        self._preparing = True
        try:
            before = None
            while self.snapshot is not None and self.desk is not None and before != (self.snapshot.rows, self._chosen):
                before = self.snapshot.rows, self._chosen
                self._show_prepared(await asyncio.to_thread(prepare, *before, self.desk.now(), self._prepared))
        finally:
            self._preparing = False

    def _show_prepared(self, prepared: Prepared) -> None:
        before, self._prepared = self._prepared, prepared
        searched = before is not None and before.chosen.query != prepared.chosen.query
        key, shown = self._table.cursor_key, prepared.arranged.shown
        with self.app.batch_update():
            if before is None or before.arranged is not prepared.arranged:
                self._table.set_rows(prepared.arranged.lines)
            if searched and self._table.cursor_key != key:
                self._table.action_edge(-1)
            self._table.display = bool(shown)
            self._empty.display = not shown
            if shown and self.focused is None:
                self._table.focus()  # which it lost while it was not there
            if not shown:
                self._put(self._empty, nothing_shown(prepared.chosen.query), layout=True)
            self._show_state()
            self._show_moment()

    def _choose(self, chosen: Arrangement) -> None:
        self._chosen = chosen
        self._table.set_columns(columns(self._wide, chosen.order))
        self._prepare()

    def _show_state(self) -> None:
        from screens.dashboard.state_line import state_line

        if self._prepared is not None:
            shown, total = self._prepared.arranged.shown, len(self._prepared.of)
            self._put(self._state, state_line(self._prepared.chosen, shown, total, self._wide))

    def on_resize(self) -> None:
        self._wide = self.size.width
        self._table.set_columns(columns(self._wide, self._chosen.order))
        self._show_state()
        self._show_moment()

    # What is true at the moment --------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Times relative to now change by themselves; at midnight the first of the nights is another one."""
        if self._status_line is not None:
            self._status.update(plain(self._status_line()), layout=False)
        if self.desk is None or not self.is_current:
            return
        if self._prepared is not None and self._prepared.nights[0].day != self.desk.now().astimezone().date():
            self._prepare()
        self._table.redraw()
        self._show_moment()

    def _show_moment(self) -> None:
        if self.desk is not None:
            self._detail.show(self.desk, self._row())
        self._show_title()
        self._show_timeline()
        self.refresh_bindings()

    def _cells(self, row: RotationRow) -> tuple[Cell, ...]:
        assert self.desk is not None
        several = self._prepared is not None and self._prepared.several_projects
        return cells(row, self.desk.now(), self._wide, several)

    def _show_title(self) -> None:
        if self.desk is None:
            return
        if self.snapshot is not None:
            self._title.count(self.snapshot.rows)
        if self.desk.trouble is not None:
            self._title.show(right=f"{look.glyphs().warning} store not readable")
        elif self.snapshot is not None:
            self._title.show(right=look.exact(self.desk.now()))

    def _show_timeline(self) -> None:
        if self._prepared is None or not self._timeline.display:
            return
        from screens.dashboard.timeline import timeline

        row = self._row()
        lines = timeline(self._prepared.nights, row.next_at if row else None, self._wide - 2)
        self._put(self._timeline, Content("\n").join(lines if self._prepared.of else []))

    def _put(self, where: Static, content: Content, *, layout: bool = False) -> None:
        """Without a layout of the whole screen, and not at all when it says so already."""
        if self._shown.get(where) != content:
            self._shown[where] = content
            where.update(content, layout=layout)

    # Keys ------------------------------------------------------------------------------------------------------------

    def _highlighted(self) -> None:
        self._detail.read(renew=False)
        self._show_moment()

    @on(LineTable.Selected)
    def _selected(self, event: LineTable.Selected) -> None:
        self._open(event.key)

    def _row(self) -> RotationRow | None:
        return self._table.cursor_row

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("new", "connections"):
            return self.desk is not None
        if action in ("filter", "sort", "group", "nights"):
            return self.snapshot is not None and bool(self.snapshot.rows)
        if action == "clear":
            return bool(self._chosen.query)
        row = self._row()
        if action in ("rotate", "delete"):
            return row is not None
        if action in ("pause", "resume"):
            return row is not None and row.auto_rotation == (action == "pause")
        return True

    async def on_key(self, event: events.Key) -> None:
        """What is typed in one burst with the key that opens the filter belongs into it."""
        typing = self._finder is not None and self._finder.has_focus_within
        if event.key == "slash" and not typing and self.check_action("filter", ()):
            await self.action_filter()
        elif not typing or self._finder is None or not self._finder.take(event):
            return
        event.stop()
        event.prevent_default()

    async def action_filter(self) -> None:
        """The line to type in is made when it is first asked for."""
        if self._finder is None:
            from screens.widgets.finder import Finder

            self._finder = Finder(self._table, placeholder="words: name, type, connection, place, status or user")
            await self.mount(self._finder, before=self._table)
        self._finder.open()

    def on_finder_changed(self, event: Finder.Changed) -> None:
        self._choose(replace(self._chosen, query=event.text))

    def action_clear(self) -> None:
        if self._finder is not None:
            self._finder.clear()

    def action_sort(self) -> None:
        self._choose(replace(self._chosen, order=following(self._chosen.order)))

    def action_group(self) -> None:
        self._choose(replace(self._chosen, grouping=following(self._chosen.grouping)))

    def action_nights(self) -> None:
        from screens.dashboard.nights import NightsScreen

        assert self.desk is not None
        self.app.push_screen(NightsScreen(self.desk))

    def show_rotation(self, rotation_id: str) -> None:
        """Put the cursor on it, and open its page."""
        self._table.move_to(rotation_id)
        self._open(rotation_id)

    def _open(self, rotation_id: str) -> None:
        from screens.rotation import RotationScreen

        assert self.desk is not None
        self.app.push_screen(RotationScreen(self.desk, rotation_id))

    @work(exit_on_error=True)
    async def action_new(self) -> None:
        from screens.wizard import WizardScreen

        assert self.desk is not None
        created = await self.app.push_screen_wait(WizardScreen(self.desk.service))
        self.desk.refresh()
        if created is not None:
            self.show_rotation(created)

    def action_connections(self) -> None:
        from screens.connections import ConnectionsScreen

        assert self.desk is not None
        self.app.push_screen(ConnectionsScreen(self.desk))

    @work(exit_on_error=True)
    async def action_rotate(self) -> None:
        from screens.actions import rotate

        if (row := self._row()) is not None and self.desk is not None:
            await rotate(self.app, self.desk, row)

    @work(exit_on_error=True)
    async def action_pause(self) -> None:
        from screens.actions import pause_or_resume

        if (row := self._row()) is not None and self.desk is not None:
            await pause_or_resume(self.app, self.desk, row)

    def action_resume(self) -> None:
        self.action_pause()

    @work(exit_on_error=True)
    async def action_delete(self) -> None:
        from screens.actions import delete

        if (row := self._row()) is not None and self.desk is not None:
            await delete(self.app, self.desk, row)
