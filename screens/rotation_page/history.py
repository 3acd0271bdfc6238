"""All attempts of one rotation: how each step went, and what went wrong, in full."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content

from app.views import AttemptView, RotationRow
from screens import look
from screens.leaving import LeftOnce
from screens.reading import ReadingScreen
from screens.rereading import Rereading
from screens.rotation_page.parts import asked_by
from screens.text import one_line, plain, visible
from screens.widgets.finder import Finder
from screens.widgets.line_table import Cell, Column, LineTable
from screens.widgets.listing import Listing
from screens.widgets.passages import Passage

if TYPE_CHECKING:
    from screens.desk import Desk

PAGE, ALL = 200, 20_000
"""How many attempts are read at first, and when one goes further: more than a rotation makes in decades."""
_NEAR = 50
_COLUMNS = (
    Column("When", 23),
    Column("Result", 10),
    Column("Credential", 10, 2),
    Column("By", 9, 2),
    Column("Took", 7),
)
_MUTED = look.STYLES[look.MUTED]


class HistoryScreen(LeftOnce[None]):
    """Follows the store."""

    CSS_PATH: ClassVar[list[str | PurePath]] = ["../widgets/listing.tcss", "../rotation.tcss"]
    HELP = "Every attempt to rotate it, the newest first. Below stands how each step went, and what went wrong in full."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "find", "Filter", tooltip="Only attempts that hold all the words that you type"),
        Binding("question_mark,f1", "app.help", "Help", tooltip="The keys of this screen"),
        Binding("escape,q", "back", "Back", tooltip="Show everything again; then back to the rotation"),
    ]

    def __init__(self, desk: Desk, row: RotationRow) -> None:
        super().__init__()
        self._desk, self._row = desk, row
        self._attempts: list[AttemptView] = []
        self._limit = PAGE
        self._older = self._to_the_end = False
        """Whether there are more than were read; whether the cursor goes to the last, once all are."""
        self._reading = Rereading(self, self._read)
        self._table: LineTable[AttemptView] = LineTable(_COLUMNS, key=lambda attempt: attempt.id, cells=_cells)
        title = f"History of {row.name}"
        self._list = Listing(title, self._table, one="attempt", words="result, credential, who, step or error")

    def compose(self) -> ComposeResult:
        yield self._list

    def on_mount(self) -> None:
        self._desk.changed.subscribe(self, lambda desk: self._reading.renew())
        self.watch(self._table, "scroll_y", self._read_on, init=False)
        self._reading.renew()

    async def _read(self) -> None:
        with self._list.reading():
            limit = self._limit
            self._attempts = await self._desk.service.rotations.history(self._row.id, limit)
            self._older = len(self._attempts) == limit
        self._show()
        if self._to_the_end and not self._older:
            self._to_the_end = False
            self._table.action_edge(1)

    def _want_all(self) -> None:
        if self._limit != ALL:
            self._limit = ALL
            self._reading.renew()

    @on(LineTable.Highlighted)
    def _read_on(self) -> None:
        self._show_detail()
        if self._older and self._table.beyond()[1] < _NEAR:
            self._want_all()

    @on(LineTable.Edge)
    def _to_the_edge(self, edge: LineTable.Edge) -> None:
        self._to_the_end = edge.direction > 0 and self._older
        if self._to_the_end:
            self._want_all()

    @on(Finder.Changed)
    def _found(self) -> None:
        self._show()
        if self._older and self._list.finder.text:
            self._want_all()

    def _show(self) -> None:
        words = self._list.finder.text.casefold().split()
        rows = [attempt for attempt in self._attempts if all(word in _text(attempt) for word in words)]
        self._list.show(rows, otherwise="It was never rotated.")
        failed = sum(look.result_mark(attempt.state).word == "failed" for attempt in rows)
        right = f"{look.glyphs().failed} {failed} failed" if failed else ""
        self._list.head(f"History of {self._row.name}  {len(rows)}{' and more' if self._older else ''}", right)
        self._show_detail()

    def _show_detail(self) -> None:
        attempt = self._table.cursor_row
        self._list.tell(_detail(attempt) if attempt is not None else [])

    @on(LineTable.Selected)
    def _open(self) -> None:
        """On a page of its own, where what a server says may be as long as it likes."""
        attempt = self._table.cursor_row
        if attempt is None:
            return

        async def load() -> list[Passage]:
            found = await self._desk.service.rotations.history(self._row.id, self._limit)
            return [("", line) for each in found if each.id == attempt.id for line in _detail(each)]

        self.app.push_screen(ReadingScreen(f"Attempt of {self._row.name}", load, waiting="reading the journal"))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "find" or self._list.may_find()

    def action_find(self) -> None:
        self._list.finder.open()

    def action_back(self) -> None:
        if not self._list.widen():
            self.dismiss(None)


def _cells(attempt: AttemptView) -> tuple[Cell, ...]:
    mark = look.result_mark(attempt.state)
    return (
        (look.exact(attempt.started_at, seconds=True), look.MUTED),
        (mark.text, mark.tone),
        (attempt.identity, ""),
        (asked_by(attempt), look.MUTED),
        (look.duration(sum(step.ms for step in attempt.steps)), look.MUTED),
    )


def _text(attempt: AttemptView) -> str:
    """What it can be found by."""
    steps = (f"{step.step} {step.note}" for step in attempt.steps)
    word = look.result_mark(attempt.state).word
    return " ".join((word, attempt.identity, asked_by(attempt), attempt.step, attempt.message, *steps)).casefold()


def _detail(attempt: AttemptView) -> Iterator[Content]:
    mark = look.result_mark(attempt.state)
    yield Content.assemble(
        (mark.text, f"bold {mark.style}"),
        "  ",
        (one_line(attempt.identity), "bold"),
        f"  {one_line(asked_by(attempt))}",
    )
    yield plain(look.in_both_zones(attempt.started_at, seconds=True), _MUTED)
    for step in attempt.steps:
        tries = f", {step.tries} tries" if step.tries > 1 else ""
        yield Content.assemble(f"  {step.step:<9}", (f"{look.duration(step.ms)}{tries}", _MUTED))
        if step.note:
            yield plain(f"    {look.glyphs().warning} {visible(step.note)}", look.STYLES[look.WARN])
    if attempt.message:
        at = f"{attempt.step}: " if attempt.step != "done" else ""
        yield plain(f"{at}{visible(attempt.message)}", look.STYLES[look.BAD])
