"""The program as a child process that dies, or sleeps, where it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PROGRAM = (sys.executable, "-P", "-m", "app")
LEASE_SECONDS = 1.0
PATIENCE = 60.0
"""How long a child may take for anything, in seconds. A child that takes longer has failed the drill."""

_POLL = 0.005
_SCREEN = (40, 120)
_TAIL = 3


class Stuck(Exception):
    """A child did not do in time what it had to do."""


@dataclass
class Child:
    """`output` is where its standard output and error go."""

    process: subprocess.Popen[bytes] = field(repr=False)
    output: Path

    async def ended(self) -> int:
        """Its exit code; that of a signal is negative. Raises Stuck."""
        await self._until(lambda: self.code is not None, "did not end")
        assert self.code is not None
        return self.code

    async def suspended(self) -> bool:
        """Whether it stopped itself before it ended. Raises Stuck."""
        stopped = False

        def look() -> bool:
            nonlocal stopped
            stopped = self._wait() == signal.SIGSTOP
            return stopped or self.code is not None

        await self._until(look, "was not suspended")
        return stopped

    def wake(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def dispose(self) -> None:
        """Kill it if it still lives."""
        if self.code is None:
            self.process.kill()
            await self.ended()

    @property
    def code(self) -> int | None:
        if self.process.returncode is None:
            self._wait()
        return self.process.returncode

    def tail(self) -> str:
        """The last words it said."""
        text = self.output.read_text(errors="replace") if self.output.exists() else ""
        return " / ".join(line.strip() for line in text.splitlines()[-_TAIL:])

    def _wait(self) -> int | None:
        """The signal that stopped it just now, if one did. An end is noted where subprocess would look for it."""
        if self.process.returncode is not None:
            return None
        ended, status = os.waitpid(self.process.pid, os.WNOHANG | os.WUNTRACED)
        if ended and os.WIFSTOPPED(status):
            return os.WSTOPSIG(status)
        if ended:
            self.process.returncode = os.waitstatus_to_exitcode(status)
        return None

    async def _until(self, happened: Callable[[], bool], complaint: str) -> None:
        give_up_at = time.monotonic() + PATIENCE
        while not happened():
            if time.monotonic() > give_up_at:
                raise Stuck(f"the process {complaint} within {PATIENCE:.0f} s: {self.tail()}")
            await asyncio.sleep(_POLL)


@dataclass(frozen=True)
class Program:
    """How `keyturn` is called. `home` is its KEYTURN_HOME; nothing else of the caller's settings reaches it."""

    home: Path
    argv: Sequence[str] = PROGRAM

    def start(self, words: Sequence[str], failpoint: str = "", *, terminal: bool = False) -> Child:
        output = self.home / f"output-{time.monotonic_ns()}"
        environ = _environ(self.home, failpoint)
        command = [*self.argv, *words]
        if terminal:
            return Child(_on_terminal(command, environ, output), output)
        with output.open("wb") as out:
            process = subprocess.Popen(
                command,
                env=environ,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,  # ctrl+c is for the drill: it ends its children itself
            )
        return Child(process, output)


def _environ(home: Path, failpoint: str) -> Mapping[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KEYTURN_")}
    armed = {"KEYTURN_FAILPOINT": failpoint} if failpoint else {}
    return {**inherited, "KEYTURN_HOME": str(home), "KEYTURN_LEASE_SECONDS": str(LEASE_SECONDS), **armed}


def _on_terminal(command: Sequence[str], environ: Mapping[str, str], output: Path) -> subprocess.Popen[bytes]:
    """On a terminal of its own, whose screen nobody looks at."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, _SCREEN)
    try:
        process = subprocess.Popen(
            command,
            env={**environ, "TERM": "xterm-256color"},
            cwd=output.parent,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    threading.Thread(target=_drain, args=(ours, output), daemon=True).start()
    return process


def _drain(terminal: int, output: Path) -> None:
    with open(terminal, "rb", buffering=0) as screen, output.open("wb") as kept, contextlib.suppress(OSError):
        while part := screen.read(65536):  # EIO: whoever wrote has ended
            kept.write(part)
