"""A word on the screen, whichever it is, when work that a person began here ends and its window was left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import App

from screens.progress import ProgressScreen, outcome
from screens.text import one_line

if TYPE_CHECKING:
    from screens.desk import Desk, Work


def tell_endings(app: App[int], desk: Desk) -> None:
    """From now on."""

    def tell(work: Work) -> None:
        watched = any(isinstance(screen, ProgressScreen) and screen.shows(work) for screen in app.screen_stack)
        if work.running or not work.by_hand or watched:
            return
        failed = work.error is not None
        text = one_line(f"{work.name}: {outcome(work)}")
        app.notify(text, severity="error" if failed else "information", timeout=20 if failed else 8)

    desk.moved.subscribe(app, tell)
