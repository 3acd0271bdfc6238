"""How each database is spoken to: connections, how transactions begin, and its clock."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Float, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from store.errors import StoreUnavailable
from store.keyring import make_private_directory
from store.soundness import nonsense

_MODE = "keyturn_mode"

READING: dict[str, dict[str, Any]] = {
    "sqlite": {_MODE: "read"},
    # As on SQLite: what one reader sees is one moment, and it cannot write.
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
}
"""Execution options of an engine whose transactions only read."""

DURABLE: dict[str, Any] = {_MODE: "write"}
"""Execution options of a connection whose commits are on disk when they return."""

HASTY: dict[str, Any] = {_MODE: "hasty"}
"""The same for commits that do not wait for the disk: they outlive the process, not a power cut."""

AT_ONCE: dict[str, Any] = {_MODE: "at once"}
"""The same on SQLite for a commit that waits for nobody: neither for another writer nor for the disk."""

MIGRATING: dict[str, Any] = {_MODE: "migrate"}
"""Execution options for changing tables: a rebuilt table must not take along the rows that refer to it."""


_PATIENT = {"busy_timeout": "{patience}"}
_TAKES_TIME = {**_PATIENT, "wal_autocheckpoint": "1000"}
_SQLITE_PRAGMAS = {
    "read": {"query_only": "ON", **_PATIENT},
    "write": {"query_only": "OFF", "foreign_keys": "ON", "synchronous": "FULL", **_TAKES_TIME},
    "hasty": {"query_only": "OFF", "foreign_keys": "ON", "synchronous": "NORMAL", **_TAKES_TIME},
    "at once": {
        "query_only": "OFF",
        "foreign_keys": "ON",
        "synchronous": "NORMAL",
        "busy_timeout": "0",
        "wal_autocheckpoint": "0",
    },
    "migrate": {"query_only": "OFF", "foreign_keys": "OFF", "synchronous": "FULL", **_TAKES_TIME},
}


class db_epoch(FunctionElement[float]):  # noqa: N801 - reads as the SQL function it is
    """Seconds since the epoch by the database's clock."""

    type = Float(53)
    inherit_cache = True
    name = "db_epoch"


@compiles(db_epoch, "sqlite")
def _sqlite_epoch(_element: db_epoch, _compiler: SQLCompiler, **_options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(db_epoch, "postgresql")
def _postgresql_epoch(_element: db_epoch, _compiler: SQLCompiler, **_options: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)"


def parse_url(text: str) -> URL:
    """Accepts what people write: postgres:// and postgresql:// mean the driver we use."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise _bad_address() from None
    if url.drivername in {"postgres", "postgresql"}:
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername == "postgresql+psycopg" or (
        url.drivername == "sqlite" and url.database not in {None, "", ":memory:"}
    ):
        return url
    raise _bad_address()


def location_of(url: URL) -> str:
    """For people; without the password."""
    if url.drivername == "sqlite":
        return str(url.database)
    return URL.create("postgresql", url.username, None, url.host, url.port, url.database).render_as_string()


def file_of(text: str) -> Path | None:
    """The database file of an address; None for a server's."""
    url = parse_url(text)
    return Path(str(url.database)) if url.drivername == "sqlite" else None


def make_engine(url: URL, *, busy_timeout: float, threads: int) -> Engine:
    """An engine whose transactions may write, unless told otherwise by READING."""
    if url.drivername == "sqlite":
        return _sqlite_engine(url, busy_timeout, threads)
    return _postgresql_engine(url, busy_timeout, threads)


def _sqlite_engine(url: URL, busy_timeout: float, threads: int) -> Engine:
    _prepare_file(Path(str(url.database)))
    engine = create_engine(
        url,
        hide_parameters=True,
        json_deserializer=_json,
        pool_size=threads,
        max_overflow=-1,
        pool_use_lifo=True,
        connect_args={"timeout": busy_timeout, "check_same_thread": False, "isolation_level": None},
    )

    @event.listens_for(engine, "connect")
    def on_connect(connection: sqlite3.Connection, _record: object) -> None:
        try:
            _enter_wal(connection, busy_timeout)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
        except sqlite3.Error:
            connection.close()
            raise

    patience = str(round(busy_timeout * 1000))
    pragmas = {
        mode: {name: value.format(patience=patience) for name, value in found.items()}
        for mode, found in _SQLITE_PRAGMAS.items()
    }

    # The driver would begin a transaction only before the first write, and lose what another process wrote
    # after the first read. So it stays out of it (isolation_level None); each transaction says what it is.
    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        mode = connection.get_execution_options().get(_MODE, "write")
        # By the driver itself: SQLAlchemy's own way would take longer than all the rest of a short transaction.
        driver = connection.connection
        for name, value in pragmas[mode].items():
            if driver.info.get(name) != value:
                driver.execute(f"PRAGMA {name} = {value}")
                driver.info[name] = value
        driver.execute("BEGIN" if mode == "read" else "BEGIN IMMEDIATE")

    return engine


def _postgresql_engine(url: URL, busy_timeout: float, threads: int) -> Engine:
    limits = {
        "connect_timeout": 10,
        "tcp_user_timeout": 30_000,
        "application_name": "keyturn",
    }
    engine = create_engine(
        url,
        hide_parameters=True,
        json_deserializer=_json,
        pool_size=threads,
        max_overflow=10,
        pool_pre_ping=True,
        connect_args={name: value for name, value in limits.items() if name not in url.query},
    )
    waits = {"lock_timeout": busy_timeout, "statement_timeout": 3 * busy_timeout}

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            for name, seconds in waits.items():
                cursor.execute("SELECT set_config(%s, %s, false)", (name, str(round(seconds * 1000))))
            cursor.execute("SET idle_in_transaction_session_timeout = '5min'")
        connection.commit()

    # After a reader SQLAlchemy asks for READ WRITE, over the head of a server that was set to read-only.
    @event.listens_for(engine, "checkout")
    def on_checkout(connection: Any, _record: object, _proxy: object) -> None:
        connection.read_only = None

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        if connection.get_execution_options().get(_MODE) == "hasty":
            connection.exec_driver_sql("SET LOCAL synchronous_commit = off")

    return engine


def _json(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        raise nonsense("JSON that cannot be read") from None


def _enter_wal(connection: sqlite3.Connection, busy_timeout: float) -> None:
    # SQLite need not wait for a lock when it changes the journal mode, so first starts may meet here.
    deadline = time.monotonic() + busy_timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)


def _prepare_file(path: Path) -> None:
    """A new database file is ours alone; SQLite gives its companions (-wal, -shm) the same rights."""
    try:
        make_private_directory(path.parent)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        # Neither opened nor closed here: closing it would drop this process's locks on it.
        if os.access(path, os.R_OK | os.W_OK) and os.access(path.resolve().parent, os.W_OK | os.X_OK):
            return
        raise StoreUnavailable(
            f"The store {path} is read-only for this user.",
            remedy="Run Keyturn as the user it belongs to; both file and directory must be writable.",
        ) from None
    except OSError as error:
        raise StoreUnavailable(
            f"The store {path} cannot be created: {error.strerror}.",
            remedy=f"Let this user write to the directory {path.parent}, or set KEYTURN_HOME to another one.",
        ) from None


def _bad_address() -> StoreUnavailable:
    # The address may hold a password, so it is not repeated.
    return StoreUnavailable(
        "The address of the store is not one that Keyturn understands.",
        remedy="Use sqlite:////absolute/path.db or postgresql+psycopg://user:password@host:5432/database.",
    )
