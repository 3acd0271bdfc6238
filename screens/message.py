"""One message that fills the screen: the store cannot be opened, or it has just been created."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from screens.leaving import LeftOnce
from screens.text import one_line, plain
from screens.widgets.bars import TitleBar, rule

_SCROLLING = {"up", "down", "pageup", "pagedown", "home", "end"}


class MessageScreen(LeftOnce[None]):
    """Dismissed by any key that doesn't scroll. `foot` says what a key does."""

    CSS_PATH = "message.tcss"
    NAVIGATES: ClassVar[bool] = False

    def __init__(self, title: str, message: str, remedy: str = "", *, foot: str, style: str = "") -> None:
        super().__init__()
        self._heading, self._message, self._remedy = title, message, remedy
        self._foot, self._style = foot, style

    def compose(self) -> ComposeResult:
        yield TitleBar()
        with VerticalScroll():
            parts = [plain(one_line(self._heading), f"bold {self._style}"), plain(self._message)]
            yield Static(Content("\n\n").join([*parts, plain(self._remedy)] if self._remedy else parts))
        yield rule()
        yield Static(plain(self._foot), classes="key-bar")

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.height < 16, "-tiny")

    def on_key(self, event: events.Key) -> None:
        if event.key not in _SCROLLING:
            event.stop()
            self.dismiss(None)

    def on_click(self) -> None:
        self.dismiss(None)
