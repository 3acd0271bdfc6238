"""The door to our own data: one transaction per call, on SQLite or PostgreSQL."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, SQLModel

from store import engines, failures, glances, sealing
from store.engines import db_epoch
from store.errors import StoreError, StoreUnavailable, WrongKey
from store.failures import translated
from store.keyring import KeyPlaces, KeySource, load_key_ring, stamp_of
from store.sealing import KeyRing, Place
from store.setup import Opened, prepare, recognise, vouched

__all__ = ["Store", "Tx", "db_epoch", "open_store"]

T = TypeVar("T")
Begin = Callable[[], AbstractContextManager[Connection]]

_TIDY_EVERY = 64
REPEATS = 5
"""How often a transaction is tried that PostgreSQL broke off in favour of another one."""


@dataclass
class Tx:
    """One open transaction. Rows stay readable after it ended."""

    connection: Connection = field(repr=False)
    """For statements whose rows need not become objects, which is what takes most of a short transaction's time."""
    keys: KeyRing
    dialect: str
    """"sqlite" or "postgresql"."""

    @cached_property
    def session(self) -> Session:
        return Session(self.connection, expire_on_commit=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if "session" in self.__dict__:
            with self.session:
                if kind is None:
                    self.session.flush()

    def seal(self, text: str, table: str, row: str, field: str) -> bytes:
        """`row` is the row's primary key, `field` its column; the value opens nowhere else."""
        return sealing.seal(self.keys, text.encode(), Place(table, row, field))

    def unseal(self, sealed: bytes, table: str, row: str, field: str) -> str:
        return sealing.unseal(self.keys, sealed, Place(table, row, field)).decode()

    def insert_new(self, table: type[SQLModel], **columns: Any) -> None:
        """Insert a row unless a unique rule says that it is there; also when two do so at once."""
        # Each of them takes a while to import.
        if self.dialect == "postgresql":
            from sqlalchemy.dialects.postgresql import insert as into_postgresql

            self.session.execute(into_postgresql(table).values(**columns).on_conflict_do_nothing())
        else:
            from sqlalchemy.dialects.sqlite import insert as into_sqlite

            self.session.execute(into_sqlite(table).values(**columns).on_conflict_do_nothing())


class Store:
    """An open store; safe to use from any thread. Made by `open_store`.

    `read` and `write` each run a function in one transaction: committed when it returns, rolled back when it
    raises. The function may be called again after a rollback (a deadlock was broken, the keys renewed), so it
    must change nothing but the transaction. `read` sees one moment, cannot write, waits for no writer.
    A write that is not `durable` outlives the process, but perhaps not a power cut: for what would only be repeated.
    `aread` and `awrite` do the same in a thread. A cancelled awaiter leaves the transaction to itself: it is
    completed or rolled back as a whole, and whether it was is to be read from the store.
    `glance` is for a server that is asked for the same few rows all the time.
    """

    def __init__(
        self,
        engine: Engine,
        opened: Opened,
        places: KeyPlaces,
        *,
        location: str,
        busy_timeout: float,
        threads: int,
    ) -> None:
        self.engine = engine
        self.dialect = engine.dialect.name
        self.location = location
        self.created = opened.created
        self._key = opened.key
        self._places = places
        self._stamp = stamp_of(opened.key.source)
        self._busy_timeout = busy_timeout
        self._readers = engine.execution_options(**engines.READING[self.dialect])
        # SQLite has one writer at a time; queueing for it is fairer to our own threads than its polling.
        self._writer = threading.Lock() if self.dialect == "sqlite" else None
        self._kept: Connection | None = None
        self._glancing: sqlite3.Connection | None = None
        self._at_once = 0
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="keyturn-store")

    @property
    def keys(self) -> KeyRing:
        return self._key.ring

    @property
    def key_source(self) -> KeySource:
        return self._key.source

    def read(self, fn: Callable[[Tx], T]) -> T:
        return self._run(self._readers.begin, fn)

    def write(self, fn: Callable[[Tx], T], *, durable: bool = True) -> T:
        writing = partial(self._writing, engines.DURABLE if durable else engines.HASTY)
        if self._writer is None:
            return self._run(writing, fn)
        if not self._writer.acquire(timeout=self._busy_timeout):
            raise failures.locked(self.location)
        try:
            return self._run(writing, fn)
        finally:
            self._writer.release()

    @contextmanager
    def _writing(self, options: dict[str, Any]) -> Iterator[Connection]:
        """A transaction. SQLite's one writer keeps its connection, whose cache is warm, while all goes well."""
        connection, self._kept = self._kept or self.engine.connect(), None
        try:
            connection.execution_options(**options)
            with connection.begin():
                self._follow_key()
                yield connection
            if self._writer is not None:
                self._kept = connection
        finally:
            if self._kept is not connection:
                connection.close()

    async def aread(self, fn: Callable[[Tx], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.read, fn)

    async def awrite(self, fn: Callable[[Tx], T], *, durable: bool = True) -> T:
        write = partial(self.write, fn, durable=durable)
        return await asyncio.get_running_loop().run_in_executor(self._threads, write)

    async def glance(self, statement: str, **wanted: object) -> Sequence[Sequence[Any]]:
        """The rows of one short read in plain SQL, with ":name" where a value goes; times are texts on SQLite.

        SQLite is asked right here, since a thread would take ten times as long; a database server in a thread.
        """
        if self.dialect != "sqlite":
            return await self.aread(lambda tx: tx.connection.execute(text(statement), wanted).all())
        with translated(self.location):
            self._glancing = self._glancing or glances.connect(self.location)
            return self._glancing.execute(statement, wanted).fetchall()

    def write_at_once(self, fn: Callable[[Tx], T]) -> T | None:
        """As a write that is not durable, in an event loop: None, and nothing done, where it would have to wait.

        None now and then all the same, so that others tidy the log of writes; and always with a database server.
        """
        self._at_once += 1
        if self._writer is None or self._at_once % _TIDY_EVERY == 0 or not self._writer.acquire(blocking=False):
            return None
        try:
            return self._run(partial(self._writing, engines.AT_ONCE), fn)
        except StoreUnavailable:  # another process writes; what else is wrong, the ordinary way will say
            return None
        finally:
            self._writer.release()

    def reload_keys(self) -> bool:
        """Look for the key again, as `keyturn key rotate` may have added one. True: there is a new ring.

        Raises WrongKey for another store's: what it sealed, nobody could open.
        """
        key = load_key_ring(self._places)
        if key is None or key.ring == self._key.ring:
            return False
        with self._readers.connect() as connection:
            vouched(connection, key, self.location)
        self._key = key
        return True

    def _follow_key(self) -> None:
        """Seal with a new key as soon as the file holds one. What else may be wrong with it, a start will say."""
        stamp = stamp_of(self._key.source)
        if stamp != self._stamp:
            self._stamp = stamp
            with suppress(StoreError):
                self.reload_keys()

    def close(self) -> None:
        """Waits for what is running."""
        self._threads.shutdown()
        for connection in (self._kept, self._glancing):
            if connection is not None:
                connection.close()
        self.engine.dispose()

    def _run(self, begin: Begin, fn: Callable[[Tx], T]) -> T:
        for attempt in range(REPEATS):
            try:
                with translated(self.location):
                    return self._once(begin, fn, last=attempt == REPEATS - 1)
            except _Again:
                continue
            except WrongKey:
                if not self.reload_keys():
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _once(self, begin: Begin, fn: Callable[[Tx], T], *, last: bool) -> T:
        try:
            with begin() as connection, Tx(connection, self._key.ring, self.dialect) as tx:
                return fn(tx)
        except DBAPIError as error:
            if last or failures.sqlstate(error) not in failures.TRY_AGAIN:
                raise
            raise _Again from None


class _Again(Exception):
    """PostgreSQL broke the transaction off in favour of another one."""


def open_store(
    url: str,
    *,
    key: KeyPlaces,
    now: Callable[[], datetime],
    new_id: Callable[[], str],
    busy_timeout: float = 10.0,
    threads: int = 4,
    as_it_is: bool = False,
) -> Store:
    """Open the store at a SQLAlchemy URL; a new one is created with its key and the default project.

    Raises StoreUnavailable, StoreNewer, KeyMissing, KeyUnusable or WrongKey. `busy_timeout` is how many
    seconds a write waits for others; `threads` is how many `aread` and `awrite` run at once. `as_it_is`: for a look
    that changes nothing; a store that would have to be created or migrated is StoreUnavailable.
    """
    address = engines.parse_url(url)
    location = engines.location_of(address)
    if as_it_is and (file := engines.file_of(url)) is not None and not file.exists():
        raise failures.absent(location)
    with translated(location):
        engine = engines.make_engine(address, busy_timeout=busy_timeout, threads=threads)
        try:
            if as_it_is:
                opened = recognise(engine, key, location=location)
            else:
                opened = prepare(engine, key, location=location, now=now, new_id=new_id)
        except BaseException:
            engine.dispose()
            raise
    return Store(engine, opened, key, location=location, busy_timeout=busy_timeout, threads=threads)
