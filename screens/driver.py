"""The way to the terminal and from it, which never stops the program.

Textual's own writer blocks the event loop when the terminal takes nothing more (a laptop that sleeps at the other end
of an SSH line), and for ever when the line has dropped. The background loop lives in that event loop: rotations must
go on, and a dropped line must end the program. Its reader ends the program at a byte that is no UTF-8: an umlaut from a
terminal with an older encoding, or noise on the line.
"""

from __future__ import annotations

import codecs
import contextlib
import locale
import os
import re
import select
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import IO

from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

MOST_WAITING = 1_000_000
"""Characters that wait for the terminal at the most; then they are dropped, and all is drawn again later."""
ESCAPE_WAITS = 0.1
"""How often to look whether an escape stands alone, in seconds."""
LAST_WORDS = 3.0
_MOUSE = re.compile(r"\x1b\[<[-\d.;Na]*[Mm]")
_WHOLE = re.compile(r"\x1b\[<\d+;-?\d+;-?\d+[Mm]")
"""Mouse reports, and those that Textual can read: some terminals send NaN, which would swallow the keys after it."""
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


class Intake:
    """Makes keys and other events of the bytes that a terminal sends, whatever they are."""

    def __init__(self, encoding: str) -> None:
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        self._parser = XTermParser()

    def feed(self, data: bytes) -> Iterable[Message]:
        text = _MOUSE.sub(lambda found: found[0] if _WHOLE.fullmatch(found[0]) else "", self._decoder.decode(data))
        yield from self._each(lambda: self._parser.feed(text) if text else ())

    def tick(self) -> Iterable[Message]:
        """What was waited for does not come: escape was the key, and no beginning of a sequence."""
        yield from self._each(self._parser.tick)

    def _each(self, events: Callable[[], Iterable[Message]]) -> Iterable[Message]:
        try:
            yield from events()
        except (ValueError, OverflowError, ParseError):  # a sequence that no terminal sends
            self._parser = XTermParser()


def typed_encoding() -> str:
    """What the terminal sends; a locale that names ASCII says nothing about it."""
    found = codecs.lookup(locale.getencoding()).name
    return "utf-8" if found == "ascii" else found


class TerminalDriver(LinuxDriver):
    """Textual's driver, behind an Outlet and an Intake."""

    def start_application_mode(self) -> None:
        assert sys.__stderr__ is not None
        self._outlet = Outlet(sys.__stderr__, lambda: self._app.call_later(self._app.refresh, layout=True))
        self._file = self._outlet  # type: ignore[assignment]
        super().start_application_mode()  # type: ignore[no-untyped-call]

    def _sigtstp_application(self, *_: object) -> None:
        """In the event loop's turn: a signal comes in the middle of anything, the writing of a line included."""
        self._loop.call_soon_threadsafe(super()._sigtstp_application)

    def _sigcont_application(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._continue)

    def _continue(self) -> None:
        """Who was asked to stop has left the terminal. SIGSTOP asks nobody: what had the terminal meanwhile may have
        changed it, and to begin a second time without leaving would take what we made of it for what it was before.
        """
        if self._auto_restart and self._writer_thread is not None and self._writer_thread.is_alive():
            self.suspend_application_mode()
            self._must_signal_resume = True
        if self._must_signal_resume:
            super()._sigcont_application()
            self._app.call_later(self._app.refresh, layout=True)  # the terminal comes back empty

    def run_input_thread(self) -> None:
        """Until the end, or until there is nobody any more to send anything."""
        intake = Intake(typed_encoding())
        while not self.exit_event.is_set():
            data = None
            if select.select([self.fileno], [], [], ESCAPE_WAITS)[0]:
                try:
                    data = os.read(self.fileno, 4096)
                except OSError:
                    data = b""
                if not data:
                    self._app.call_later(self._app.exit, return_code=128 + signal.SIGHUP)
                    return
            for event in (*(intake.feed(data) if data else ()), *intake.tick()):
                self.process_message(event)

    def use_mouse(self, wanted: bool) -> None:
        """From now on. Without it the terminal itself selects text with the mouse."""
        if wanted is not self._mouse:
            if not wanted:
                self._disable_mouse_support()
            self._mouse = wanted
            self._enable_mouse_support()

    def _get_terminal_size(self) -> tuple[int, int]:
        """What the terminal says: COLUMNS and LINES, which Textual asks first, never change with the window."""
        for descriptor in (self.fileno, self._outlet.fileno()):
            with contextlib.suppress(OSError, ValueError):
                columns, rows = os.get_terminal_size(descriptor)
                if columns and rows:
                    return columns, rows
        return super()._get_terminal_size()

    def stop_application_mode(self) -> None:
        self._outlet.drop()
        super().stop_application_mode()

    def close(self) -> None:
        super().close()
        self._outlet.close()
