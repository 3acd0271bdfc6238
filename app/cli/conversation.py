"""The service, open between the questions of one command: asked and answered by turns."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import TypeVar

from app import logs
from app.cli.endings import Terminated
from app.cli.output import note
from app.cli.running import actor
from app.service import Service, open_service
from app.settings import load_settings

T = TypeVar("T")

_NOW_AND_THEN = 0.5
"""Seconds."""


@dataclass(frozen=True)
class Conversation:
    service: Service
    _runner: asyncio.Runner

    def wait(self, work: Callable[[Service], Awaitable[T]]) -> T:
        """Do something with the service. ctrl+c and SIGTERM cancel it, which parks a running attempt."""
        try:
            return self._runner.run(_cancelled_by_term(work(self.service)))
        except asyncio.CancelledError:
            raise Terminated from None


@contextlib.contextmanager
def conversation() -> Iterator[Conversation]:
    """While a question waits for an answer nothing runs, and ctrl+c or SIGTERM end the waiting."""
    settings = load_settings(os.environ)
    with heeding_signals(), logs.kept(settings.log_file) as log, asyncio.Runner() as runner:
        service = open_service(settings, actor())
        try:
            if service.first_start_notice:
                note(service.first_start_notice)
            yield Conversation(service, runner)
        except Exception as error:
            if log.written:
                error.add_note(f"Details are in {log.path}")
            raise
        finally:
            runner.run(service.aclose())


@contextlib.contextmanager
def heeding_signals() -> Iterator[None]:
    """A signal that comes just before the waiting for a line begins would be heeded only once a key is pressed.

    So the waiting is interrupted now and then, which a person does not notice.
    """
    former = signal.signal(signal.SIGTERM, _terminated), signal.signal(signal.SIGALRM, lambda number, frame: None)
    signal.setitimer(signal.ITIMER_REAL, _NOW_AND_THEN, _NOW_AND_THEN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGTERM, former[0])
        signal.signal(signal.SIGALRM, former[1])


async def _cancelled_by_term(work: Awaitable[T]) -> T:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await work
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, _terminated)


def _terminated(number: int, frame: FrameType | None) -> None:
    raise Terminated
