"""A question with more answers than yes and no."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from screens.leaving import LeftOnce
from screens.text import one_line, plain
from screens.widgets.controls import Push


class Question(ModalScreen[str], LeftOnce[str]):
    """Dismissed with the id of the answer, with "" on escape. The first answer has the focus."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "none", "Cancel", show=False),
        Binding("left", "app.focus_previous", "Previous", show=False),
        Binding("right", "app.focus_next", "Next", show=False),
    ]

    def __init__(self, title: str, text: str, answers: Sequence[tuple[str, str]]) -> None:
        """`answers` are (id, label)."""
        super().__init__()
        self._heading, self._text, self._answers = title, text, answers

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog", can_focus=False) as box:
            box.border_title = Content(one_line(self._heading))
            yield Static(plain(self._text), classes="dialog--text")
            with Horizontal(classes="dialog--buttons"):
                for key, label in self._answers:
                    yield Push(label, key)

    @on(Button.Pressed)
    def _answered(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id or "")

    def action_none(self) -> None:
        self.dismiss("")
