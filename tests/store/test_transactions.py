"""Transactions: all or nothing, nobody's update is lost, readers don't wait, awaiters may leave."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, text, update
from sqlmodel import col

from store import connections, projects, rotations
from store.database import Store, Tx, db_epoch
from store.errors import StoreError, StoreUnavailable
from store.keyring import KeyPlaces
from store.tables import Rotation
from tests.conftest import Database
from tests.store.conftest import Opener, postgresql_url
from tests.store.ground import PRELUDE, Child, add_connection, add_rotation, root_folder

PATIENCE = 30.0


def names(tx: Tx) -> list[str]:
    return [connection.name for connection in connections.list_all(tx)]


def test_rows_are_readable_after_their_transaction(store: Store) -> None:
    made = store.write(lambda tx: add_connection(tx))
    found = store.read(lambda tx: connections.find(tx, "main"))
    assert found is not None
    assert found is not made
    assert (found.settings, found.created_at) == (made.settings, made.created_at)


def test_read_cannot_write(store: Store) -> None:
    with pytest.raises(StoreError, match="read-only"):
        store.read(lambda tx: add_connection(tx))
    store.write(lambda tx: add_connection(tx, "written"))  # on the same, pooled connection
    assert store.read(names) == ["written"]


def test_a_reader_sees_one_moment_and_neither_waits_for_a_writer_nor_stops_one(store: Store) -> None:
    written, looked = threading.Event(), threading.Event()

    def look_twice(tx: Tx) -> tuple[list[str], list[str]]:
        first = names(tx)
        looked.set()
        assert written.wait(PATIENCE)
        return first, names(tx)

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(store.read, look_twice)
        assert looked.wait(PATIENCE)
        store.write(lambda tx: add_connection(tx, "late"))
        written.set()
        assert reading.result(PATIENCE) == ([], [])
    assert store.read(names) == ["late"]


COUNT = 60
COUNTER = (
    PRELUDE
    + """
def add_one(tx):
    row = rotations.get(tx, "r1", lock=True)
    rotations.update_fields(tx, "r1", failures=row.failures + 1)

store = open_at(sys.argv[1], sys.argv[2])
print("ready", flush=True)
input()
for _ in range(int(sys.argv[3])):
    store.write(add_one)
"""
)


def test_two_processes_that_read_then_write_lose_nothing(url: str, opener: Opener, places: KeyPlaces) -> None:
    store = opener(url)
    store.write(lambda tx: add_rotation(tx))
    children = [Child(COUNTER, url, str(places.default_file), str(COUNT)) for _ in range(2)]
    assert [child.hear() for child in children] == ["ready"] * 2
    for child in children:
        child.tell()
    assert [child.finish() for child in children] == ["", ""]
    assert store.read(lambda tx: rotations.list_all(tx)[0].failures) == 2 * COUNT


def test_many_threads_that_read_then_write_lose_nothing(store: Store) -> None:
    store.write(lambda tx: add_rotation(tx))

    def add_one(tx: Tx) -> None:
        row = rotations.get(tx, "r1", lock=True)
        assert row is not None
        rotations.update_fields(tx, "r1", failures=row.failures + 1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: store.write(add_one), range(80)))
    assert store.read(lambda tx: rotations.list_all(tx)[0].failures) == 80


def test_sqlite_takes_the_write_lock_before_the_first_read(sqlite_url: str, opener: Opener) -> None:
    first, second = opener(sqlite_url), opener(sqlite_url, busy_timeout=0.1)

    def look(tx: Tx) -> None:
        names(tx)
        with pytest.raises(StoreUnavailable, match="locked"):
            second.write(names)

    first.write(look)


def test_a_deadlock_is_repeated_not_reported(pg: Database, opener: Opener) -> None:
    store = opener(postgresql_url(pg))
    store.write(lambda tx: (add_rotation(tx, "r1"), add_rotation(tx, "r2")))
    both_hold_one = threading.Barrier(2)

    def lock_both(order: list[str]) -> int:
        tries = 0

        def lock(tx: Tx) -> None:
            nonlocal tries
            tries += 1
            rotations.get(tx, order[0], lock=True)
            if tries == 1:
                both_hold_one.wait(PATIENCE)
            row = rotations.get(tx, order[1], lock=True)
            assert row is not None
            rotations.update_fields(tx, order[1], failures=row.failures + 1)

        store.write(lock)
        return tries

    with ThreadPoolExecutor(2) as pool:
        tries = list(pool.map(lock_both, [["r1", "r2"], ["r2", "r1"]]))
    assert max(tries) > 1  # the server breaks off one of them, or both
    assert store.read(lambda tx: [row.failures for row in rotations.list_all(tx)]) == [1, 1]


async def test_the_event_loop_goes_on_while_a_transaction_runs(store: Store) -> None:
    release = threading.Event()

    def slow(tx: Tx) -> list[str]:
        assert release.wait(PATIENCE)
        return names(tx)

    pending = asyncio.create_task(store.aread(slow))
    await asyncio.sleep(0)  # the loop turns, and it would not if the read ran in it
    assert not pending.done()
    release.set()
    assert await pending == []


@pytest.mark.parametrize("outcome", ["returns", "raises"])
async def test_a_cancelled_awaiter_leaves_a_whole_transaction(store: Store, outcome: str) -> None:
    started, release, ended = threading.Event(), threading.Event(), threading.Event()

    def slow(tx: Tx) -> None:
        add_connection(tx, "first")
        started.set()
        assert release.wait(PATIENCE)
        add_connection(tx, "second")
        ended.set()
        if outcome == "raises":
            raise LookupError

    pending = asyncio.create_task(store.awrite(slow))
    await asyncio.to_thread(started.wait, PATIENCE)
    pending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pending
    release.set()
    assert await asyncio.to_thread(ended.wait, PATIENCE)
    store.close()  # waits for the thread; what is read next is what it left
    expected = ["first", "second"] if outcome == "returns" else []
    assert store.read(names) == expected


async def test_a_transaction_cancelled_before_it_began_never_runs(sqlite_url: str, opener: Opener) -> None:
    store = opener(sqlite_url)
    release = threading.Event()
    busy = [asyncio.create_task(store.aread(lambda _: release.wait(PATIENCE))) for _ in range(4)]
    late = asyncio.create_task(store.awrite(lambda tx: add_connection(tx, "late")))
    await asyncio.sleep(0)
    late.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await late
    release.set()
    await asyncio.gather(*busy)
    store.close()
    assert store.read(names) == []


def test_a_killed_process_leaves_a_whole_transaction(url: str, opener: Opener, places: KeyPlaces) -> None:
    store = opener(url)
    script = (
        PRELUDE
        + """
from tests.store.ground import add_connection

def half(tx):
    add_connection(tx, "half")
    print("half", flush=True)
    input()

open_at(sys.argv[1], sys.argv[2]).write(half)
"""
    )
    child = Child(script, url, str(places.default_file))
    assert child.hear() == "half"
    child.stop()
    store.write(lambda tx: add_connection(tx, "next"))
    assert store.read(names) == ["next"]


def test_the_database_tells_the_time(store: Store) -> None:
    before = time.time()
    told = store.read(lambda tx: tx.session.scalar(select(db_epoch())))
    after = time.time()
    assert isinstance(told, float)
    # SQLite's clock counts in milliseconds.
    assert before - 0.002 <= told <= after + 0.002


def test_the_time_can_be_stored_and_compared(store: Store) -> None:
    store.write(lambda tx: add_rotation(tx))
    store.write(lambda tx: tx.session.execute(update(Rotation).values(lease_until=db_epoch() + 60)))

    def leased(tx: Tx) -> list[str]:
        return list(tx.session.scalars(select(col(Rotation.id)).where(col(Rotation.lease_until) > db_epoch())))

    assert store.read(leased) == ["r1"]
    rest = store.read(lambda tx: tx.session.scalar(select(col(Rotation.lease_until) - db_epoch())))
    assert rest is not None
    assert 0 < rest <= 60.001


def test_two_that_insert_the_same_folder_share_it(pg: Database, opener: Opener) -> None:
    store = opener(postgresql_url(pg))
    environment_id = store.read(root_folder).environment_id
    neither_found_it = threading.Barrier(2)

    def ensure(folder_id: str) -> str:
        def new_id() -> str:
            neither_found_it.wait(PATIENCE)
            return folder_id

        return store.write(lambda tx: projects.ensure_folder(tx, environment_id, "/billing", new_id).id)

    with ThreadPoolExecutor(2) as pool:
        assert len(set(pool.map(ensure, ["f1", "f2"]))) == 1


def test_a_locking_read_sees_what_others_wrote_since_the_last_look(pg: Database, opener: Opener) -> None:
    store = opener(postgresql_url(pg))
    store.write(lambda tx: add_rotation(tx))

    def look_twice(tx: Tx) -> tuple[int, int]:
        first = rotations.get(tx, "r1")
        assert first is not None
        before = first.failures
        store.write(lambda other: rotations.update_fields(other, "r1", failures=7))
        again = rotations.get(tx, "r1", lock=True)
        assert again is first
        return before, again.failures

    assert store.write(look_twice) == (0, 7)


def test_the_transaction_shows_no_key(store: Store) -> None:
    shown = store.read(repr)
    assert all(repr(key) not in shown for key in store.keys.keys.values())
    assert store.dialect in shown


def test_statements_time_out_on_postgresql(pg: Database, opener: Opener) -> None:
    store = opener(postgresql_url(pg), busy_timeout=0.1)
    with pytest.raises(StoreUnavailable, match="57014"):
        store.read(lambda tx: tx.session.execute(text("SELECT pg_sleep(60)")))


def test_only_a_durable_write_waits_for_the_disk(store: Store) -> None:
    asked, durable, hasty = ("PRAGMA synchronous", 2, 1) if store.dialect == "sqlite" else _SYNCHRONOUS_COMMIT

    def setting(tx: Tx) -> object:
        return tx.session.execute(text(asked)).scalar()

    found = [store.write(setting), store.write(setting, durable=False), store.write(setting)]
    assert found == [durable, hasty, durable]


_SYNCHRONOUS_COMMIT = ("SHOW synchronous_commit", "on", "off")
