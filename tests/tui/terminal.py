"""A real process in a real terminal of our own, read back through pyte."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import pyte

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0
KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "tab": "\t",
    "ctrl+c": "\x03",
    "ctrl+q": "\x11",
}

RUN = """
import sys
from app.settings import load_settings
from app.tui import run_tui
import os
sys.exit(run_tui(load_settings(os.environ), first_start_notice=False))
"""
"""What `keyturn` without arguments does."""


class Terminal:
    """Starts Python code with our terminal as its standard streams."""

    def __init__(
        self, code: str = RUN, *, size: tuple[int, int] = (80, 24), environ: Mapping[str, str] | None = None
    ) -> None:
        self.columns, self.lines = size
        self._screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self._screen)
        self.output = b""
        self._ours, self._theirs = pty.openpty()
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", self.lines, self.columns, 0, 0))
        self.before = termios.tcgetattr(self._theirs)
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", **(environ or {})},
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - a controlling terminal is what SIGHUP comes from
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.hang_up()
        os.close(self._theirs)

    def hang_up(self) -> None:
        """Close our side: the line drops."""
        if self._ours >= 0:
            os.close(self._ours)
            self._ours = -1

    @property
    def text(self) -> str:
        return "\n".join(self._screen.display)

    def sees(self, *texts: str) -> None:
        """Wait until all of them are on the screen."""
        deadline = time.monotonic() + PATIENCE
        while missing := [text for text in texts if text not in self.text]:
            if time.monotonic() > deadline or (not self._read(0.1) and self.process.poll() is not None):
                raise AssertionError(f"waited in vain for {missing} in\n{self.text}\n{self.output[-2000:]!r}")

    def press(self, *keys: str) -> None:
        for key in keys:
            os.write(self._ours, KEYS.get(key, key).encode())

    def ends(self) -> int:
        """Wait for the process; its exit code."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"it goes on\n{self.text}")
            if self._ours >= 0:
                self._read(0.05)
            else:
                time.sleep(0.01)
        while self._ours >= 0 and self._read(0.05):
            pass
        return self.process.returncode

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    @property
    def restored(self) -> bool:
        """Whether line editing is as before, and the alternate screen and the mouse reports are off."""
        modes = all(_last(self.output, on) < _last(self.output, off) for on, off in _MODES)
        return modes and termios.tcgetattr(self._theirs)[:4] == self.before[:4]

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], seconds)
        if not ready:
            return False
        with contextlib.suppress(OSError):
            data = os.read(self._ours, 65536)
            self.output += data
            with contextlib.suppress(Exception):  # pyte does not know every sequence
                self._stream.feed(data)
            return bool(data)
        return False


_MODES = ((b"\x1b[?1049h", b"\x1b[?1049l"), (b"\x1b[?1003h", b"\x1b[?1003l"), (b"\x1b[?25l", b"\x1b[?25h"))


def _last(data: bytes, sequence: bytes) -> int:
    return data.rfind(sequence)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@contextlib.contextmanager
def terminal(
    code: str = RUN, *, size: tuple[int, int] = (80, 24), environ: Mapping[str, str] | None = None
) -> Iterator[Terminal]:
    with Terminal(code, size=size, environ=environ) as started:
        yield started
