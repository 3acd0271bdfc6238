"""What cannot be undone wants the name of what it is done to typed."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input

from screens.leaving import LeftOnce
from screens.text import one_line
from screens.widgets.controls import Line, Push
from screens.widgets.field import Field

Result = TypeVar("Result")


class ByName(ModalScreen[Result | None], LeftOnce[Result | None], Generic[Result]):
    """Dismissed with `answer()` once the name stands in the field, with None when it is left."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Leave it", show=False),
        # Before any widget: a letter that follows in the same burst must not reach the field that was left.
        Binding("up", "app.focus_previous", "Previous", show=False, priority=True),
        Binding("down", "app.focus_next", "Next", show=False, priority=True),
    ]

    def __init__(self, name: str, title: str, *, yes: str, no: str) -> None:
        """`yes` and `no` are the buttons."""
        super().__init__()
        self._wanted, self._heading, self._yes, self._no = name, title, yes, no
        self._line = Line()
        self._field = Field("Type its name to confirm", self._line)

    def about(self) -> ComposeResult:
        """What will happen, and what there is to choose."""
        raise NotImplementedError

    def answer(self) -> Result:
        """What was chosen."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog", can_focus=False) as box:
            box.border_title = Content(one_line(self._heading))
            yield from self.about()
            yield self._field
            with Horizontal(classes="dialog--buttons"):
                yield Push(self._yes, "yes")
                yield Push(self._no, "no")

    def on_mount(self) -> None:
        self._line.focus()

    @on(Input.Changed)
    def _typed(self) -> None:
        self._field.error = ""

    @on(Input.Submitted)
    @on(Button.Pressed, "#yes")
    def _confirmed(self) -> None:
        if self._line.value.strip() != self._wanted:
            self._field.error = f"type exactly: {self._wanted}"
            self._line.focus()
            return
        self.dismiss(self.answer())

    @on(Button.Pressed, "#no")
    def action_cancel(self) -> None:
        self.dismiss(None)
