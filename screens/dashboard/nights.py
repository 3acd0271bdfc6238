"""The next 30 days, night by night: how many rotations run, and which."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from app.rotation.nights import DAYS, Night, crowded, nights
from screens import look
from screens.dashboard.columns import cells, columns
from screens.leaving import LeftOnce
from screens.pages import open_rotation
from screens.text import one_line
from screens.widgets.bars import KeyBar, TitleBar, rule
from screens.widgets.line_table import Cell, Column, LineTable

if TYPE_CHECKING:
    from app.views import RotationRow
    from screens.desk import Desk

_MOST_NAMES = 400
"""As many names fill the largest terminal."""
_BAR = 12


class NightsScreen(LeftOnce[None]):
    """Follows the store."""

    CSS = """
    NightsScreen #names { height: 5; padding: 0 1; }
    NightsScreen.-tall #names { height: 10; }
    """
    HELP = (
        f"What is scheduled for the next {DAYS} days, in local time. A night with at least twice as many runs as the "
        "average is called crowded: give some of its rotations another time, or another interval."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark,f1", "app.help", "Help", tooltip="The keys of this screen"),
        Binding("escape,q,t", "back", "Back", tooltip="Back to all rotations"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self._title, self._names = TitleBar("Next nights", "counting"), Static(id="names")
        self._table: LineTable[Night] = LineTable(
            [Column("Night", 14), Column("Runs", 5), Column("", _BAR + 9), Column("Rotations", 10, 1)],
            key=lambda night: night.day.isoformat(),
            cells=self._cells,
        )
        self._counts: list[int] = []
        self._crowded: set[int] = set()
        self._first = 0
        self._rows: object = None

    def compose(self) -> ComposeResult:
        yield self._title
        yield self._table
        yield rule()
        yield self._names
        yield KeyBar()

    def on_mount(self) -> None:
        self._table.focus()
        self._desk.changed.subscribe(self, lambda desk: self._count())
        self._count()

    @work(exclusive=True)
    async def _count(self) -> None:
        """In a thread: ten thousand rotations have a lot of nights."""
        snapshot, now = self._desk.snapshot, self._desk.now()
        if snapshot is None or self._rows is snapshot.rows:
            return
        found = await asyncio.to_thread(nights, snapshot.rows, now)
        self._rows = snapshot.rows
        self._counts, self._first = [len(night.rows) for night in found], found[0].day.toordinal()
        self._crowded = crowded(self._counts)
        self._table.set_rows(found)
        many = f", {len(self._crowded)} crowded" if self._crowded else ""
        self._title.show(right=f"{sum(self._counts)} runs in {DAYS} days{many}")
        self._show_names()

    def _cells(self, night: Night) -> tuple[Cell, ...]:
        count, most = len(night.rows), max(max(self._counts, default=0), 1)
        index = night.day.toordinal() - self._first
        crowd = index in self._crowded
        tone = look.WARN if crowd else "" if count else look.MUTED
        bar = look.glyphs().published * max(round(count / most * _BAR), 1 if count else 0)
        day = "today" if index == 0 else f"{night.day:%a %d %b}"
        names = ", ".join(row.name for row in night.rows[:_BAR])
        return (day, tone), (str(count), tone), (f"{bar} crowded" if crowd else bar, tone), (names, look.MUTED)

    @on(LineTable.Highlighted)
    def _show_names(self) -> None:
        night = self._table.cursor_row
        if night is None:
            return
        number = len(night.rows)
        head = f"{night.day:%A, %d %B %Y}: {number} run{'' if number == 1 else 's'}"
        names = ", ".join(_named(row) for row in night.rows[:_MOST_NAMES]) or "Nothing is scheduled."
        room = max((self._names.size.height - 1) * (self._names.content_size.width - 2), 20)
        self._names.update(Content.assemble((head, "bold"), "\n", _fitted(names, number, room)), layout=False)

    @on(LineTable.Selected)
    def _open(self) -> None:
        if (night := self._table.cursor_row) is not None and night.rows:
            self.app.push_screen(NightScreen(self._desk, night))

    def on_resize(self) -> None:
        self.call_after_refresh(self._show_names)

    def action_back(self) -> None:
        self.dismiss(None)


class NightScreen(LeftOnce[None]):
    """The rotations of one night, as they were when it was opened."""

    HELP = "The rotations that run in this night, the first to run first. Enter opens the one under the cursor."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark,f1", "app.help", "Help", tooltip="The keys of this screen"),
        Binding("escape,q", "back", "Back", tooltip="Back to all nights"),
    ]

    def __init__(self, desk: Desk, night: Night) -> None:
        super().__init__()
        self._desk, self._night = desk, night
        self._table: LineTable[RotationRow] = LineTable(columns(80), key=lambda row: row.id, cells=self._cells)

    def compose(self) -> ComposeResult:
        number = len(self._night.rows)
        yield TitleBar(f"{self._night.day:%A, %d %B %Y}", f"{number} run{'' if number == 1 else 's'}")
        yield self._table
        yield KeyBar()

    def on_mount(self) -> None:
        self._table.focus()
        self._table.set_rows(self._night.rows)
        self.set_interval(1.0, self._table.redraw)

    def on_resize(self) -> None:
        self._table.set_columns(columns(self.size.width))

    def _cells(self, row: RotationRow) -> tuple[Cell, ...]:
        return cells(row, self._desk.now(), self.size.width, several_projects=True)

    @on(LineTable.Selected)
    def _open(self, event: LineTable.Selected) -> None:
        open_rotation(self.app, self._desk, event.key)

    def action_back(self) -> None:
        self.dismiss(None)


def _named(row: RotationRow) -> str:
    return one_line(f"{row.name} ({row.environment})")


def _fitted(names: str, number: int, room: int) -> str:
    """Cut between two names, saying how many are left out."""
    if len(names) <= room:
        return names
    shown = names[: room - 16].rpartition(", ")[0]
    return f"{shown} and {number - shown.count(', ') - 1} more"
