"""Waiting for the store after a key: said once it takes a moment, with a way to leave it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, ClassVar, TypeVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from app.errors import KeyturnError
from screens import look
from screens.leaving import LeftOnce
from screens.text import plain
from screens.widgets.controls import Push

T = TypeVar("T")
AT_ONCE = 0.3
"""An answer within so many seconds needs no word about the wait."""


class NotAwaited(KeyturnError):
    """Somebody left before the answer was there."""

    def __init__(self) -> None:
        super().__init__(
            "You did not wait for the store's answer.",
            remedy="What you asked for may yet happen: the page shows what is so, once the store answers.",
        )


async def answer_of(app: App[int], call: Coroutine[Any, Any, T]) -> T:
    """From within a worker. Raises NotAwaited."""
    task = asyncio.ensure_future(call)
    try:
        done, _ = await asyncio.wait([task], timeout=AT_ONCE)
        if not done:
            await app.push_screen_wait(WaitingScreen(task))
            if not task.done():
                raise NotAwaited
        return await task
    finally:
        task.cancel()


class WaitingScreen(ModalScreen[None], LeftOnce[None]):
    """Ends with what is waited for."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Stop waiting", show=False)]

    def __init__(self, awaited: asyncio.Future[Any]) -> None:
        super().__init__()
        self._awaited, self._since = awaited, time.monotonic()
        self._said = Static(classes="dialog--text")

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog", can_focus=False):
            yield self._said
            with Horizontal(classes="dialog--buttons"):
                yield Push("Stop waiting", "leave")

    def on_mount(self) -> None:
        self._look()
        self.set_interval(0.1, self._look)

    def _look(self) -> None:
        if self._awaited.done():
            self.dismiss(None)
            return
        seconds = int(time.monotonic() - self._since)
        g = look.glyphs()
        said = f"{g.busy} waiting for the store{g.ellipsis}{f' {seconds} s' if seconds else ''}"
        self._said.update(plain(said, look.STYLES[look.BUSY]))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.action_leave()

    def action_leave(self) -> None:
        self.dismiss(None)
