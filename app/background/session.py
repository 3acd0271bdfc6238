"""The loop from its start to its end, with all that serves it beside it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any

from app import __version__, logs
from app.background.log_lines import Names, tell
from app.background.notify import notifier, watchdog_seconds
from app.background.pulse import Pulse
from app.background.reload import Live, reload_on
from app.background.signals import Stopping
from app.background.watching import Watching
from app.errors import EXIT_FAILED
from app.rotation.scheduler import Scheduler
from app.service import Service, open_service
from app.settings import Settings
from app.settings.model import Declared
from app.views import Progress
from store import users
from store.errors import StoreError

ACTOR = "scheduler"
Beside = Callable[[Service, asyncio.Event], contextlib.AbstractAsyncContextManager[object]]
"""What goes on beside the loop; it is told when a signal came, and ended after the loop."""


async def once(settings: Settings, declared: Declared) -> int:
    """Run what is due now; the exit code. Raises StoreError."""
    stopping = Stopping()
    stopping.listen()
    async with _service(settings, declared, once=True) as service:
        names = Names()
        scheduler = _scheduler(service, declared, names)
        stopping.once = True
        return await _until_told(scheduler.run_once(), stopping)


@contextlib.asynccontextmanager
async def _nothing(service: Service, stopping: asyncio.Event) -> AsyncIterator[None]:
    yield


async def until_stopped(
    settings: Settings, declared: Declared, flags: Mapping[str, Any], lines: logs.Lines, beside: Beside = _nothing
) -> int:
    """Run until a signal ends it; the exit code. Raises StoreError, and Unusable for the metrics' address.

    `flags`: what was given on the command line; it stays above the file at every reload.
    """
    pulse = Pulse(notifier(os.environ), watchdog_seconds(os.environ))
    stopping = Stopping(pulse.stop)
    hung_up = asyncio.Event()
    stopping.listen(hung_up.set)
    async with _service(settings, declared, once=False) as service:
        _tell_others(service)
        watching = Watching(service, pulse)
        scheduler = _scheduler(service, declared, Names(), watching)
        scheduler.on_turn = pulse.turn
        async with (
            watching.going_on(declared),
            reload_on(hung_up, Live(declared, flags, lines, service.store, scheduler, watching)),
            beside(service, stopping.event),
        ):
            return await _until_told(scheduler.run(stopping.event), stopping)


@contextlib.asynccontextmanager
async def _service(settings: Settings, declared: Declared, *, once: bool) -> AsyncIterator[Service]:
    service = open_service(settings, ACTOR)
    try:
        if notice := service.first_start_notice:
            tell("first start", message=" ".join(notice.split()))
        tell("started", store=service.store.location, concurrency=declared.concurrency, once=once, version=__version__)
        yield service
    finally:
        await service.aclose()
        tell("stopped")


def _tell_others(service: Service) -> None:
    """Nobody should take a second loop for a mistake. Those that run already are not told."""
    try:
        others = users.others(service.store)
    except (StoreError, OSError):
        return  # the loop says so by itself
    if others:
        fine = "another loop or terminal interface may work on this store, that is fine: each due rotation runs once"
        tell("not alone", others=", ".join(others), message=fine)


def _scheduler(service: Service, declared: Declared, names: Names, watching: Watching | None = None) -> Scheduler:
    def step(progress: Progress) -> None:
        names.step(progress)
        if watching is not None:
            watching.step(progress)

    def outcome(rotation_id: str, error: str | None) -> None:
        result = names.outcome(rotation_id, error)
        if watching is not None:
            watching.outcome(rotation_id, result)

    return service.scheduler(
        concurrency=declared.concurrency,
        checkup_hours=declared.checkup_hours,
        park_seconds=declared.park_seconds,
        deliveries_days=declared.deliveries_days,
        listener=step,
        on_outcome=outcome,
    )


async def _until_told(work: Coroutine[Any, Any, int | None], stopping: Stopping) -> int:
    """The exit code: failed when a number says that some did."""
    stopping.work = asyncio.create_task(work)
    if stopping.once and stopping.event.is_set():
        stopping.work.cancel()
    try:
        return EXIT_FAILED if await stopping.work else 0
    except asyncio.CancelledError:
        return 0  # a signal came; what was running has finished or is parked
