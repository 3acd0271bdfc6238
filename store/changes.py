"""A cheap way to learn that somebody changed the store: another process, or another thread of this one."""

from __future__ import annotations

import sqlite3
import threading

from sqlalchemy import func, select
from sqlmodel import col

from store.database import Store, Tx
from store.failures import translated
from store.tables import Attempt, Event, Rotation


class ChangeWatch:
    """Tells whether the store changed since it was last asked. Blocking and brief: call it in a thread.

    SQLite counts every commit. On PostgreSQL it looks at events, rotations and unfinished attempts: all that
    matters to a watcher shows up there.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._connection = _connect(store.location) if store.dialect == "sqlite" else None
        self._seen = self._look()

    def changed(self) -> bool:
        """The first call after opening compares with the moment of opening."""
        with self._lock:
            now = self._look()
            changed, self._seen = now != self._seen, now
            return changed

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()

    def _look(self) -> object:
        if self._connection is None:
            return self._store.read(_newest)
        with translated(self._store.location):
            return self._connection.execute("PRAGMA data_version").fetchone()


def _connect(path: str) -> sqlite3.Connection:
    with translated(path):
        return sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)


def _newest(tx: Tx) -> tuple[object, ...]:
    event = select(func.max(col(Event.id))).scalar_subquery()
    rotation = select(func.max(col(Rotation.updated_at))).scalar_subquery()
    unfinished = select(func.max(col(Attempt.updated_at))).where(col(Attempt.finished_at).is_(None))
    return tuple(tx.session.execute(select(event, rotation, unfinished.scalar_subquery())).one())
