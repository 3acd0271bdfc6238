"""The table keeps cursor and view on their rows, whatever else changes, and draws only what is in view."""

from __future__ import annotations

import time

from textual.app import App, ComposeResult

from screens.widgets.line_table import Cell, Column, Heading, LineTable, fitted

Row = tuple[str, tuple[Cell, ...]]


def rows(*names: str) -> list[Row]:
    return [(name, ((name, ""), (f"value of {name}", "bad"))) for name in names]


NAMES = [f"row{number:04}" for number in range(1000)]


class Table(App[None]):
    def __init__(self) -> None:
        super().__init__()
        columns = [Column("Name", 10), Column("Value", 10, 1)]
        self.table: LineTable[Row] = LineTable(columns, key=lambda row: row[0], cells=self.read)
        self.reads = 0
        self.told: list[str] = []

    def read(self, row: Row) -> tuple[Cell, ...]:
        self.reads += 1
        return row[1]

    def compose(self) -> ComposeResult:
        yield self.table

    def on_mount(self) -> None:
        self.table.focus()

    def on_line_table_highlighted(self, event: LineTable.Highlighted) -> None:
        self.told.append(f"highlighted {event.key}")

    def on_line_table_selected(self, event: LineTable.Selected) -> None:
        self.told.append(f"selected {event.key}")

    @property
    def lines(self) -> list[str]:
        return [strip.text.rstrip() for strip in self.screen._compositor.render_strips()]


async def test_keys_move_the_cursor_and_the_view_follows() -> None:
    app = Table()
    async with app.run_test(size=(60, 10)) as pilot:
        app.table.set_rows(rows(*NAMES))
        await pilot.pause()
        assert app.lines[0].split() == ["Name", "Value"]
        assert app.lines[1].startswith("▸ row0000")
        await pilot.press("end")
        assert app.table.cursor_key == "row0999"
        assert app.lines[9].startswith("▸ row0999")
        await pilot.press("up", "k", "pageup")
        assert app.table.cursor_key == "row0989"
        await pilot.press("home", "j", "down", "pagedown", "enter")
        assert app.told[-1] == "selected row0010"
        assert app.lines[0].split() == ["Name", "Value"], "the header stays"


async def test_cursor_and_view_stay_when_rows_come_and_go() -> None:
    app = Table()
    async with app.run_test(size=(60, 10)) as pilot:
        app.table.set_rows(rows(*NAMES))
        app.table.move_to("row0500")
        await pilot.pause()
        before = [line for line in app.lines if "row0500" in line]
        app.table.set_rows(rows("new", *NAMES))
        await pilot.pause()
        assert app.table.cursor_key == "row0500"
        assert [line for line in app.lines if "row0500" in line] == before
        changed: list[Row] = [(name, ((name, ""), ("other", ""))) for name in NAMES]
        scroll = app.table.scroll_offset
        app.table.set_rows(changed)
        app.table.set_rows(rows(*NAMES))
        await pilot.pause()
        assert abs(app.table.scroll_offset.y - scroll.y) <= 1
        app.table.set_rows(rows(*NAMES[:3]))
        await pilot.pause()
        assert app.table.cursor_key == "row0002"
        assert app.told[-1] == "highlighted row0002"
        app.table.set_rows([])
        await pilot.pause()
        assert app.table.cursor_key is None
        await pilot.press("enter", "down", "end")
        assert app.told[-1] == "highlighted None"


async def test_a_click_moves_the_cursor_and_a_second_opens() -> None:
    app = Table()
    async with app.run_test(size=(60, 10)) as pilot:
        app.table.set_rows(rows(*NAMES[:5]))
        await pilot.pause()
        await pilot.click(LineTable, offset=(4, 3))
        assert app.told[-1] == "highlighted row0002"
        await pilot.click(LineTable, offset=(4, 3))
        assert app.told[-1] == "selected row0002"
        await pilot.click(LineTable, offset=(4, 0))
        await pilot.click(LineTable, offset=(4, 9))
        assert app.told[-1] == "selected row0002"


async def test_headings_are_stepped_over_and_stay_in_view_with_their_first_row() -> None:
    app = Table()
    async with app.run_test(size=(60, 6)) as pilot:
        names = rows(*NAMES[:6])
        app.table.set_rows([Heading("first: 3"), *names[:3], Heading("empty: 0"), Heading("second: 3"), *names[3:]])
        await pilot.pause()
        assert app.table.cursor_key == "row0000"
        assert app.lines[1:3] == ["first: 3", "▸ row0000     value of row0000"]
        await pilot.press("down", "down", "down")
        assert app.table.cursor_key == "row0003"
        await pilot.press("end", "home")
        assert app.lines[1:3] == ["first: 3", "▸ row0000     value of row0000"], "what it belongs to is in view again"
        await pilot.press("up")
        assert app.table.cursor_key == "row0000"
        await pilot.click(LineTable, offset=(4, 1))
        assert app.table.cursor_key == "row0000"
        assert "selected row0000" not in app.told
        assert [name for name, _ in app.table.rows_near()] == NAMES[:6]
        app.table.set_rows([Heading("other: 1"), *names[4:5]])
        await pilot.pause()
        assert app.table.cursor_key == "row0004"
        app.table.set_rows([])
        assert app.table.cursor_row is None


async def test_only_rows_in_view_are_looked_at() -> None:
    app = Table()
    async with app.run_test(size=(60, 10)) as pilot:
        many = rows(*(f"r{number}" for number in range(50_000)))
        app.table.set_rows(many)
        await pilot.pause()
        assert 0 < app.reads <= 40
        app.reads = 0
        await pilot.press("down")
        assert 0 < app.reads <= 4
        app.reads = 0
        many[3] = ("r3", (("r3", ""), ("by now", "")))
        app.table.set_rows(many)
        await pilot.pause()
        assert "by now" in app.lines[4]
        assert app.reads <= 20


async def test_cells_are_cut_by_cells_and_read_no_markup() -> None:
    app = Table()
    async with app.run_test(size=(60, 10)) as pilot:
        app.table.set_rows([("a", (("日本語データベース", ""), ("db[prod] [/] [@click=app.quit]x", "good")))])
        await pilot.pause()
        assert "日本語デ… " in app.lines[1]
        assert "db[prod] [/] [@click=app.quit]x" in app.lines[1]


def test_fitted() -> None:
    assert fitted("abc", 5) == "abc  "
    assert fitted("abcdef", 5) == "abcd…"
    assert fitted("two\nlines", 9) == "two lines"
    started = time.perf_counter()
    assert len(fitted("x" * 100_000, 10)) == 10
    assert time.perf_counter() - started < 5
