"""A table that looks only at the rows in view: ten thousand cost what twenty do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from screens.look import glyphs
from screens.text import one_line

Cell = tuple[str, str]
"""Text and tone ("" for the usual colour)."""

RowT = TypeVar("RowT")

GAP = 2
GUTTER = 2


@dataclass(frozen=True)
class Column:
    """`width` is the least; columns with `grow` share what is left, in that proportion."""

    title: str
    width: int
    grow: int = 0


@dataclass(frozen=True)
class Heading:
    """A line between rows, over the whole width; the cursor never stands on it."""

    text: str
    tone: str = "heading"


class LineTable(ScrollView, Generic[RowT], can_focus=True):
    """Rows have keys: the cursor stays on its row, and the view where it is, whatever else changes.

    `key` names a row, `cells` says how it reads at the moment; both must be quick.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "line-table--header",
        "line-table--heading",
        "line-table--cursor",
        "line-table--cursor-blurred",
        "line-table--good",
        "line-table--busy",
        "line-table--warn",
        "line-table--bad",
        "line-table--muted",
    }

    DEFAULT_CSS = """
    LineTable {
        height: 1fr;
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
        & > .line-table--header { color: $text-muted; }
        & > .line-table--heading { color: $primary; text-style: bold; }
        & > .line-table--cursor {
            color: $block-cursor-foreground;
            background: $block-cursor-background;
            text-style: $block-cursor-text-style;
        }
        & > .line-table--cursor-blurred { text-style: bold; }
        & > .line-table--good { color: $text-success; }
        & > .line-table--busy { color: $text-accent; }
        & > .line-table--warn { color: $text-warning; }
        & > .line-table--bad { color: $text-error; }
        & > .line-table--muted { color: $text-muted; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Open", tooltip="Open what the cursor is on"),
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "edge(-1)", "First", show=False),
        Binding("end", "edge(1)", "Last", show=False),
    ]

    @dataclass
    class Highlighted(Message):
        """The cursor is on another row, or on none (None)."""

        key: str | None

    @dataclass
    class Selected(Message):
        """Enter was pressed on a row, or it was clicked while the cursor was on it."""

        key: str

    @dataclass
    class Edge(Message):
        """Home (-1) or end (1) was pressed: what belongs there may not be among the rows yet."""

        direction: int

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        key: Callable[[RowT], str],
        cells: Callable[[RowT], tuple[Cell, ...]],
        moved: Callable[[], None] | None = None,
        id: str | None = None,  # noqa: A002
    ) -> None:
        """`moved` is called when the cursor is on another row, early enough to be painted along with it."""
        super().__init__(id=id)
        self._columns, self._moved = tuple(columns), moved
        self._key, self._cells = key, cells
        self._rows: list[RowT | Heading] = []
        self._keys: list[str | None] = []
        """None for a heading."""
        self._places: dict[str | None, int] = {}
        self._cursor = 0
        self._widths: tuple[int, ...] = ()
        self._look: dict[str, Style] = {}
        self._drawn: dict[int, tuple[Cell, ...]] = {}
        """What the lines of the view say, as they were last drawn."""

    @property
    def cursor_row(self) -> RowT | None:
        """The row under the cursor."""
        row = self._rows[self._cursor] if self._rows else None
        return None if isinstance(row, Heading) else row

    @property
    def cursor_key(self) -> str | None:
        return self._keys[self._cursor] if self._keys else None

    @property
    def cursor_at(self) -> int:
        """How many rows are above the cursor."""
        return self._cursor

    def beyond(self) -> tuple[int, int]:
        """How many rows there are above and below those in view and the cursor."""
        top = self.scroll_offset.y
        return min(top, self._cursor), len(self._rows) - max(top + self._room, self._cursor + 1)

    def rows_near(self) -> list[RowT]:
        """Those in view, and as many above and below: where the cursor may be next."""
        top, room = self.scroll_offset.y, self._room
        near = self._rows[max(top - room, 0) : top + 2 * room]
        return [row for row in near if not isinstance(row, Heading)]

    def set_columns(self, columns: Sequence[Column]) -> None:
        """New columns, for which `cells` has something from now on."""
        self._columns = tuple(columns)
        self._measure()
        self.refresh()

    def set_rows(self, rows: Sequence[RowT | Heading]) -> None:
        """Replace what is shown; draws again what differs."""
        before, under_cursor = self._keys, self.cursor_key
        self._rows = list(rows)
        self._keys = [None if isinstance(row, Heading) else self._key(row) for row in rows]
        if before == self._keys:
            self.redraw()
            return
        stood, top = self._cursor, self.scroll_offset.y
        self._places = {key: index for index, key in enumerate(self._keys)}
        self._places.pop(None, None)
        self._cursor = self._places.get(under_cursor, self._row_near(stood))
        self.virtual_size = Size(self.size.width, len(self._rows) + 1)
        if top > 0:  # the cursor's line stays where it is on the screen
            self._scroll_up_to(top + self._cursor - stood)
        self._show_cursor()
        self.refresh()
        if self.cursor_key != under_cursor:
            self._tell()
        if bool(before) != bool(self._keys):
            self.refresh_bindings()

    def redraw(self) -> None:
        """Draw the lines again that read differently by now."""
        top = self.scroll_offset.y
        for line, shown in self._drawn.items():
            index = top + line - 1
            if index < len(self._rows) and self._read(self._rows[index]) != shown:
                self._refresh_row(index)

    def move_to(self, key: str) -> None:
        """Put the cursor on the row with this key, if there is one."""
        if key in self._places:
            self._move_cursor(self._places[key])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is nothing to open among no rows."""
        return action != "select" or self.cursor_key is not None

    def action_select(self) -> None:
        if self.cursor_key is not None:
            self.post_message(self.Selected(self.cursor_key))

    def action_move(self, by: int) -> None:
        self._move_cursor(self._cursor + by)

    def action_page(self, direction: int) -> None:
        self._move_cursor(self._cursor + direction * max(self._room - 1, 1))

    def action_edge(self, direction: int) -> None:
        self._move_cursor(0 if direction < 0 else len(self._rows) - 1)
        self.post_message(self.Edge(direction))

    def on_resize(self) -> None:
        self._measure()
        self.virtual_size = Size(self.size.width, len(self._rows) + 1)
        self._show_cursor()

    def on_click(self, event: events.Click) -> None:
        index = event.y - 1 + self.scroll_offset.y
        if event.y < 1 or index >= len(self._rows) or self._keys[index] is None:
            return
        if index == self._cursor:
            self.action_select()
        else:
            self._move_cursor(index)

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self._refresh_row(self._cursor)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._look.clear()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y == 0:
            return self._line([(c.title, "header") for c in self._columns], "  ", "").adjust_cell_length(
                width, self._style("")
            )
        index = y - 1 + self.scroll_offset.y
        if index >= len(self._rows):
            self._drawn.pop(y, None)
            return Strip.blank(width, self._style(""))
        cells = self._drawn[y] = self._read(row := self._rows[index])
        if isinstance(row, Heading):
            style = self._style(row.tone)
            return Strip([Segment(fitted(row.text, width), style)]).adjust_cell_length(width, style)
        here = index == self._cursor
        whole = ("cursor" if self.has_focus else "cursor-blurred") if here else ""
        gutter = f"{glyphs().cursor} " if here else "  "
        return self._line(cells, gutter, whole).adjust_cell_length(width, self._style(whole))

    def _read(self, row: RowT | Heading) -> tuple[Cell, ...]:
        return ((row.text, row.tone),) if isinstance(row, Heading) else self._cells(row)

    def _line(self, cells: Sequence[Cell], gutter: str, whole: str) -> Strip:
        segments = [Segment(gutter, self._style(whole))]
        for (text, tone), width in zip(cells, self._widths, strict=False):
            segments.append(Segment(fitted(text, width), self._style(whole or tone)))
            segments.append(Segment(" " * GAP, self._style(whole)))
        return Strip(segments)

    def _style(self, name: str) -> Style:
        if name not in self._look:
            base = self.rich_style
            self._look[name] = base + self.get_component_rich_style(f"line-table--{name}") if name else base
        return self._look[name]

    def _measure(self) -> None:
        gaps = GAP * (len(self._columns) - 1)
        spare = max(self.size.width - GUTTER - gaps - sum(c.width for c in self._columns), 0)
        shares = sum(c.grow for c in self._columns) or 1
        self._widths = tuple(c.width + spare * c.grow // shares for c in self._columns)

    @property
    def _room(self) -> int:
        """How many rows are in view."""
        return max(self.size.height - 1, 1)

    def _row_near(self, index: int, direction: int = 1) -> int:
        """The next that is no heading, in this direction if there is one, in the other if not; 0 without rows."""
        last = len(self._rows) - 1
        index = max(0, min(index, last))
        ahead, behind = range(index, last + 1), range(min(index, last), -1, -1)
        for searched in (ahead, behind) if direction > 0 else (behind, ahead):
            for found in searched:
                if self._keys[found] is not None:
                    return found
        return 0

    def _move_cursor(self, index: int) -> None:
        index = self._row_near(index, 1 if index > self._cursor else -1)
        if index == self._cursor or not self._rows:
            return
        before, self._cursor = self._cursor, index
        self._refresh_row(before)
        self._refresh_row(index)
        self._show_cursor()
        self._tell()

    def _tell(self) -> None:
        if self._moved is not None:
            self._moved()
        self.post_message(self.Highlighted(self.cursor_key))

    def _show_cursor(self) -> None:
        top = self.scroll_offset.y
        if self._cursor < top + 1:
            above = self._cursor - 1
            headed = above >= 0 and self._keys[above] is None  # what the first of a group belongs to is in view
            if headed or self._cursor < top:
                self._scroll_up_to(above if headed else self._cursor)
        elif self._cursor >= top + self._room:
            self._scroll_up_to(self._cursor - self._room + 1)

    def _scroll_up_to(self, row: int) -> None:
        # By force: whether there is a scrollbar is known only after the next layout.
        self.scroll_to(y=row, animate=False, force=True)

    def _refresh_row(self, index: int) -> None:
        self.refresh_line(index + 1)


def fitted(text: str, width: int) -> str:
    """Cut or padded to the width."""
    text = one_line(text)
    if cell_len(text) > width:
        text = set_cell_size(text, max(width - 1, 0)).rstrip() + glyphs().ellipsis
    return set_cell_size(text, width)
