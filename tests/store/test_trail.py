"""The history is a chain: whatever was done to it from outside is found, and many writers make one chain."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from store import backup, events, setup, trail
from store.database import Store, Tx
from store.trail import Known
from tests.store.conftest import Opener
from tests.store.ground import later


def write(store: Store, count: int, who: str = "anna") -> None:
    for number in range(count):
        store.write(partial(append, subject=f"{who} {number}"), durable=False)


def append(tx: Tx, subject: str) -> None:
    events.append(tx, at=later(1), actor="ä" * 70, action="x", result="success", subject=subject, message="m\0\n")


def broken(store: Store, known: Known | None = None) -> str:
    return store.read(lambda tx: trail.verify(tx, known)).broken


def meddle(store: Store, statement: str) -> str:
    """What is found after that was done to the database; it is undone again."""
    with store.engine.connect() as connection, connection.begin() as change:
        connection.execute(text(statement))
        tx = Tx(connection, store.keys, store.dialect)
        found = trail.verify(tx).broken
        change.rollback()
    return found


def test_what_was_done_to_the_history_is_found(store: Store) -> None:
    assert store.read(trail.verify) == trail.Verdict(0, trail.START.hex())
    write(store, 6)
    verdict = store.read(trail.verify)
    assert (verdict.count, verdict.broken) == (6, "")
    ids = [event.id for event in reversed(store.read(lambda tx: events.recent(tx, 9)))]
    third = f"id = {ids[2]}"
    for change in ("subject = 'other'", "actor = 'other'", "message = ''", "rotation_id = 'r'", "result = 'failed'"):
        assert f"number {ids[2]} (" in meddle(store, f"UPDATE event SET {change} WHERE {third}")
    assert f"number {ids[3]} (" in meddle(store, f"UPDATE event SET id = 99999 WHERE {third}")
    assert f"number {ids[3]} (" in meddle(store, f"DELETE FROM event WHERE {third}")
    assert f"number {ids[1]} (" in meddle(store, f"DELETE FROM event WHERE id = {ids[0]}")
    end = meddle(store, f"DELETE FROM event WHERE id > {ids[3]}")
    assert end == "the newest events were removed: there must be 6, and there are 4"
    assert "was removed" in meddle(store, "DELETE FROM trail")
    assert "not written by Keyturn" in meddle(store, "UPDATE trail SET count = 5")
    copied = "INSERT INTO event (id, at, actor, action, result, rotation_id, subject, message, hash)"
    added = f"{copied} SELECT 99999, at, actor, action, result, rotation_id, subject, message, hash FROM event"
    assert "number 99999 (" in meddle(store, f"{added} WHERE {third}")
    assert meddle(store, "DELETE FROM event") == "the newest events were removed: there must be 6, and there are 0"
    assert broken(store) == ""


def test_a_history_that_was_written_anew_differs_from_what_was_noted(store: Store) -> None:
    write(store, 3)
    noted = store.read(trail.verify)
    write(store, 2)
    assert broken(store, Known(noted.count, noted.head)) == ""
    assert "history was rewritten" in broken(store, Known(noted.count, "00" * 32))
    assert broken(store, Known(9, noted.head)) == "9 events were noted once, and 5 are left"


def test_many_writers_at_once_make_one_chain(store: Store, url: str, opener: Opener) -> None:
    other = opener(url)
    together = threading.Barrier(4)

    def work(one: Store, who: str) -> None:
        together.wait()
        write(one, 12, who)

    writers = [threading.Thread(target=work, args=(one, name)) for one in (store, other) for name in ("anna", "bert")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    verdict = store.read(trail.verify)
    assert (verdict.count, verdict.broken) == (48, "")


def test_one_that_is_rolled_back_leaves_no_gap(store: Store) -> None:
    write(store, 1)

    def fail(tx: Tx) -> None:
        append(tx, "never")
        raise LookupError

    with pytest.raises(LookupError):
        store.write(fail)
    write(store, 1)
    assert store.read(trail.verify).count == 2
    assert broken(store) == ""


def test_without_its_row_history_goes_on_and_the_break_is_found(store: Store) -> None:
    write(store, 2)
    store.write(lambda tx: tx.connection.execute(text("DELETE FROM trail")))
    write(store, 2)
    third = store.read(lambda tx: events.recent(tx, 2))[-1].id
    assert f"number {third} (" in broken(store)


def test_a_history_from_before_becomes_a_chain(store: Store) -> None:
    write(store, 5)
    before = store.read(trail.verify)
    config = Config()
    config.set_main_option("script_location", str(setup.MIGRATIONS))
    config.set_main_option("path_separator", "os")
    with store.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0002")
        command.upgrade(config, "0003")
    assert store.read(trail.verify) == before
    write(store, 1)
    assert (store.read(trail.verify).count, broken(store)) == (6, "")


def test_a_backup_holds_the_same_chain(store: Store, opener: Opener, home_directory: Path) -> None:
    write(store, 4)
    file = home_directory / "copy.db"
    file.parent.mkdir(exist_ok=True)
    backup.write(store, file, overwrite=False)
    copy = opener(f"sqlite:///{file}")
    assert copy.read(trail.verify) == store.read(trail.verify)
    write(copy, 1)
    assert broken(copy) == ""
