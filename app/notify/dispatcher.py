"""Empties the outbox, wherever a loop runs: each delivery in a thread of its own, so that one that hangs holds up no
other hook and no rotation. Any number of processes may do so on one store.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from app.notify import overdue, rules
from app.notify.answer import Answer
from app.operations.context import Context
from app.rotation.failpoints import reached
from store import deliveries, hooks, rotations
from store.changes import ChangeWatch
from store.database import Tx
from store.deliveries import DONE, GIVEN_UP, Taken
from store.errors import StoreError
from store.tables import Hook

log = logging.getLogger("keyturn.hooks")

POLL = 0.4
OVERDUE_EVERY = 30.0
TIDY_EVERY = 600.0
"""Seconds."""
_TIDIED_AT_ONCE = 500
_PER_HOOK, _IN_ALL = 4, 16
"""How many deliveries of one hook are under way at once; and from how many on each hook has but one."""
_LATE = 5.0
"""Seconds that a thread may be late with its own time-out, before it is left to itself."""
_GRACE = 30.0
"""Seconds beyond the time-out after which a process that took a delivery is dead."""
_LAST_WORDS, _AFTERWARDS = 1.5, 0.5
"""Seconds that deliveries may take to finish when the loop is told to stop; and once commands were told to end."""


_Load = tuple[Taken, Hook, dict[str, Any] | None, list[str]]
"""What is to be delivered, how (None: that does not open), and what must not show up in the answer."""


@dataclass
class Dispatcher:
    context: Context
    kept: timedelta = rules.KEPT
    """For how long deliveries that are over are kept."""
    _flying: dict[asyncio.Task[None], str] = field(default_factory=dict, init=False)
    """Each with its hook."""
    _landed: bool = field(default=False, init=False)
    _ending: threading.Event = field(default_factory=threading.Event, init=False)
    _next_look: float = field(default=0.0, init=False)
    _tidy_at: float = field(default=0.0, init=False)
    _told: set[str] = field(default_factory=set, init=False)

    def keep_for(self, kept: timedelta) -> None:
        """From now on, by the loop that runs."""
        self.kept, self._tidy_at = kept, 0.0

    async def keep(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. No trouble leaves: it is in the deliveries and in the history."""
        watches: list[ChangeWatch] = []
        stopping = asyncio.create_task(stop.wait())
        late_at = time.monotonic() + OVERDUE_EVERY
        try:
            while not stop.is_set():
                try:
                    if not watches:
                        watches.append(await asyncio.to_thread(ChangeWatch, self.context.store))
                    changed = await asyncio.to_thread(watches[0].changed)
                    if changed or self._landed or time.monotonic() >= self._next_look:
                        await self._look()
                    if time.monotonic() >= late_at:
                        late_at = time.monotonic() + OVERDUE_EVERY
                        await overdue.tell(self.context, self._told)
                    if time.monotonic() >= self._tidy_at:
                        self._tidy_at = time.monotonic() + TIDY_EVERY
                        await self._tidy()
                except StoreError as error:
                    log.debug("store: %s", error.message)  # the loop beside tells of it
                await asyncio.wait({stopping, *self._flying}, timeout=POLL, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            for watch in watches:
                watch.close()
            await self._land()

    async def once(self) -> None:
        """All that is due now, each tried once. Raises StoreError."""
        await overdue.tell(self.context, self._told)
        await self._tidy()
        while await self._look() or self._flying:
            if self._flying:
                await asyncio.wait(self._flying, return_when=asyncio.FIRST_COMPLETED)

    async def _look(self) -> int:
        """Start what is due and has room; how many. Notes when to look again."""
        started, self._landed = 0, False
        store, now = self.context.store, self.context.clock()
        while chosen := self._chosen(await store.aread(lambda tx: deliveries.due(tx, now, busy=self._busy()))):
            taken = await store.awrite(partial(self._take, ids=tuple(chosen)), durable=False)
            for delivery, hook, action, hidden in taken:
                task = asyncio.create_task(self._deliver(delivery, hook, action, hidden))
                self._flying[task] = hook.id
                task.add_done_callback(self._done)
            started += len(taken)
            if len(taken) < len(chosen):
                break  # somebody else is faster; what is left comes with the next look
        next_at = await store.aread(deliveries.next_due)
        seconds = max((next_at - now).total_seconds(), POLL) if next_at else TIDY_EVERY
        self._next_look = time.monotonic() + min(seconds, OVERDUE_EVERY)
        return started

    def _busy(self) -> list[str]:
        flying = Counter(self._flying.values())
        most = _PER_HOOK if len(self._flying) < _IN_ALL else 1
        return [hook_id for hook_id, count in flying.items() if count >= most]

    def _chosen(self, due: Iterable[tuple[int, str]]) -> list[int]:
        flying, chosen = Counter(self._flying.values()), list[int]()
        for delivery_id, hook_id in due:
            most = _PER_HOOK if flying.total() < _IN_ALL else 1
            if flying[hook_id] < most:
                flying[hook_id] += 1
                chosen.append(delivery_id)
        return chosen

    def _take(self, tx: Tx, ids: Iterable[int]) -> list[_Load]:
        owner, found = self.context.engine.owner, list[_Load]()
        for delivery_id in ids:
            if (row := deliveries.take(tx, delivery_id, owner, _GRACE)) is not None:
                taken, hook = row
                try:
                    found.append((taken, hook, hooks.action(tx, hook), _hidden(tx, taken.rotation_id)))
                except (StoreError, ValueError):
                    found.append((taken, hook, None, []))
        return found

    async def _deliver(self, taken: Taken, hook: Hook, action: dict[str, Any] | None, hidden: list[str]) -> None:
        answer = Answer(False, "what the hook keeps sealed does not open with this key")
        reached("deliver.taken")
        try:
            if action is not None:
                answer = await self._sent(taken, hook, action, hidden)
        except asyncio.CancelledError:
            await self._record(taken, hook, Answer(False, "Keyturn was ended meanwhile"), cut_short=True)
            raise
        except Exception as error:  # one hook must not end the loop
            log.error("hook %s: unexpected %s", hook.name, type(error).__name__)
            answer = Answer(False, f"unexpected {type(error).__name__}, which is a defect of Keyturn")
        reached("deliver.called")
        await self._record(taken, hook, answer, cut_short=self._ending.is_set())
        reached("deliver.recorded")

    async def _sent(self, taken: Taken, hook: Hook, action: dict[str, Any], hidden: list[str]) -> Answer:
        def work() -> Answer:
            from app.notify.sending import send  # web clients and all: not before there is something to send

            seconds, stopping = hook.time_out, self._ending.is_set
            return send(hook.kind, action, taken.facts, hidden, time_out=seconds, stopping=stopping)

        try:
            return await asyncio.wait_for(_in_thread(work), hook.time_out + _LATE)
        except TimeoutError:
            return Answer(False, f"no answer within {hook.time_out} s")

    async def _record(self, taken: Taken, hook: Hook, answer: Answer, *, cut_short: bool) -> None:
        now, uniform = self.context.clock(), self.context.random.uniform
        next_at = now if cut_short else rules.next_try(taken.since, now, taken.attempt, answer.asked, uniform)

        def write(tx: Tx) -> None:
            if answer.ok:
                deliveries.over(tx, taken, DONE, answer.text, now)
            elif next_at is None:
                deliveries.over(tx, taken, GIVEN_UP, answer.text, now)
            else:
                deliveries.again(tx, taken, answer.text, next_at)

        about = f"hook {hook.name}: delivery {taken.id} ({taken.facts['event']} of {taken.facts['rotation']['name']})"
        if answer.ok:
            log.info("%s done", about)
        else:
            log.warning("%s %s: %s", about, "failed" if next_at else "is given up", answer.text)
        try:
            await self.context.store.awrite(write)
        except StoreError as error:
            log.error("%s: what came of it could not be kept, so it is delivered again: %s", about, error.message)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._flying.pop(task, None)
        self._landed = True

    async def _tidy(self) -> None:
        before = self.context.clock() - self.kept
        while True:
            removed = await self.context.store.awrite(lambda tx: deliveries.remove_old(tx, before, _TIDIED_AT_ONCE))
            if removed < _TIDIED_AT_ONCE:
                return

    async def _land(self) -> None:
        """Let what is under way finish for a moment; then it is for the next loop."""
        for patience in (_LAST_WORDS, _AFTERWARDS):
            if self._flying:
                await asyncio.wait(self._flying, timeout=patience)
            self._ending.set()
        left = list(self._flying)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)


def _hidden(tx: Tx, rotation_id: str) -> list[str]:
    """Secret values that the rotation's credentials have now: somebody's program may write them down."""
    held = rotations.credentials(tx, rotation_id).values()
    values = [(credential.public, rotations.credential_values(tx, credential)) for credential in held]
    return [value for public, all_of in values for name, value in all_of.items() if name not in public]


def _in_thread(work: Callable[[], Answer]) -> asyncio.Future[Answer]:
    """Like asyncio.to_thread, but with a thread of its own that keeps nobody waiting, not even the process's end."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Answer] = loop.create_future()

    def settle(answer: Answer | None, error: Exception | None) -> None:
        if future.done():
            return
        if answer is not None:
            future.set_result(answer)
        elif error is not None:
            future.set_exception(error)

    def run() -> None:
        answer, error = None, None
        try:
            answer = work()
        except Exception as failure:
            error = failure
        with contextlib.suppress(RuntimeError):  # the loop has gone
            loop.call_soon_threadsafe(settle, answer, error)

    threading.Thread(target=run, name="keyturn-hook", daemon=True).start()
    return future
