"""The smallest Textual application with one table, the floor under every frame; its argument: how many rows."""

from __future__ import annotations

import sys

from textual.app import App, ComposeResult
from textual.widgets import DataTable


class Smallest(App[None]):
    """Shows its rows and nothing else: a screenful at once, the rest when that can be seen."""

    def compose(self) -> ComposeResult:
        yield DataTable(cursor_type="row")

    def on_mount(self) -> None:
        table = self.query_one(DataTable)
        table.add_columns("name", "value")
        self._add(0, 50)
        self.call_after_refresh(self._add, 50, int(sys.argv[1]))

    def _add(self, start: int, end: int) -> None:
        self.query_one(DataTable).add_rows((f"row-{number:05}", "value") for number in range(start, end))


if __name__ == "__main__":
    Smallest().run()
