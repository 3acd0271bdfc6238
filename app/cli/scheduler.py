"""`keyturn --run-scheduler`: the background loop in the foreground, a log line for each event on standard error."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from argparse import Namespace

from app import __version__, logs
from app.cli.background import LOOP_FLAGS
from app.errors import EXIT_FAILED
from app.rotation.scheduler import Scheduler
from app.service import Service, open_service
from app.settings import Settings, load_settings
from app.settings.check import warnings
from app.settings.file import read_file
from app.settings.loading import load_declared
from app.settings.model import Declared
from app.views import Progress

ACTOR = "scheduler"
_LEVELS = {"started": logging.DEBUG, "failed": logging.WARNING}
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

log = logging.getLogger("keyturn")


def run(args: Namespace) -> int:
    file = read_file(os.environ)
    settings = load_settings(os.environ)
    declared = load_declared(os.environ, {name: getattr(args, name) for name in LOOP_FLAGS}, file)
    with logs.kept(settings.log_file, logs.Lines(declared.log_format, declared.log_level)):
        for warning in warnings(file):
            _tell("settings", level=logging.WARNING, message=warning)
        return asyncio.run(_session(settings, declared, once=args.once))


async def _session(settings: Settings, declared: Declared, *, once: bool) -> int:
    stopping = _Stopping()
    stopping.listen()
    service = open_service(settings, ACTOR)
    try:
        if notice := service.first_start_notice:
            _tell("first start", message=" ".join(notice.split()))
        _tell("started", store=service.store.location, concurrency=declared.concurrency, once=once, version=__version__)
        return await _watched(service, declared, stopping, once=once)
    finally:
        await service.aclose()
        _tell("stopped")


async def _watched(service: Service, declared: Declared, stopping: _Stopping, *, once: bool) -> int:
    names = _Names()
    scheduler = service.scheduler(
        concurrency=declared.concurrency,
        checkup_hours=declared.checkup_hours,
        park_seconds=declared.park_seconds,
        listener=names.step,
        on_outcome=names.outcome,
    )
    work = asyncio.create_task(_once(scheduler) if once else _loop(scheduler, stopping.event))
    stopping.work, stopping.once = work, once
    if once and stopping.event.is_set():
        work.cancel()
    try:
        return await work
    except asyncio.CancelledError:
        return 0  # a signal came; what was running has finished or is parked


async def _once(scheduler: Scheduler) -> int:
    return EXIT_FAILED if await scheduler.run_once() else 0


async def _loop(scheduler: Scheduler, stop: asyncio.Event) -> int:
    await scheduler.run(stop)
    return 0


class _Stopping:
    """The first signal lets running attempts finish, a further one parks them where they are."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.work: asyncio.Task[int] | None = None
        self.once = False
        self._session = asyncio.current_task()

    def listen(self) -> None:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, and jobs in the background
                loop.add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: signal.Signals) -> None:
        again = self.event.is_set()
        _tell("stopping", signal=number.name, running="parked" if again else "finished first")
        self.event.set()
        if again:
            for task in asyncio.all_tasks() - {self._session, self.work}:
                task.cancel()
        elif self.work is not None and self.once:
            self.work.cancel()


class _Names:
    """Remembers what rotations are called and whether their guard held them back: an outcome tells neither."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._postponed: set[str] = set()

    def step(self, progress: Progress) -> None:
        self._known[progress.rotation_id] = progress.rotation
        if progress.state == "postponed":
            self._postponed.add(progress.rotation_id)
        _tell(
            "step",
            level=_LEVELS.get(progress.state, logging.INFO),
            rotation=progress.rotation,
            slot=progress.slot,
            user=progress.identity,
            step=progress.step,
            state=progress.state,
            ms=progress.ms,
            attempt=progress.attempt_id,
            **({"message": progress.message} if progress.message else {}),
        )

    def outcome(self, rotation_id: str, error: str | None) -> None:
        name = self._known.pop(rotation_id, rotation_id)
        postponed = rotation_id in self._postponed
        self._postponed.discard(rotation_id)
        if error is None:
            _tell("postponed" if postponed else "done", rotation=name)
        else:
            _tell("failed", level=logging.ERROR, rotation=name, message=error)


def _tell(event: str, *, level: int = logging.INFO, **fields: object) -> None:
    with contextlib.suppress(OSError):
        log.log(level, "%s", event, extra={"fields": fields})
