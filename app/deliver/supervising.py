"""A program as our child: started anew, or told by a signal, whenever what it was given has changed.

Signals are blocked and waited for, so none is lost between two looks. Those that a terminal sends go to the program by
themselves, since both are in its foreground; those that a process sends us are passed on.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

_PASSED_ON = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)
_ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP}
# Python ignores these, and a program would inherit that.
_AS_USUAL = (signal.SIGPIPE, signal.SIGXFSZ)

Environment = Mapping[bytes, bytes]


@dataclass(frozen=True)
class Orders:
    """`changed` is asked every `every` seconds and answers with a new environment when the program is to know of one.

    `tell_by`: a signal that tells the program, None starts it anew: TERM, `grace` seconds, KILL.
    """

    program: Sequence[str]
    changed: Callable[[], Environment | None]
    tell_by: int | None = None
    grace: float = 10.0
    every: float = 0.25
    say: Callable[[str], None] = field(default=lambda text: None)


def supervise(orders: Orders, environment: Environment) -> int:
    """Start the program, and return its exit code when it ends by itself: 128+n when signal n ended it.

    Raises OSError or ValueError when it cannot be started.
    """
    heeded = {number for number in _PASSED_ON if signal.getsignal(number) is not signal.SIG_IGN}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*heeded, signal.SIGCHLD})
    try:
        return _Watched(orders, heeded | {signal.SIGCHLD}, before).run(environment)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass
class _Watched:
    orders: Orders
    waited_for: set[signal.Signals]
    mask: set[int | signal.Signals]
    """The program's signal mask: ours before anything was blocked."""
    pid: int = 0
    ending: bool = False
    """Somebody asked the program to end; it is not started again."""

    def run(self, environment: Environment) -> int:
        self._start(environment)
        while (status := self._status()) is None:
            if self._next_signal(self.orders.every) is None:
                fresh = self.orders.changed()
                if fresh is not None and (code := self._tell(fresh)) is not None:
                    return code
        return _code(status)

    def _start(self, environment: Environment) -> None:
        program = list(self.orders.program)
        self.pid = os.posix_spawnp(program[0], program, environment, setsigmask=self.mask, setsigdef=_AS_USUAL)

    def _tell(self, environment: Environment) -> int | None:
        """The exit code when the program ended and is not to be started again."""
        if self.orders.tell_by is not None:
            self.orders.say(f"values have changed: {signal.Signals(self.orders.tell_by).name} to the program")
            os.kill(self.pid, self.orders.tell_by)
            return None
        self.orders.say("values have changed: starting the program anew")
        status = self._end()
        if self.ending:
            return _code(status)
        self._start(environment)
        return None

    def _end(self) -> int:
        os.kill(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + self.orders.grace
        while (status := self._status()) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                self.orders.say(f"it did not end within {self.orders.grace:g} s: KILL")
                os.kill(self.pid, signal.SIGKILL)
                return os.waitpid(self.pid, 0)[1]
            self._next_signal(left)
        return status

    def _status(self) -> int | None:
        """How the program ended; None while it runs, and while it is stopped."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return status if pid else None

    def _next_signal(self, seconds: float) -> int | None:
        """Wait for one and pass it on; None when there was none."""
        came = signal.sigtimedwait(self.waited_for, seconds)
        if came is None:
            return None
        number = signal.Signals(came.si_signo)
        if number != signal.SIGCHLD:
            self.ending = self.ending or number in _ENDING
            if came.si_code <= 0:  # a process sent it; what the terminal sends, the program has got as well
                os.kill(self.pid, number)
        return number


def _code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
