"""Whether the loop turns, and what systemd is told of that."""

from __future__ import annotations

import time
from dataclasses import dataclass

from app.background.notify import Notify

STALLED_AFTER = 20.0
"""Seconds without a turn; while the store answers, the loop turns at least every half second."""
_TURN = 0.5


@dataclass
class Pulse:
    """Written by the loop, read from any thread. `watchdog`: seconds within which systemd wants to hear of us."""

    notify: Notify | None = None
    watchdog: float | None = None
    stopping: bool = False
    trouble: str = "the loop has not begun yet"
    _turned_at: float | None = None
    _told_at: float = 0.0

    def turn(self, trouble: str) -> None:
        """The loop has turned; `trouble`: what is wrong with the store, empty while nothing is."""
        now = time.monotonic()
        first, self._turned_at, self.trouble = self._turned_at is None, now, trouble
        if self.notify is None:
            return
        if first:
            self.notify("READY=1")
        if self.watchdog is not None and now - self._told_at + _TURN >= self.watchdog / 2:
            self._told_at = now
            self.notify("WATCHDOG=1")

    def stop(self) -> None:
        self.stopping = True
        if self.notify is not None:
            self.notify("STOPPING=1", "STATUS=Stopping: what is running finishes first.")

    def age(self) -> float:
        """Seconds since the last turn; 0 before the first one."""
        return 0.0 if self._turned_at is None else time.monotonic() - self._turned_at

    def illness(self) -> str:
        """Why the loop is not well; empty when it is."""
        if self.stopping:
            return "the loop is being stopped"
        if (age := self.age()) > STALLED_AFTER:
            return f"the loop has not turned for {age:.0f} s"
        return self.trouble
