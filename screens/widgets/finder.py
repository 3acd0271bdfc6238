"""The line in which one types what a list is to be narrowed down to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from screens.widgets.controls import Line


class Finder(Horizontal):
    """Hidden until `open`. The keys that follow in the same burst reach its field already.

    Enter and down go back to the list, escape empties it and goes back.
    """

    DEFAULT_CSS = """
    Finder { height: 1; display: none; padding: 0 1; }
    Finder > Static { width: 2; color: $text-accent; }
    Finder > Input { width: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear", "Clear", tooltip="Show everything again", priority=True),
        Binding("enter,down", "done", "To the list", tooltip="Back to the list, narrowed down", priority=True),
    ]

    @dataclass
    class Changed(Message):
        """Something else is looked for."""

        text: str

    def __init__(self, home: Widget, *, placeholder: str) -> None:
        """`home` gets the focus back."""
        super().__init__()
        self._home = home
        self._line = Line(placeholder=placeholder)

    def compose(self) -> ComposeResult:
        yield Static("/", markup=False)
        yield self._line

    @property
    def text(self) -> str:
        return self._line.value.strip()

    def open(self) -> None:
        self.display = True
        self.screen.set_focus(self._line)

    def take(self, event: events.Key) -> bool:
        """What was typed for it, but came to somebody else. Whether it was for it."""
        if event.is_printable and event.character:
            self._line.insert_text_at_cursor(event.character)
        elif event.key in ("enter", "down"):
            self.action_done()
        else:
            return False
        return True

    def clear(self) -> None:
        """Empty it and put it away."""
        self._line.value = ""
        self.action_done()

    def action_clear(self) -> None:
        self.clear()

    def action_done(self) -> None:
        self.screen.set_focus(self._home)
        self.display = bool(self.text)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(self.text))
