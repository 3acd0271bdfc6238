"""The terminal of tests/terminal.py, for people: keys by name, and whether it was left as it was found."""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import termios
import time
from collections.abc import Mapping
from typing import Self

from tests.processes import ForkingTerminal

PATIENCE = 30.0
_KEYS = {"enter": "\r", "escape": "\x1b", "ctrl+q": "\x11"}
_MODES = ((b"\x1b[?1049h", b"\x1b[?1049l"), (b"\x1b[?1003h", b"\x1b[?1003l"), (b"\x1b[?25l", b"\x1b[?25h"))

RUN = """
import os, sys
from app.cli import output
from app.settings import load_settings
from app.tui import run_tui
try:
    sys.exit(run_tui(load_settings(os.environ), first_start_notice=False))
finally:
    output.abandon()
"""
"""What `keyturn` without arguments does."""


class Tty(ForkingTerminal):
    """Runs Python code with this environment, on a terminal that knows Unicode."""

    def __init__(
        self, code: str = RUN, *, size: tuple[int, int] = (80, 24), environ: Mapping[str, str] | None = None
    ) -> None:
        columns, rows = size
        arguments = [sys.executable, "-c", code]
        super().__init__(arguments, os.environ, columns=columns, rows=rows)
        self._environ |= environ or {}

    def __enter__(self) -> Self:
        super().__enter__()
        self._hung_up = False
        return self

    def _begin(self, slave: int) -> int:
        self._lines_before = termios.tcgetattr(slave)[:4]  # once it runs, it changes them at any moment
        return super()._begin(slave)

    @property
    def text(self) -> str:
        return "\n".join(self.display())

    @property
    def output(self) -> bytes:
        return b"".join(chunk for _, chunk in self.chunks)

    def sees(self, *texts: str) -> None:
        """Wait until all of them are on the screen."""
        for text in texts:
            self.wait_for(text, within=PATIENCE)

    def sees_not(self, text: str) -> None:
        """Wait until it is gone."""
        end = time.monotonic() + PATIENCE
        while self.shows(text):
            if time.monotonic() > end:
                raise AssertionError(f"the screen still shows {text!r}:\n{self.text}")
            self.read(0.1)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.send(_KEYS.get(key, key).encode())

    def resize(self, columns: int, rows: int) -> None:
        """The window of the terminal gets another size, of which the program is told."""
        self.columns, self.rows = columns, rows
        self._screen.resize(rows, columns)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def hang_up(self) -> None:
        """The line drops. Nothing can be read any more."""
        os.close(self._master)
        self._master = os.open(os.devnull, os.O_RDWR)
        self._hung_up = True

    def ends(self) -> int:
        """Wait for the end; the exit code."""
        end = time.monotonic() + PATIENCE
        while self._hung_up and self.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        return self.wait(within=PATIENCE)

    @property
    def restored(self) -> bool:
        """Whether lines are edited as before, and the alternate screen and the mouse reports are off."""
        output = self.output
        modes = all(output.rfind(on) < output.rfind(off) for on, off in _MODES)
        return modes and termios.tcgetattr(self._master)[:4] == self._lines_before
