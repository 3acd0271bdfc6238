"""Copies of a store. Each is one file and an ordinary SQLite store, whatever database it came from: still sealed."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, delete, insert, select
from sqlmodel import SQLModel

from store import draft_files, engines, setup
from store.database import Store
from store.failures import translated

_AT_ONCE = 500


def write(store: Store, file: Path, *, overwrite: bool) -> None:
    """One moment of the store, while others go on working. The file appears as a whole or not at all, mode 0600.

    Raises FileExistsError unless `overwrite`, OSError when the file cannot be written, StoreError.
    """
    with draft_files.beside(file) as draft:
        if store.dialect == "sqlite":
            copy_file(Path(store.location), draft)
        else:
            store.read(lambda tx: copy_rows(tx.connection, draft))
        sync(draft)
        place(draft, file, overwrite=overwrite)


def copy_file(source: Path, copy: Path) -> None:
    """Consistent while others write: by SQLite's online backup. What is in the copy is replaced."""
    with (
        translated(str(source)),
        closing(sqlite3.connect(source, timeout=10.0)) as live,
        closing(sqlite3.connect(copy, isolation_level=None)) as target,
    ):
        live.backup(target)
    fold(copy)


def fold(file: Path) -> None:
    """Nothing of it may stand in a second file any more, nor come into being beside it when somebody looks."""
    with translated(str(file)), closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE").fetchone()


def copy_rows(source: Connection, draft: Path) -> None:
    """From tables of this version, on whatever database, into an empty file."""
    engine = engines.make_engine(engines.parse_url(f"sqlite:///{draft}"), busy_timeout=10.0, threads=1)
    try:
        with engine.execution_options(**engines.MIGRATING).connect() as target, target.begin():
            setup.create_tables(target)
            transfer(source, target)
    finally:
        engine.dispose()
    fold(draft)


def transfer(source: Connection, target: Connection) -> None:
    """All rows of all tables, in the place of what is in the target."""
    for table in reversed(SQLModel.metadata.sorted_tables):
        target.execute(delete(table))
    for table in SQLModel.metadata.sorted_tables:
        for rows in source.execute(select(table)).mappings().partitions(_AT_ONCE):
            target.execute(insert(table), [dict(row) for row in rows])


def place(draft: Path, file: Path, *, overwrite: bool) -> None:
    """Give the draft its name, safe on disk. Raises FileExistsError unless `overwrite`."""
    if overwrite:
        draft.replace(file)
    else:
        try:
            os.link(draft, file)
        except OSError as error:
            if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.ENOSYS}:
                raise
            # A file system without links: looked at just before is the best there is.
            if file.exists():
                raise FileExistsError(errno.EEXIST, "File exists", str(file)) from None
            draft.rename(file)
    sync(file.parent)


def sync(path: Path) -> None:
    """A file's or a folder's content, onto the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
