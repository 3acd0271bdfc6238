"""The smallest Textual application with one table: the floor under every first frame."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.widgets import DataTable

ROWS = 20


class Smallest(App[None]):
    """Shows a screenful of rows and nothing else."""

    def compose(self) -> ComposeResult:
        yield DataTable()

    def on_mount(self) -> None:
        table = self.query_one(DataTable)
        table.add_columns("name", "value")
        table.add_rows((f"row-{number:02}", "value") for number in range(ROWS))


if __name__ == "__main__":
    Smallest().run()
