"""The loop: claims what is due, runs it, sleeps until the next moment that matters.

Its state is in the store, so any number of loops may share one store: a lease makes each due rotation run once. It
wakes for the next due time, when another process changed the store, and at least every `LONGEST_PAUSE`: clocks jump.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from app.errors import Postponed, RotationFailed, explain
from app.rotation.agenda import SCHEDULE
from app.rotation.engine import Engine, nobody
from app.rotation.surroundings import Listener
from store import leases
from store.changes import ChangeWatch
from store.errors import LeaseBusy, LeaseLost, StoreError
from store.leases import Lease

log = logging.getLogger("keyturn.scheduler")

LONGEST_PAUSE = 30.0
CHANGE_POLL = 0.5
SHORTEST_PAUSE = 0.02
SLOW_AFTER = 2.0
"""Seconds; what takes longer waits for its target. Others run meanwhile, but no more of that connection's."""
PARK_AFTER = 20.0
_PAUSE_AFTER_ERROR = 5.0


class Beside(Protocol):
    """What goes on beside the rotations, for as long as the loop does. No trouble of its own may leave it."""

    async def keep(self, stop: asyncio.Event) -> None: ...

    async def once(self) -> None: ...


@dataclass
class Scheduler:
    """`concurrency`: how many attempts run at once. `on_outcome` is told each rotation's id and its error, if any."""

    engine: Engine
    actor: str = "scheduler"
    concurrency: int = 4
    listener: Listener = nobody
    checkup_every: timedelta = timedelta(hours=6)
    """How often both credentials of an idle rotation are tried (drift)."""
    park_after: float = PARK_AFTER
    """Seconds that running attempts may take when the loop is told to stop; then they are parked."""
    on_outcome: Callable[[str, str | None], None] = lambda rotation_id, error: None
    on_turn: Callable[[str], None] = lambda trouble: None
    """Called whenever the loop turns, at least every `CHANGE_POLL` seconds while the store answers; `trouble` is what
    is wrong with the store, empty while nothing is."""
    beside: Sequence[Beside] = ()
    _running: dict[asyncio.Task[None], tuple[str, float]] = field(default_factory=dict, init=False)
    """Each with its rotation and when it was started."""

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; then running attempts finish, or are parked after `park_after` seconds."""
        watch = ChangeWatch(self.engine.store)
        beside = [asyncio.create_task(one.keep(stop)) for one in self.beside]
        try:
            while not stop.is_set():
                pause, trouble = LONGEST_PAUSE, ""
                try:
                    await self._start_due()
                    await self._start_checkup()
                    pause = await self._seconds_to_next()
                except StoreError as error:
                    log.error("store: %s %s", error.message, error.remedy)
                    pause, trouble = _PAUSE_AFTER_ERROR, error.message
                self.on_turn(trouble)
                await self._wait(stop, watch, pause, trouble)
        finally:
            watch.close()
            await self._wind_up()
            await asyncio.gather(*(_ended(task, stop) for task in beside))

    async def run_once(self) -> int:
        """Run what is due now, wait for it, and say how many of them failed. Raises StoreError."""
        failed = 0

        def count(rotation_id: str, error: str | None) -> None:
            nonlocal failed
            failed += error is not None
            told(rotation_id, error)

        told, self.on_outcome = self.on_outcome, count
        try:
            while await self._start_due() or self._running:
                await asyncio.wait(self._running, timeout=SLOW_AFTER, return_when=asyncio.FIRST_COMPLETED)
            for one in self.beside:
                await one.once()
        finally:
            self.on_outcome = told
            await self._wind_up()
        return failed

    async def _start_due(self) -> int:
        slow = self._slow()
        free = self.concurrency - len(self._running) + len(slow)
        leases = await self.engine.claim_due(free, not_with=slow) if free > 0 else []
        for lease in leases:
            self._start(lease.rotation_id, self._carry_out(lease))
        return len(leases)

    async def _start_checkup(self) -> None:
        """One at a time, and only while there is room for what is due."""
        if len(self._running) + 1 < self.concurrency or not self._running:
            rotation_id = await self.engine.next_unchecked(self.checkup_every)
            if rotation_id is not None:
                self._start(rotation_id, self._look_after(rotation_id))

    def _start(self, rotation_id: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._running[task] = rotation_id, asyncio.get_running_loop().time()
        task.add_done_callback(lambda done: self._running.pop(done, None))

    def _slow(self) -> list[str]:
        """The rotations whose target keeps them waiting."""
        before = asyncio.get_running_loop().time() - SLOW_AFTER
        return [rotation_id for rotation_id, started in self._running.values() if started <= before]

    async def _look_after(self, rotation_id: str) -> None:
        try:
            await self.engine.checkup(rotation_id, self.actor, self.listener)
        except (LeaseBusy, LeaseLost):
            return  # somebody works on it right now: that is a better look than ours
        except Exception as failure:  # one rotation must not end the loop
            known = explain(failure)
            log.error("checkup of %s: %s", rotation_id, known.message if known else type(failure).__name__)

    async def _carry_out(self, lease: Lease) -> None:
        rotation_id, error = lease.rotation_id, None
        try:
            await self.engine.carry_out(lease, SCHEDULE, self.actor, self.listener)
        except RotationFailed as failure:
            error = failure.message
        except Postponed as held:
            log.info("rotation %s: %s", rotation_id, held.message)
        except LeaseLost:
            log.warning("rotation %s: lease lost, a successor carries on", rotation_id)
            return
        except Exception as failure:  # one rotation must not end the loop
            known = explain(failure)
            error = known.message if known else f"unexpected {type(failure).__name__}"
            log.error("rotation %s: %s", rotation_id, error)
        self.on_outcome(rotation_id, error)

    async def _seconds_to_next(self) -> float:
        slow = self._slow()
        longest = SLOW_AFTER if len(slow) < len(self._running) else LONGEST_PAUSE
        if len(self._running) - len(slow) >= self.concurrency:
            return longest
        now = self.engine.clock()
        seconds = await self.engine.store.aread(lambda tx: leases.seconds_to_next(tx, now, not_with=slow))
        return longest if seconds is None else min(max(seconds, SHORTEST_PAUSE), longest)

    async def _wait(self, stop: asyncio.Event, watch: ChangeWatch, seconds: float, trouble: str) -> None:
        """Until the time is up, `stop` is set, an attempt ends, or another process changed the store."""
        deadline = asyncio.get_running_loop().time() + seconds
        stopping = asyncio.create_task(stop.wait())
        running = len(self._running)
        try:
            while (left := deadline - asyncio.get_running_loop().time()) > 0:
                waiting = {stopping, *self._running}
                done, _ = await asyncio.wait(
                    waiting, timeout=min(left, CHANGE_POLL), return_when=asyncio.FIRST_COMPLETED
                )
                if done or len(self._running) < running:
                    return
                seen = trouble
                try:
                    if await asyncio.to_thread(watch.changed):
                        return
                except StoreError as error:
                    seen = error.message
                self.on_turn(seen)
        finally:
            stopping.cancel()

    async def _wind_up(self) -> None:
        if not self._running:
            return
        _, unfinished = await asyncio.wait(self._running, timeout=self.park_after)
        for task in unfinished:
            task.cancel()
        if unfinished:
            await asyncio.wait(unfinished, timeout=PARK_AFTER)


async def _ended(beside: asyncio.Task[None], stop: asyncio.Event) -> None:
    """Wait for it. Without a stop it would go on: something went wrong, or we were cancelled."""
    if not stop.is_set():
        beside.cancel()
    await asyncio.wait({beside})
    if not beside.cancelled() and (error := beside.exception()) is not None:
        log.error("beside the loop: unexpected %s", type(error).__name__)
