"""Turns what the database driver says into our errors: what happened, what to do, and never a bound value."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from store.errors import Conflict, StoreError, StoreUnavailable
from store.soundness import nonsense

_LOCKED = (
    "Another process holds it for too long. Find it (a stuck Keyturn, a backup, a database browser), then try again."
)
_FULL = "Free some space on its disk. Nothing was written; Keyturn goes on by itself once there is room."

# Primary result codes of SQLite.
_SQLITE: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_BUSY: ("is locked", _LOCKED),
    sqlite3.SQLITE_LOCKED: ("is locked", _LOCKED),
    sqlite3.SQLITE_FULL: ("cannot be written: the disk is full", _FULL),
    sqlite3.SQLITE_READONLY: (
        "is read-only",
        "Run Keyturn as the user the store belongs to, on a file system that is mounted writable.",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "cannot be opened",
        "Its directory must exist and be writable for this user, as must the files beside it (-wal, -shm).",
    ),
    sqlite3.SQLITE_PERM: (
        "cannot be opened: permission denied",
        "Run Keyturn as the user the store belongs to.",
    ),
    sqlite3.SQLITE_NOTADB: (
        "is not a Keyturn store: the file is no SQLite database",
        "Give the path of the store, or restore it from a backup: keyturn restore FILE.",
    ),
    sqlite3.SQLITE_CORRUPT: (
        "is damaged",
        "Restore it from a backup: keyturn restore FILE. Then check its disk.",
    ),
    sqlite3.SQLITE_IOERR: (
        "cannot be read or written: the disk reported an error",
        "Check the disk's space and health (df, dmesg), then start again.",
    ),
}

# SQLSTATEs of PostgreSQL; the two-letter ones are whole classes.
_POSTGRESQL: dict[str, tuple[str, str]] = {
    "55P03": ("is locked", _LOCKED),
    "57014": ("took too long to answer", "Look at the server's load, and for sessions that block others."),
    "40P01": ("was too busy: transactions kept blocking each other", "Try again."),
    "40001": ("was too busy: transactions kept overtaking each other", "Try again."),
    "25006": ("is read-only", "Point KEYTURN_DATABASE_URL at the primary server, not at a standby."),
    "25P03": ("ended a transaction that stood still for too long", "Try again."),
    "53100": ("cannot be written: the server's disk is full", _FULL),
    "53300": ("has no connection left", "Raise max_connections at the server or end what holds them."),
    "28": (
        "refused the login",
        "Check user and password in KEYTURN_DATABASE_URL and the server's pg_hba.conf.",
    ),
    "3D": ("does not exist", "Create it: CREATE DATABASE ..., or mend the name in KEYTURN_DATABASE_URL."),
    "42501": (
        "refused for lack of rights",
        "The user must own the database, or its schema, to create and use tables.",
    ),
    "42": (
        "does not hold the tables expected",
        "Use a database of its own for Keyturn, or restore a backup.",
    ),
    "08": ("cannot be reached", "Check the network and that the server runs."),
    "53": ("has run out of resources", "Look at the server's log."),
    "57": ("ended the session", "The server is starting or stopping; try again in a moment."),
    "58": ("reported a system error", "Look at the server's log."),
    "XX": ("reported an internal error", "Look at the server's log; the database may be damaged."),
}

TRY_AGAIN = {"40001", "40P01"}
"""SQLSTATEs of a transaction that was broken off only because of another one."""

_UNREACHABLE = (
    "Check that the server runs and that KEYTURN_DATABASE_URL is right: host, port, database, user, password."
)


@contextmanager
def translated(location: str) -> Iterator[None]:
    """Let no driver error out. `from None`: the driver's own text may hold values."""
    try:
        yield
    except IntegrityError as error:
        raise conflict(error) from None
    except DBAPIError as error:
        raise unavailable(error, location) from None
    except UnicodeDecodeError:  # SQLite quotes a damaged schema in its complaint, which the driver cannot decode
        raise nonsense("a text that is no text") from None
    except (TypeError, ValueError) as error:
        if not _of_a_stored_value(error):
            raise
        raise nonsense("a value that does not fit its column") from None
    except sqlite3.Error as error:
        raise _of_sqlite(error, location) from None
    except PoolTimeout:
        raise StoreUnavailable(f"The store {location} is busy: no connection became free.", remedy=_LOCKED) from None


def _of_a_stored_value(error: Exception) -> bool:
    """Whether the toolkit could not make sense of what it read; everybody else's errors are none of ours."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__")).startswith("sqlalchemy.")


def locked(location: str) -> StoreUnavailable:
    return StoreUnavailable(f"The store {location} is locked.", remedy=_LOCKED)


def absent(location: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"There is no store at {location} yet.",
        remedy="The first command that is no look creates it, such as: keyturn connections list",
    )


def sqlstate(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")


def unavailable(error: DBAPIError, location: str) -> StoreError:
    if isinstance(error.orig, sqlite3.Error):
        return _of_sqlite(error.orig, location)
    state = sqlstate(error)
    if not state and isinstance(error, OperationalError | InterfaceError):
        return StoreUnavailable(f"The store {location} cannot be reached.{_first_line(error)}", remedy=_UNREACHABLE)
    happened, remedy = (
        _POSTGRESQL.get(state)
        or _POSTGRESQL.get(state[:2])
        or (
            "refused a statement",
            "This is a defect in Keyturn; please report it with the code.",
        )
    )
    return StoreUnavailable(f"The store {location} {happened} ({_code(error)}).", remedy=remedy)


def _of_sqlite(error: sqlite3.Error, location: str) -> StoreError:
    code = getattr(error, "sqlite_errorcode", None)
    name = getattr(error, "sqlite_errorname", "no code")
    known = None if code is None else _SQLITE.get(code & 0xFF)
    if str(error).startswith("Could not decode to UTF-8"):  # and goes on with the value
        return nonsense("a text that is no text")
    if known is None:
        # SQLite's own messages name tables and columns, never values.
        return StoreUnavailable(
            f"The store {location} refused a statement: {error} ({name}).",
            remedy="The file may belong to another program or be damaged; see also: keyturn doctor.",
        )
    return StoreUnavailable(f"The store {location} {known[0]} ({name}).", remedy=known[1])


def _code(error: DBAPIError) -> str:
    state = sqlstate(error)
    return f"SQLSTATE {state}" if state else type(error.orig).__name__


def _first_line(error: DBAPIError) -> str:
    """What libpq says of a failed connection: host, port, reason; it never repeats a password."""
    lines = str(error.orig).strip().splitlines()
    return f" {lines[0].strip()[:300]}" if lines else ""


def conflict(error: IntegrityError) -> Conflict:
    name = constraint_of(error)
    if name.startswith(("uq_", "pk_")):
        return Conflict(
            f"Something with the same name or id is there already ({name}).",
            remedy="Choose another name, or look at what is there: it may just have been created elsewhere.",
            constraint=name,
        )
    return Conflict(
        f"Something else in the store depends on this or is missing ({name}).",
        remedy="Remove first what uses it; if it was just deleted elsewhere, look at what is there now.",
        constraint=name,
    )


def constraint_of(error: IntegrityError) -> str:
    """The name of the broken constraint by our naming convention, on either database."""
    if not isinstance(error.orig, sqlite3.Error):
        diagnosis = getattr(error.orig, "diag", None)
        return str(getattr(diagnosis, "constraint_name", None) or getattr(diagnosis, "column_name", None) or "unnamed")
    text = str(error.orig)
    if text.startswith("FOREIGN KEY"):
        return "foreign key"
    columns = [column.strip() for column in text.partition(": ")[2].split(",")]
    table = columns[0].partition(".")[0]
    if error.orig.sqlite_errorname == "SQLITE_CONSTRAINT_PRIMARYKEY":
        return f"pk_{table}"
    names = "_".join(column.partition(".")[2] for column in columns)
    return f"uq_{table}_{names}" if text.startswith("UNIQUE") else f"{table}.{names}"
