"""A program in a real terminal: a pty that answers like a current one, time-stamps what comes, and shows the screen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import pyte

# What Textual asks at the start, and what a current terminal answers.
_ANSWERS = {
    b"\x1b[?2026$p": b"\x1b[?2026;2$y",  # synchronised output: known, off
    b"\x1b[?2048$p": b"\x1b[?2048;0$y",  # resize reports in band: unknown
    b"\x1b[c": b"\x1b[?62;22c",
}

# pyte knows no such parameters and would show the rest of the sequence.
_UNKNOWN = re.compile(rb"\x1b\[[<=>][0-9;]*[A-Za-z]")


class Terminal:
    """Runs one program until the block ends; `chunks` is what it wrote, each with the seconds since its start."""

    def __init__(
        self, arguments: Sequence[str], environ: Mapping[str, str], *, columns: int = 80, rows: int = 24
    ) -> None:
        self._arguments = list(arguments)
        self._environ = {**environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self.columns, self.rows = columns, rows
        self.chunks: list[tuple[float, bytes]] = []
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._fed = 0
        self._status: int | None = None

    def __enter__(self) -> Self:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows, self.columns, 0, 0))
        self._start = time.perf_counter()
        self.pid = self._begin(slave)
        os.close(slave)
        return self

    def _begin(self, slave: int) -> int:
        # The leader of a new session gets the first terminal that it opens for its own.
        opened = (os.POSIX_SPAWN_OPEN, 0, os.ttyname(slave), os.O_RDWR, 0)
        copies = [(os.POSIX_SPAWN_DUP2, 0, number) for number in (1, 2)]
        return os.posix_spawn(
            self._arguments[0], self._arguments, self._environ, file_actions=[opened, *copies], setsid=True
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._master)

    def poll(self) -> int | None:
        """The exit status, as subprocess counts it; None while it runs."""
        if self._status is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status

    def send(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def read(self, seconds: float) -> bool:
        """Wait for one chunk; False when none came in time, or the program has closed its terminal."""
        ready, _, _ = select.select([self._master], [], [], seconds)
        if not ready:
            return False
        try:
            chunk = os.read(self._master, 1 << 16)
        except OSError:  # EIO: the other side is closed
            return False
        self.chunks.append((time.perf_counter() - self._start, chunk))
        for question, answer in _ANSWERS.items():
            if question in chunk:
                self.send(answer)
        return bool(chunk)

    def read_until_quiet(self, seconds: float, *, at_most: float) -> None:
        """Read on until nothing came for so long."""
        end = time.monotonic() + at_most
        while self.read(seconds) and time.monotonic() < end:
            pass

    def read_past(self, mark: bytes, *, at_most: float) -> None:
        """Read on until it wrote these bytes; cheaper than looking at the screen."""
        end = time.monotonic() + at_most
        tail = b""
        while mark not in tail and time.monotonic() < end and self.read(at_most):
            tail = tail[-len(mark) :] + self.chunks[-1][1]

    def moment(self, number: int) -> float:
        """When a chunk came, by `time.perf_counter`."""
        return self._start + self.chunks[number][0]

    def display(self) -> list[str]:
        """The lines of the screen, after all that was read."""
        self._feed(len(self.chunks))
        return list(self._screen.display)

    def wait_for(self, text: str, *, within: float = 60.0) -> str:
        """Read on until the screen shows the text; the screen. Raises AssertionError when it does not, or it ends."""
        end = time.monotonic() + within
        while not self.shows(text):
            if time.monotonic() > end or (not self.read(0.5) and self.poll() is not None and not self.read(0)):
                raise AssertionError(f"the screen never showed {text!r}:\n" + "\n".join(self.display()))
        return "\n".join(self.display())

    def shows(self, *texts: str) -> bool:
        shown = "\n".join(self.display())
        return all(text in shown for text in texts)

    def milliseconds_until(self, *texts: str) -> float | None:
        """Replay what came: after which chunk all the texts can be read, in milliseconds since the start."""
        screen = pyte.Screen(self.columns, self.rows)
        stream = pyte.ByteStream(screen)
        for moment, chunk in self.chunks:
            stream.feed(_UNKNOWN.sub(b"", chunk))
            shown = "\n".join(screen.display)
            if all(text in shown for text in texts):
                return moment * 1000
        return None

    def wait(self, within: float = 60.0) -> int:
        """Read on until the program ends, so that it can't be stuck on a full terminal; its exit status."""
        end = time.monotonic() + within
        while (status := self.poll()) is None:
            if time.monotonic() > end:
                raise AssertionError("it does not end:\n" + "\n".join(self.display()))
            self.read(0.05)
        while self.read(0):
            pass
        return status

    def _feed(self, count: int) -> None:
        for _, chunk in self.chunks[self._fed : count]:
            self._stream.feed(_UNKNOWN.sub(b"", chunk))
        self._fed = count
