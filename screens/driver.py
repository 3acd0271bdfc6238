"""The way to the terminal, which never stops the program.

Textual's own writer blocks the event loop when the terminal takes nothing more (a laptop that sleeps at the other end
of an SSH line), and for ever when the line has dropped. The background loop lives in that event loop: rotations must
go on, and a dropped line must end the program.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import IO

from textual.drivers.linux_driver import LinuxDriver

MOST_WAITING = 1_000_000
"""Characters that wait for the terminal at the most; then they are dropped, and all is drawn again later."""
LAST_WORDS = 3.0
"""How long leaving waits for the terminal to take what restores it, in seconds."""


class Outlet:
    """Writes to a file in a thread. `write` never blocks and never fails; `behind` is told after something was dropped
    and the file took the rest.
    """

    def __init__(self, file: IO[str], behind: Callable[[], object]) -> None:
        self._file, self._behind = file, behind
        self._waiting: deque[str] = deque()
        self._length = 0
        self._dropped = self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True, name="keyturn-terminal")
        self._thread.start()

    def write(self, text: str) -> int:
        with self._changed:
            if self._length > MOST_WAITING:
                self._drop()
                self._dropped = True
            self._waiting.append(text)
            self._length += len(text)
            self._changed.notify()
        return len(text)

    def drop(self) -> None:
        """Forget what waits: nobody will see it."""
        with self._changed:
            self._drop()

    def flush(self) -> None:
        """The thread does."""

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        """Write what waits, unless the terminal is too slow for it."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(LAST_WORDS)

    def _drop(self) -> None:
        self._waiting.clear()
        self._length = 0

    def _run(self) -> None:
        gone = False
        while (text := self._next()) is not None:
            if gone:
                continue
            try:
                self._file.write(text)
                self._file.flush()
            except (OSError, ValueError):
                gone = True

    def _next(self) -> str | None:
        """What waits longest, whole, so that no sequence is cut; None at the end."""
        with self._changed:
            if not self._waiting and self._dropped:
                self._dropped = False
                self._behind()
            while not self._waiting and not self._closing:
                self._changed.wait()
            if not self._waiting:
                return None
            text = self._waiting.popleft()
            self._length -= len(text)
            return text


class TerminalDriver(LinuxDriver):
    """Textual's driver, behind an Outlet."""

    def start_application_mode(self) -> None:
        assert sys.__stderr__ is not None
        self._outlet = Outlet(sys.__stderr__, lambda: self._app.call_later(self._app.refresh, layout=True))
        self._file = self._outlet  # type: ignore[assignment]
        super().start_application_mode()  # type: ignore[no-untyped-call]

    def stop_application_mode(self) -> None:
        self._outlet.drop()
        super().stop_application_mode()

    def close(self) -> None:
        super().close()
        self._outlet.close()
