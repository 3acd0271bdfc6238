"""One row of a form."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Static

from screens import look
from screens.text import one_line, plain, visible


class Field(Vertical):
    """A label, a compact control beside it, and below it one line for an error. `help` is for the screen to show.

    The control keeps its own id; the row is found by the field's key: `row.key`.
    """

    def __init__(
        self,
        label: str,
        control: Widget,
        *,
        key: str = "",
        help: str = "",  # noqa: A002 - what a field's explanation is called everywhere
        unit: str = "",
        id: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(id=id, classes="field")
        self.key = key
        self.label = label
        self.help = help
        self.control = control
        self._unit = unit
        self._error = ""
        self._error_line = Static(classes="field--error")

    @property
    def error(self) -> str:
        """What is wrong with the field; empty shows nothing."""
        return self._error

    @error.setter
    def error(self, text: str) -> None:
        if text == self._error:
            return
        self._error = text
        self.set_class(bool(text), "-invalid")
        self.control.set_class(bool(text), "-invalid")
        self._error_line.update(plain(f"{look.glyphs().warning} {one_line(text)}") if text else "")

    def compose(self) -> ComposeResult:
        with Horizontal(classes="field--row"):
            yield Static(plain(self.label), classes="field--label")
            yield self.control
            if self._unit:
                yield Static(plain(visible(self._unit)), classes="field--unit")
        yield self._error_line
