"""The loop's part in keeping files up: within a second of a publication, and when somebody changed a file."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from app.deliver import target
from app.deliver.source import Source
from app.deliver.telling import TIME_OUT
from app.errors import KeyturnError, explain
from app.operations.context import Context
from app.operations.target_files import Unfit, bring_up, failed, here, source_of, wanted_of
from store import target_files
from store.changes import ChangeWatch
from store.database import Tx
from store.errors import StoreError
from store.tables import TargetFile

log = logging.getLogger("keyturn.targets")

POLL = 0.4
LOOK_EVERY = 3.0
"""Seconds between two looks at the files themselves."""
_FIRST_RETRY, _LONGEST_RETRY = 5.0, 600.0
_SURELY_DEAD = TIME_OUT + 10.0
"""Seconds after which nobody is telling the program of a change any more."""

Read = tuple[TargetFile, Source | KeyturnError]


@dataclass
class _Kept:
    """What is remembered of one target between two looks."""

    source: Source | None = None
    stamp: object = None
    retry_at: float = 0.0
    pause: float = _FIRST_RETRY
    due_since: float | None = None


@dataclass
class TargetUpkeep:
    """Any number may run on one store: the folder's lock lets one of them write, and tell the program."""

    context: Context
    _kept: dict[str, _Kept] = field(default_factory=dict, init=False)
    _busy: dict[str, asyncio.Task[None]] = field(default_factory=dict, init=False)

    async def keep(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. No trouble leaves: it is in the target's state and in the history."""
        watches: list[ChangeWatch] = []
        looked = float("-inf")
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                try:
                    if not watches:
                        watches.append(await asyncio.to_thread(ChangeWatch, self.context.store))
                    changed = await asyncio.to_thread(watches[0].changed)
                    if changed or time.monotonic() >= looked + LOOK_EVERY:
                        looked = time.monotonic()
                        await self._look(stop.is_set)
                except StoreError as error:
                    log.debug("store: %s", error.message)  # the loop beside tells of it
                await asyncio.wait({stopping}, timeout=POLL)
        finally:
            stopping.cancel()
            for watch in watches:
                watch.close()
            if self._busy:
                await asyncio.wait(self._busy.values())

    async def once(self) -> None:
        """All files, now. Raises StoreError."""
        await self._look(lambda: False)
        if self._busy:
            await asyncio.wait(self._busy.values())

    async def _look(self, stopping: Callable[[], bool]) -> None:
        found = await self.context.store.aread(self._read)
        for row, source in found:
            if row.id not in self._busy:
                task = asyncio.create_task(asyncio.to_thread(self._bring_up, row, source, stopping))
                self._busy[row.id] = task
                task.add_done_callback(functools.partial(self._done, row.id))

    def _done(self, row_id: str, _task: asyncio.Task[None]) -> None:
        self._busy.pop(row_id, None)

    def _read(self, tx: Tx) -> list[Read]:
        found: list[Read] = []
        for row in target_files.list_all(tx):
            if not here(self.context, row):
                continue
            try:
                found.append((row, source_of(tx, row)))
            except Unfit as gone:
                found.append((row, gone))
        return found

    def _bring_up(self, row: TargetFile, source: Source | KeyturnError, stopping: Callable[[], bool]) -> None:
        kept, wanted = self._kept.setdefault(row.id, _Kept()), wanted_of(row)
        overdue = self._never_told(kept, row)
        now, stamp = time.monotonic(), target.stamp(wanted)
        known = isinstance(source, KeyturnError) or source == kept.source
        if known and (now < kept.retry_at or not (kept.retry_at or overdue or stamp != kept.stamp)):
            return
        try:
            changed = self._tried(kept, row, source, overdue, stopping)
        except Exception as error:  # one file must not end the loop
            self._tell_trouble(row, error)
            kept.pause = min(kept.pause * 2, _LONGEST_RETRY) if kept.retry_at else _FIRST_RETRY
            kept.retry_at = time.monotonic() + kept.pause
        else:
            # What it was before it was found to be right. After a change, the next look finds that.
            kept.retry_at, kept.stamp = 0.0, None if changed else stamp

    def _tried(
        self,
        kept: _Kept,
        row: TargetFile,
        source: Source | KeyturnError,
        overdue: bool,
        stopping: Callable[[], bool],
    ) -> bool:
        if isinstance(source, KeyturnError):
            failed(self.context, row, source.message)
            raise source
        kept.source = source
        return bring_up(self.context, row, source, tell_again=overdue, stopping=stopping)

    def _never_told(self, kept: _Kept, row: TargetFile) -> bool:
        """Whether the program was not told of a change: it could not be, or whoever was about to tell it died."""
        if not row.reload_due:
            kept.due_since = None
            return False
        kept.due_since = kept.due_since or time.monotonic()
        if row.state == "failed" or time.monotonic() > kept.due_since + _SURELY_DEAD:
            return True
        try:
            changed_at = Path(row.file).lstat().st_mtime
        except OSError:
            return False
        return time.time() > changed_at + _SURELY_DEAD  # a loop that runs once does not wait for it to be so

    def _tell_trouble(self, row: TargetFile, error: Exception) -> None:
        known = explain(error)
        log.error("target %s: %s", row.name, known.message if known else f"unexpected {type(error).__name__}")
        if known is None:
            with contextlib.suppress(StoreError):
                failed(self.context, row, f"Unexpected {type(error).__name__}, which is a defect of Keyturn.")
