"""Leaving a screen, once. Two hasty keys leave it twice, for which Textual 8 ends the program."""

from __future__ import annotations

from typing import TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import Screen

Result = TypeVar("Result")


class LeftOnce(Screen[Result]):
    """Stands behind ModalScreen in a list of bases: Textual takes the style of the first one alone."""

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        """With whatever was opened above it; nothing happens when it was left before."""
        stack = self.app.screen_stack
        if self not in stack:
            return AwaitComplete()
        for above in reversed(stack[stack.index(self) + 1 :]):  # Textual's own way of it leaves the topmost one instead
            above.dismiss()
        for waiting in self._result_callbacks[-1:]:
            if waiting.future is not None and waiting.future.done():  # who waited has given up
                waiting.future = None
        return super().dismiss(result)
