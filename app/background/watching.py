"""What goes on beside the loop: a look at all rotations now and then, and the address that tells others."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from app.background import looks
from app.background.log_lines import tell
from app.background.looks import Look
from app.background.metrics import MISSING, Metrics, make_metrics
from app.background.pulse import Pulse
from app.background.web import Door, Taken, Unusable, open_door
from app.errors import KeyturnError
from app.service import Service
from app.settings.model import Declared
from app.views import Progress
from store.errors import StoreError

LOOK_EVERY = 15.0
"""Seconds; and after each rotation."""
SHORTEST_PAUSE = 0.5


@dataclass
class Watching:
    service: Service
    pulse: Pulse
    metrics: Metrics | None = None
    door: Door | None = None
    _seen: Look | None = None
    _status: str = ""
    _ended: list[str] = field(default_factory=list)
    """Rotations whose runs ended since the last look."""
    _wanted: Declared | None = None
    """What to listen at as soon as nobody else does."""
    _listening: asyncio.Lock = field(default_factory=asyncio.Lock)
    _again: asyncio.Event = field(default_factory=asyncio.Event)

    def step(self, progress: Progress) -> None:
        if self.metrics is not None:
            self.metrics.step(progress)

    def outcome(self, rotation_id: str, result: str) -> None:
        """`result`: "done", "failed" or "postponed"."""
        if self.metrics is not None:
            self.metrics.run(result)
            self._ended.append(rotation_id)
        self._again.set()

    @contextlib.asynccontextmanager
    async def going_on(self, declared: Declared) -> AsyncIterator[None]:
        """Raises Unusable when the address never may be listened at. For one that is taken, rotations do not wait."""
        try:
            await self.listen(declared)
        except Taken as taken:
            again = f"{taken.message} {taken.remedy} Rotations go on, and it is tried again."
            tell("not listening", level=logging.ERROR, message=again)
            self._wanted = declared
        task = asyncio.create_task(self._look_around())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            if self.door is not None:
                await asyncio.to_thread(self.door.close)

    async def listen(self, wanted: Declared, before: Declared | None = None) -> None:
        """At the address that is set, or nowhere. Raises Unusable; then everything is as before."""
        async with self._listening:
            if before is None or _address(before) != _address(wanted):
                await asyncio.to_thread(self._listen, wanted, before)  # a name server may take its time
                self._wanted = None

    def _listen(self, wanted: Declared, before: Declared | None) -> None:
        former, self.door = self.door, None
        if former is not None and before is not None and _port(former, wanted):
            former.close()  # one port cannot be had twice
            try:
                self.door = self._open(wanted)
            except Unusable:
                self.door = self._open(before)
                raise
            return
        try:
            self.door = self._open(wanted) if wanted.metrics_address else None
        except Unusable:
            self.door = former
            raise
        if former is not None:
            former.close()

    def _open(self, wanted: Declared) -> Door:
        if self.metrics is None:
            self.metrics = make_metrics(self.pulse, lambda: self._seen)
        door = open_door(wanted, self.pulse, self.metrics)
        tell("listening", address=door.address, metrics="on" if self.metrics else MISSING)
        return door

    async def _listen_again(self) -> None:
        async with self._listening:
            if self._wanted is not None:
                with contextlib.suppress(Unusable):
                    await asyncio.to_thread(self._listen, self._wanted, None)
                    self._wanted = None

    async def _look_around(self) -> None:
        while True:
            self._again.clear()
            await self._listen_again()
            begun = time.monotonic()
            if self.pulse.notify is not None or self.metrics is not None:
                try:
                    await self._look()
                except StoreError:
                    pass  # the loop says so, and so does its pulse
                except Exception as error:  # what is only told must not end what is done
                    tell("no look", level=logging.ERROR, message=f"unexpected {type(error).__name__}")
            # Ten thousand rotations take a while to look at, and may all run at once.
            await asyncio.sleep(max(SHORTEST_PAUSE, 10 * (time.monotonic() - begun)))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._again.wait(), LOOK_EVERY)

    async def _look(self) -> None:
        self._seen = await looks.look(self.service, self._seen)
        while self._ended and self.metrics is not None:
            await self._late(self._ended.pop(), self.metrics)
        status = looks.sentence(self._seen)
        if self.pulse.notify is not None and status != self._status and not self.pulse.stopping:
            self._status = status
            self.pulse.notify(f"STATUS={status}")

    async def _late(self, rotation_id: str, metrics: Metrics) -> None:
        """Note how late the run began that has just ended."""
        try:
            attempts = await self.service.rotations.history(rotation_id, 1)
        except KeyturnError:
            return  # deleted meanwhile
        for newest in attempts:
            if newest.trigger == "schedule" and newest.scheduled_for is not None:
                metrics.began_late((newest.started_at - newest.scheduled_for).total_seconds())


def _port(door: Door, wanted: Declared) -> bool:
    """Whether the new address has the port of this one."""
    return wanted.metrics_address.rpartition(":")[2] == str(door.address.port)


def _address(declared: Declared) -> tuple[str, bool]:
    return declared.metrics_address, declared.metrics_public
