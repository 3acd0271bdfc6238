"""Writes that wait for nobody: done at once, or not at all."""

from __future__ import annotations

import contextlib
import sqlite3

from sqlalchemy import text

from store import events
from store.database import Store, Tx
from store.events import Line
from tests.store.ground import START


def tell(tx: Tx) -> bool:
    events.append_all(tx, [Line(START, "api:ci", "get-secret", "success", "dev /")])
    return True


def count(store: Store) -> int:
    return len(store.read(lambda tx: events.recent(tx, 1000)))


def test_where_somebody_writes_nothing_is_done(sqlite_store: Store) -> None:
    before = count(sqlite_store)
    assert sqlite_store.write_at_once(tell)
    with contextlib.closing(sqlite3.connect(sqlite_store.location, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert sqlite_store.write_at_once(tell) is None
        other.execute("ROLLBACK")
    assert sqlite_store.write(lambda tx: sqlite_store.write_at_once(tell)) is None  # another thread of ours
    assert sqlite_store.write_at_once(tell)
    assert count(sqlite_store) == before + 2


def test_others_wait_as_before_and_tidy_the_log(sqlite_store: Store) -> None:
    def settings(tx: Tx) -> list[object]:
        names = ("busy_timeout", "wal_autocheckpoint", "synchronous")
        return [tx.session.scalar(text(f"PRAGMA {name}")) for name in names]

    patient = sqlite_store.write(settings)
    assert sqlite_store.write_at_once(settings) == [0, 0, 1]
    assert sqlite_store.write(settings) == patient == [10_000, 1000, 2]
    with contextlib.suppress(ZeroDivisionError):
        sqlite_store.write_at_once(lambda tx: 1 // 0)
    assert sqlite_store.read(settings)[0] == 10_000
    done = [sqlite_store.write_at_once(lambda tx: True) for _ in range(200)]
    assert done.count(None) == 3


def test_a_database_server_is_always_waited_for(store: Store) -> None:
    waits = store.dialect == "postgresql"
    assert store.write_at_once(tell) is (None if waits else True)
    assert count(store) == (0 if waits else 1)
