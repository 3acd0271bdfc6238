"""Shown instead of garbage while the terminal has no room for a screen."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from screens.leaving import LeftOnce

LEAST_WIDTH, LEAST_HEIGHT = 60, 20


class TooSmallScreen(LeftOnce[None]):
    """What was open stays open behind it."""

    CSS = """
    TooSmallScreen { align: center middle; }
    TooSmallScreen Static { width: auto; max-width: 100%; height: auto; max-height: 100%; text-align: center; }
    """

    NAVIGATES: ClassVar[bool] = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("q", "app.quit", "Quit", show=False)]

    _covered = False

    def compose(self) -> ComposeResult:
        yield Static(_lines(*self.app.size))

    def on_screen_suspend(self) -> None:
        self._covered = True

    def on_screen_resume(self) -> None:
        """What was opened above it is gone; there may be room again by now."""
        if self._covered and not too_small(*self.app.size):
            self.dismiss()

    def on_resize(self, event: events.Resize) -> None:
        self.query_one(Static).update(_lines(*event.size))


def _lines(width: int, height: int) -> Content:
    lines = [f"{width}x{height} is a little small.", f"Keyturn needs {LEAST_WIDTH}x{LEAST_HEIGHT}."]
    if height >= 5:
        lines += ["", "Make the terminal larger to go on,", "or press q to quit."]
    return Content("\n".join(lines))


def too_small(width: int, height: int) -> bool:
    return width < LEAST_WIDTH or height < LEAST_HEIGHT
