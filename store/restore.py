"""Putting a backup back: checked as a copy, marked, and then put in the store's place at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, func, select, text, update
from sqlmodel import col

from store import backup, draft_files, engines, events, health, rekey, setup, users
from store.database import Tx, open_store
from store.errors import KeyMissing, StoreError, StoreInUse, StoreUnavailable
from store.failures import translated
from store.keyring import KeyPlaces, load_key_ring, make_private_directory
from store.tables import Event, Rotation

LOOK_FIRST = timedelta(minutes=10)
"""For how long nothing that is due runs: the loop looks first at what is true at the targets."""
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_ANOTHER = "Use another backup. Nothing was changed."
_UNREADABLE = frozenset({sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT})


@dataclass(frozen=True)
class Contents:
    """What a backup holds. `until`: its newest event."""

    rotations: int
    until: datetime | None


def check(file: Path, key: KeyPlaces) -> None:
    """Whether it is a whole backup of a known version that the present key opens; nothing is changed.

    Raises StoreError.
    """
    with file.open("rb") as opened:
        if opened.read(16) != b"SQLite format 3\0":
            raise _no_backup(file)
    if damage := health.damage(file):
        raise StoreUnavailable(f"The backup {file} is damaged: {'; '.join(damage)}.", remedy=_ANOTHER)
    with translated(str(file)), closing(health.looking_at(file)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {"alembic_version", "canary", "rotation"} <= tables:
            raise _no_backup(file)
        for (revision,) in connection.execute("SELECT version_num FROM alembic_version"):
            setup.refuse_newer(revision, str(file))
    if load_key_ring(key) is None:
        raise KeyMissing(
            f"The backup {file} is sealed, and there is no key at {key.new_file}.",
            remedy=f"Put the key file back to {key.new_file} from the copy you kept. A backup does not hold it.",
        )


def make_ready(
    file: Path, draft: Path, key: KeyPlaces, *, now: Callable[[], datetime], new_id: Callable[[], str], actor: str
) -> Contents:
    """A copy in `draft` that is up to date, opens with the key, and says that it was restored. Raises StoreError."""
    backup.copy_file(file, draft)
    try:
        store = open_store(f"sqlite:///{draft}", key=key, now=now, new_id=new_id)
    except StoreError as error:
        raise type(error)(error.message.replace(str(draft), str(file)), remedy=error.remedy) from None
    try:
        if broken := store.read(rekey.unreadable):
            raise StoreUnavailable(f"In the backup {file} sealed values do not open: {broken[0]}.", remedy=_ANOTHER)
        contents = store.read(_contents)
        store.write(lambda tx: _mark(tx, file.name, now(), actor))
    finally:
        store.close()
    backup.fold(draft)
    return contents


def _contents(tx: Tx) -> Contents:
    count = tx.session.scalar(select(func.count()).select_from(Rotation))
    return Contents(count or 0, tx.session.scalar(select(func.max(col(Event.at)))))


def _mark(tx: Tx, name: str, now: datetime, actor: str) -> None:
    """Nobody works on anything any more, and what is believed of the targets is looked at before it is acted upon."""
    free = {"lease_owner": None, "lease_until": 0.0, "fence": col(Rotation.fence) + 1, "updated_at": now}
    tx.session.execute(update(Rotation).values(free))
    published = col(Rotation.last_rotated_at).is_not(None)
    tx.session.execute(update(Rotation).where(published).values(checked_at=_LONG_AGO))
    soon = col(Rotation.due_at) < now + LOOK_FIRST
    tx.session.execute(update(Rotation).where(published, soon).values(due_at=now + LOOK_FIRST))
    events.append(
        tx,
        at=now,
        actor=actor,
        action="restore-store",
        result="success",
        subject=name,
        message="Restored from a backup: credentials are tried before anything is rotated.",
    )


def into_file(draft: Path, live: Path, kept: Path) -> bool:
    """Put `draft` in the place of a SQLite store; what was there is in `kept`. False: nothing was there.

    All or nothing, whenever the process dies. Raises StoreInUse, StoreError.
    """
    if not live.exists():
        backup.place(draft, live, overwrite=False)
        return False
    try:
        with alone_in(live) as connection, translated(str(live)):
            with draft_files.beside(kept) as copy:
                with closing(sqlite3.connect(copy, isolation_level=None)) as aside:
                    connection.backup(aside)
                backup.fold(copy)
                backup.sync(copy)
                backup.place(copy, kept, overwrite=False)
            with closing(sqlite3.connect(draft)) as source:
                source.backup(connection)
    except _Unreadable:
        _swap(draft, live, kept)
    return True


class _Unreadable(Exception):
    """What is there is no database any more."""


@contextmanager
def alone_in(live: Path) -> Iterator[sqlite3.Connection]:
    """The only connection to a SQLite file; others are kept out until the end. Raises StoreInUse."""
    connection = sqlite3.connect(live, timeout=1.0, isolation_level=None)
    try:
        try:
            # Every open connection to a file with a write-ahead log holds a lock that this needs for itself.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchone()
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
            if code in _UNREADABLE:
                raise _Unreadable from None
            if code != sqlite3.SQLITE_BUSY:
                with translated(str(live)):
                    raise
            raise _in_use(str(live), users.of_file(live)) from None
        yield connection
    finally:
        connection.close()


def _swap(draft: Path, live: Path, kept: Path) -> None:
    for ending in ("-wal", "-shm", ""):
        part = live.with_name(live.name + ending)
        if part.exists():
            part.rename(kept.with_name(kept.name + ending))
    backup.place(draft, live, overwrite=False)


def into_server(draft: Path, url: str, kept: Path) -> bool:
    """The same for a store in PostgreSQL; what was there becomes a backup file."""
    address = engines.parse_url(url)
    location = engines.location_of(address)
    target = engines.make_engine(address, busy_timeout=10.0, threads=1)
    source = engines.make_engine(engines.parse_url(f"sqlite:///{draft}"), busy_timeout=10.0, threads=1)
    try:
        with translated(location), target.begin() as there, source.connect() as copy:
            had_tables = setup.bring_up_to_date(there, location)
            _refuse_others(there, location)
            there.execute(text("LOCK TABLE rotation IN ACCESS EXCLUSIVE MODE"))
            _refuse_others(there, location)  # who came while that waited
            if had_tables:
                make_private_directory(kept.parent)
                with draft_files.beside(kept) as aside:
                    backup.copy_rows(there, aside)
                    backup.sync(aside)
                    backup.place(aside, kept, overwrite=False)
            backup.transfer(copy, there)
            there.execute(text("SELECT setval(pg_get_serial_sequence('event', 'id'), max(id)) FROM event"))
            there.execute(text("SELECT setval(pg_get_serial_sequence('delivery', 'id'), max(id)) FROM delivery"))
    finally:
        target.dispose()
        source.dispose()
    return had_tables


def _refuse_others(connection: Connection, location: str) -> None:
    if others := users.of_server(connection):
        raise _in_use(location, others)


def _in_use(location: str, users: list[str]) -> StoreInUse:
    who = ", ".join(users) or "a process that this user may not see"
    return StoreInUse(
        f"The store {location} is in use by {who}. Nothing was changed.",
        remedy="Stop it first (the terminal interface, keyturn --run-scheduler), then restore again.",
    )


def _no_backup(file: Path) -> StoreUnavailable:
    return StoreUnavailable(f"{file} is no backup of a Keyturn store.", remedy="keyturn backup FILE makes one.")
