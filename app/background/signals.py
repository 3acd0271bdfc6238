"""Signals: the first to end lets running attempts finish, a further one parks them; SIGHUP reloads."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable

from app.background.log_lines import tell

_ENDING = (signal.SIGTERM, signal.SIGINT)


class Stopping:
    """`on_stop` is called at the first signal."""

    def __init__(self, on_stop: Callable[[], None] = lambda: None) -> None:
        self.event = asyncio.Event()
        self.work: asyncio.Task[int | None] | None = None
        self.once = False
        self._on_stop = on_stop
        self._session = asyncio.current_task()

    def listen(self, reload: Callable[[], None] | None = None) -> None:
        """A hang-up reloads where there is something to reload, and no terminal that could have been hung up."""
        loop = asyncio.get_running_loop()
        for number in _ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:  # jobs in the background
                loop.add_signal_handler(number, self._on_signal, number)
        if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # nohup
            return
        if reload is None or (sys.stdin is not None and sys.stdin.isatty()):
            loop.add_signal_handler(signal.SIGHUP, self._on_signal, signal.SIGHUP)
        else:
            loop.add_signal_handler(signal.SIGHUP, reload)

    def _on_signal(self, number: signal.Signals) -> None:
        again = self.event.is_set()
        tell("stopping", signal=number.name, running="parked" if again else "finished first")
        self.event.set()
        if again:
            for task in asyncio.all_tasks() - {self._session, self.work}:
                task.cancel()
            return
        self._on_stop()
        if self.work is not None and self.once:
            self.work.cancel()
