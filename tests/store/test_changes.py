"""A watcher learns of every change that matters, and of none that did not happen."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from store import connections, rotations
from store.changes import ChangeWatch
from store.database import Store, Tx
from store.errors import StoreUnavailable
from store.keyring import KeyPlaces
from tests.store.conftest import Opener
from tests.store.ground import PRELUDE, Child, add_connection, add_rotation, later, new_attempt


@pytest.fixture
def watch(store: Store) -> Iterator[ChangeWatch]:
    watch = ChangeWatch(store)
    yield watch
    watch.close()


def test_nothing_changed_before_anything_did(store: Store, watch: ChangeWatch) -> None:
    assert not watch.changed()
    store.read(connections.list_all)
    assert not watch.changed()


def test_a_change_is_told_once(store: Store, watch: ChangeWatch) -> None:
    store.write(lambda tx: add_rotation(tx))
    assert watch.changed()
    assert not watch.changed()
    store.write(lambda tx: rotations.update_fields(tx, "r1", updated_at=later(1)))
    assert watch.changed()
    store.write(lambda tx: new_attempt(tx, "a1", "r1", 2, "open"))
    assert watch.changed()

    def next_step(tx: Tx) -> None:
        attempt = rotations.open_attempt(tx, "r1")
        assert attempt is not None
        attempt.updated_at = later(3)

    store.write(next_step)
    assert watch.changed()
    assert not watch.changed()


def test_what_was_rolled_back_did_not_happen(store: Store, watch: ChangeWatch) -> None:
    def give_up(tx: Tx) -> None:
        add_rotation(tx)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        store.write(give_up)
    assert not watch.changed()


def test_another_process_is_noticed(store: Store, watch: ChangeWatch, url: str, places: KeyPlaces) -> None:
    script = (
        PRELUDE
        + """
from store import events
open_at(sys.argv[1], sys.argv[2]).write(lambda tx: events.append(
    tx, at=datetime.now(UTC), actor="a", action="b", result="c", subject="d"))
"""
    )
    assert Child(script, url, str(places.default_file)).finish() == ""
    assert watch.changed()
    assert not watch.changed()


def test_any_thread_may_ask(store: Store, watch: ChangeWatch) -> None:
    store.write(lambda tx: add_rotation(tx))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: watch.changed(), range(8)))
    assert sorted(answers) == [False] * 7 + [True]


def test_sqlite_counts_every_commit(sqlite_store: Store) -> None:
    watch = ChangeWatch(sqlite_store)
    sqlite_store.write(lambda tx: add_connection(tx))
    assert watch.changed()
    sqlite_store.write(lambda tx: connections.remove(tx, "id-of-main"))
    assert watch.changed()
    watch.close()


def test_a_closed_watch_says_so_in_our_words(sqlite_url: str, opener: Opener) -> None:
    watch = ChangeWatch(opener(sqlite_url))
    watch.close()
    with pytest.raises(StoreUnavailable):
        watch.changed()
