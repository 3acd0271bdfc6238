"""What this process does for the person in front of it: the newest snapshot, and the work under way.

Work belongs to the desk and not to a screen: a screen can be left, the work goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from textual.dom import DOMNode
from textual.signal import Signal

from app.errors import Explanation, explain
from app.views import Status
from screens.troubles import told

if TYPE_CHECKING:
    from app.service import Service
    from app.views import Progress, Snapshot

POLL = 0.4
"""How often to look whether another process changed the store, in seconds."""
SILENT = 3.0
"""After so many seconds without an answer of the store that is told, and waited on."""
BREATH = 2
"""After a snapshot, how many times as long as it took nothing is read: a large store does not take all there is."""
OLDEST = timedelta(seconds=15)
"""Some states come with time alone (due soon, overdue): no snapshot is shown for longer."""

ROTATE, DELETE, EDIT, EMERGENCY = "rotate", "delete", "edit", "emergency"
_HELD = (Status.ROTATING, Status.CREATING, Status.DELETING)

_SILENCE = Explanation(
    "The store does not answer.", "What is shown is older; it is brought up to date as soon as the store answers.", 1
)
T = TypeVar("T")
Spawn = Callable[[Coroutine[Any, Any, None], str], object]


@dataclass
class Work:
    """One piece of work on a rotation, by a person here or by the schedule. `error` is set when it failed."""

    rotation_id: str
    name: str
    verb: str
    by_hand: bool
    steps: dict[tuple[str, str], Progress] = field(default_factory=dict)
    """The newest word on each step, by attempt and step, in their order."""
    running: bool = True
    began: float = field(default_factory=time.monotonic)
    error: Explanation | None = None


class Desk:
    """Opened once the service is. `spawn(work, name)` runs a coroutine that outlives the screens."""

    def __init__(self, service: Service, owner: DOMNode, spawn: Spawn) -> None:
        self.service = service
        self.snapshot: Snapshot | None = None
        self.trouble: Explanation | None = None
        """Why the store cannot be read at the moment."""
        self.changed: Signal[Desk] = Signal(owner, "changed")
        """The snapshot is new, or the trouble."""
        self.moved: Signal[Work] = Signal(owner, "moved")
        """A piece of work went on or ended."""
        self._free_from = 0.0
        """Before this moment of the monotonic clock no snapshot is read."""
        self.works: dict[str, Work] = {}
        """The newest work on each rotation, by its id."""
        self._spawn = spawn
        self._stop = asyncio.Event()
        self._dirty = asyncio.Event()
        self._manual: set[asyncio.Future[object]] = set()
        self._loop_ended = asyncio.Event()
        self._loop_ended.set()

    def open(self, *, background_loop: bool = True) -> None:
        """Begin to watch the store, and to rotate what is due."""
        self._spawn(self._watch(), "watch the store")
        if background_loop:
            self._loop_ended.clear()
            self._spawn(self._loop(), "background loop")

    def now(self) -> datetime:
        return self.service.context.clock()

    @property
    def busy(self) -> bool:
        """Whether anything is under way here."""
        return any(work.running for work in self.works.values())

    def refresh(self) -> None:
        """Take a new snapshot soon."""
        self._dirty.set()

    def rotate(self, rotation_id: str, name: str) -> Work:
        """Rotate now. A rotation that this process is at work on already is watched instead."""
        return self._begin(rotation_id, name, ROTATE, self.service.rotations.rotate(rotation_id, self._told))

    def emergency(self, rotation_id: str, name: str) -> Work:
        """Renew both credentials now; what this process does already is watched instead."""
        call = self.service.emergencies.renew(rotation_id, self._told)
        return self._begin(rotation_id, name, EMERGENCY, call)

    def edit(
        self, rotation_id: str, name: str, body: Mapping[str, Any], applied: Callable[[], Awaitable[None]]
    ) -> Work:
        """Apply an edit, at the target too when it changes who is rotated. `applied` is called once that succeeded."""

        async def carry_out() -> None:
            await self.service.edits.edit(rotation_id, body, self._told)
            with contextlib.suppress(Exception):  # everything is changed, whatever becomes of the draft
                await applied()

        return self._begin(rotation_id, name, EDIT, carry_out())

    def delete(self, rotation_id: str, name: str, *, revoke: bool, delete_secrets: bool) -> Work:
        work = self.service.rotations.delete(
            rotation_id, revoke=revoke, delete_secrets=delete_secrets, listener=self._told
        )
        return self._begin(rotation_id, name, DELETE, work)

    async def wind_up(self) -> None:
        """Start nothing more, and wait until what is under way ended; the loop parks what takes too long."""
        self._stop.set()
        while self._manual:
            await asyncio.wait(self._manual)
        await self._loop_ended.wait()

    def park(self) -> None:
        """Start nothing more, and stop the work begun by hand: it is resumed from its step at the next start."""
        self._stop.set()
        for task in self._manual:
            task.cancel()

    def _begin(self, rotation_id: str, name: str, verb: str, call: Coroutine[Any, Any, object]) -> Work:
        current = self.works.get(rotation_id)
        if self._stop.is_set() or (current is not None and current.running and verb != DELETE):
            call.close()
            return current or Work(rotation_id, name, verb, by_hand=True, running=False)
        work = self.works[rotation_id] = Work(rotation_id, name, verb, by_hand=True)
        self._spawn(self._carry_out(work, call), f"{verb} {rotation_id}")
        return work

    async def _carry_out(self, work: Work, call: Coroutine[Any, Any, object]) -> None:
        task = asyncio.ensure_future(call)
        self._manual.add(task)
        try:
            await task
        except asyncio.CancelledError:
            task.cancel()
            raise
        except Exception as error:
            work.error = told(error)
        finally:
            self._manual.discard(task)
            self._ended(work)

    async def _loop(self) -> None:
        try:
            await self.service.scheduler(listener=self._told, on_outcome=self._outcome).run(self._stop)
        finally:
            self._loop_ended.set()

    def _told(self, progress: Progress) -> None:
        work = self.works.get(progress.rotation_id)
        if work is None or not work.running:
            work = Work(progress.rotation_id, progress.rotation, ROTATE, by_hand=False)
            self.works[work.rotation_id] = work
        work.steps[progress.attempt_id, progress.step] = progress
        self.moved.publish(work)
        self.refresh()

    def _outcome(self, rotation_id: str, error: str | None) -> None:
        work = self.works.get(rotation_id)
        if work is None or work.by_hand:
            return
        work.error = Explanation(error, "", 1) if error is not None else None
        self._ended(work)

    def _ended(self, work: Work) -> None:
        work.running = False
        self.moved.publish(work)
        self.refresh()

    async def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                await self._watch_until_trouble()
            except Exception as error:
                known = explain(error)
                if known is None:
                    raise
                self._set_trouble(known)
                await asyncio.sleep(POLL)

    async def _watch_until_trouble(self) -> None:
        watch = await self._answer(asyncio.to_thread(self.service.watch_changes))
        try:
            await self._take_snapshot()
            while not self._stop.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._dirty.wait(), POLL)
                await asyncio.sleep(self._free_from - time.monotonic())
                if await self._answer(asyncio.to_thread(watch.changed)) or self._dirty.is_set() or self._outdated():
                    await self._take_snapshot()
        finally:
            watch.close()

    def _outdated(self) -> bool:
        return self.snapshot is None or self.now() - self.snapshot.at > OLDEST

    async def _take_snapshot(self) -> None:
        self._dirty.clear()
        before = {work.rotation_id: len(work.steps) for work in self.works.values() if work.running}
        began = time.monotonic()
        self.snapshot = await self._answer(self.service.rotations.snapshot(self.snapshot))
        self.trouble = None
        ended = time.monotonic()
        self._free_from = ended + min((ended - began) * BREATH, POLL)
        held = {row.id for row in self.snapshot.rows if row.status in _HELD}
        for rotation_id, steps in before.items():
            work = self.works[rotation_id]
            if work.running and not work.by_hand and len(work.steps) == steps and rotation_id not in held:
                self._ended(work)  # its lease was lost, or its outcome is about to be told
        self.changed.publish(self)

    async def _answer(self, call: Coroutine[Any, Any, T]) -> T:
        """A server that hangs neither answers nor fails: what is shown would be believed."""
        task = asyncio.ensure_future(call)
        try:
            done, _ = await asyncio.wait([task], timeout=SILENT)
            if not done:
                self._set_trouble(_SILENCE)
                self._dirty.set()
            return await task
        finally:
            task.cancel()

    def _set_trouble(self, trouble: Explanation) -> None:
        if trouble != self.trouble:
            self.trouble = trouble
            self.changed.publish(self)
