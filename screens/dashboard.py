"""Every rotation at a glance; what is known about the one under the cursor stands below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.reactive import reactive
from textual.screen import Screen
from textual.widgets import Static

from app.views import RotationRow, Snapshot, Status
from screens import look
from screens.text import one_line, plain
from screens.widgets.bars import KeyBar, TitleBar, rule
from screens.widgets.line_table import Cell, Column, LineTable

if TYPE_CHECKING:
    from screens.desk import Desk

_URGENT = (Status.FAILING, Status.EXPIRING, Status.OVERDUE)
_WITH_LAST, _WITH_TYPE, _WITH_WHOLE_TYPE = 96, 112, 140
"""From how many columns on the last result, then the type and the exact next run, have a column of their own."""

EMPTY = (
    ("No rotations yet.", "bold"),
    ("", ""),
    ("Press  n  to set up the first one: a wizard asks for everything", ""),
    ("and changes nothing before you have seen it all.", ""),
    ("", ""),
    ("Press  c  to look after connections,  ?  for all keys.", look.STYLES[look.MUTED]),
)


class DashboardScreen(Screen[None]):
    """Shows one snapshot; drawn before the store is open."""

    HELP = "Every rotation, those that need somebody first. Enter opens the one under the cursor."

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "New", tooltip="Set up a new rotation"),
        Binding("r", "rotate", "Rotate", tooltip="Rotate the one under the cursor now"),
        Binding("p", "pause", "Pause", tooltip="Switch auto-rotation off"),
        Binding("p", "resume", "Resume", tooltip="Switch auto-rotation on"),
        Binding("d", "delete", "Delete", tooltip="Delete the one under the cursor"),
        Binding("c", "connections", "Connections", tooltip="Admin access to the targets"),
        Binding("question_mark,f1", "app.help", "Help"),
        Binding("q", "app.quit", "Quit"),
    ]

    snapshot: reactive[Snapshot | None] = reactive(None, init=False)

    def __init__(self, status_line: Callable[[], str] | None = None) -> None:
        super().__init__()
        self._status_line = status_line
        self._status = Static(classes="status-line", markup=False)
        self.desk: Desk | None = None
        self._title = TitleBar("", "opening the store")
        self._table: LineTable[RotationRow] = LineTable(_columns(80), key=lambda row: row.id, cells=self._cells)
        self._empty = Static(Content("\n").join(plain(text, style) for text, style in EMPTY), id="empty")
        self._detail = Static(id="detail")
        self._wide = 80
        self._several_projects = False
        self._detail_shown = Content()

    def compose(self) -> ComposeResult:
        yield self._title
        if self._status_line is not None:
            yield self._status
        yield self._table
        yield self._empty
        yield rule()
        yield self._detail
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
        self._show_moment()

    def watch_snapshot(self, snapshot: Snapshot | None) -> None:
        if snapshot is None:
            return
        rows = sorted(snapshot.rows, key=lambda row: row.status not in _URGENT)
        self._several_projects = len({row.project for row in rows}) > 1
        with self.app.batch_update():
            self._table.set_rows(rows)
            self._table.display = bool(rows)
            self._empty.display = not rows
            self._show_moment()

    def on_resize(self) -> None:
        self._wide = self.size.width
        self._table.set_columns(_columns(self._wide))

    def _tick(self) -> None:
        """Times relative to now change by themselves."""
        if self._status_line is not None:
            self._status.update(plain(self._status_line()), layout=False)
        if self.desk is not None and self.is_current:
            self._table.redraw()
            self._show_moment()

    def _show_moment(self) -> None:
        self._show_title()
        self._show_detail()
        self.refresh_bindings()

    def _cells(self, row: RotationRow) -> tuple[Cell, ...]:
        assert self.desk is not None
        return _cells(row, self.desk.now(), self._wide, self._several_projects)

    def _show_title(self) -> None:
        if self.desk is None:
            return
        if self.desk.trouble is not None:
            self._title.show(right=f"{look.glyphs().warning} store not readable")
        elif self.snapshot is not None:
            self._title.show(_counts(self.snapshot), look.exact(self.desk.now()))

    def _show_detail(self) -> None:
        if self.desk is None:
            return
        row = self._row()
        lines = _detail(row, self.desk.now()) if row else []
        if (trouble := self.desk.trouble) is not None:
            lines = [plain(f"{look.glyphs().warning} {trouble.message} {trouble.remedy}", look.STYLES[look.BAD])]
        shown = Content("\n").join(lines)
        if shown != self._detail_shown:
            self._detail_shown = shown
            self._detail.update(shown, layout=False)

    @on(LineTable.Highlighted)
    def _highlighted(self) -> None:
        self._show_moment()

    @on(LineTable.Selected)
    def _selected(self, event: LineTable.Selected) -> None:
        self._open(event.key)

    def _row(self) -> RotationRow | None:
        return self._table.cursor_row

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("new", "connections"):
            return self.desk is not None
        row = self._row()
        if action in ("rotate", "delete"):
            return row is not None
        if action in ("pause", "resume"):
            return row is not None and (row.next_at is None) == (action == "resume")
        return True

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


def _columns(width: int) -> list[Column]:
    columns = [Column("Status", 10), Column("Rotation", 16, 4)]
    if width >= _WITH_TYPE:
        columns.append(Column("Type", 22 if width >= _WITH_WHOLE_TYPE else 10))
    columns += [Column("Place", 10, 3), Column("Active", 10, 3)]
    columns.append(Column("Next run", 29 if width >= _WITH_TYPE else 11))
    if width >= _WITH_LAST:
        columns.append(Column("Last run", 12))
    return columns


def _cells(row: RotationRow, now: datetime, width: int, several_projects: bool) -> tuple[Cell, ...]:
    mark = look.status_mark(row.status)
    place = f"{row.project} {row.environment} {row.path}" if several_projects else f"{row.environment} {row.path}"
    cells = [(mark.text, mark.tone), (row.name, "")]
    if width >= _WITH_TYPE:
        title = row.type_title
        cells.append((title if width >= _WITH_WHOLE_TYPE else title.partition(" ")[0], look.MUTED))
    cells += [(place, ""), (row.active_identity or "none yet", "" if row.active_identity else look.MUTED)]
    if row.next_at is None:
        cells.append(("not by itself" if width >= _WITH_TYPE else "never", look.MUTED))
    elif width >= _WITH_TYPE:
        cells.append((f"{look.relative(row.next_at, now):<13}{look.exact(row.next_at, with_zone=False)}", ""))
    else:
        cells.append((look.relative(row.next_at, now), ""))
    if width >= _WITH_LAST:
        last = look.result_mark(row.last_result)
        ago = look.relative(row.last_rotated_at, now) if row.last_rotated_at and row.last_result != "failed" else ""
        cells.append((f"{last.glyph} {ago or last.word}", last.tone))
    return tuple(cells)


def _counts(snapshot: Snapshot) -> str:
    """ "12 rotations, 1 failing"."""
    number = len(snapshot.rows)
    if not number:
        return ""
    counted = Counter(row.status for row in snapshot.rows)
    parts = [f"{number} rotation{'' if number == 1 else 's'}"]
    parts += [
        f"{counted[status]} {status.value}" for status in Status if status is not Status.HEALTHY and counted[status]
    ]
    return ", ".join(parts)


def _detail(row: RotationRow, now: datetime) -> list[Content]:
    """What the table has no room for, in three or four lines."""
    muted, dot = look.STYLES[look.MUTED], f" {look.glyphs().separator} "
    mark = look.status_mark(row.status)
    place = f"{row.project} {row.environment} {row.path}"
    head = Content.assemble(
        (one_line(row.name), "bold"),
        (one_line(f"{dot}{row.type_title}{dot}{place}{dot}through {row.connection}"), muted),
    )
    active = row.active_identity or "none yet"
    last = f"last rotated {look.when(row.last_rotated_at, now, with_zone=False)}"
    lines = [head, plain(one_line(f"active {active}{dot}{last}"), "")]
    following = f"next run {look.when(row.next_at, now, with_zone=False)}" if row.next_at else "does not run by itself"
    if row.last_result == "failed":
        works = f" {row.active_identity} stays published." if row.active_identity else ""
        times = f", {row.failures} times in a row" if row.failures > 1 else ""
        lines.append(
            Content.assemble(
                (f"{mark.glyph} failed{times}", look.STYLES[look.BAD]), one_line(f".{works} {_capital(following)}.")
            )
        )
        lines.append(plain(row.last_message, look.STYLES[look.BAD]))
    else:
        lines.append(Content.assemble((mark.text, mark.style), one_line(f"{dot}{following}")))
    return lines


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
