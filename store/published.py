"""What is published, read with the SQLite driver alone: for programs that start often and need nothing else.

Whatever is not plainly in order is answered with None, and nothing is changed: then the ordinary way opens the store
and says what is wrong. A store in PostgreSQL is always read in the ordinary way.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from store.errors import StoreError
from store.keyring import KeyPlaces, load_key_ring
from store.revision import HEAD
from store.sealing import KeyRing, Place, unseal

T = TypeVar("T")

_SQLITE = "sqlite:///"
_PATIENCE = 1.0
"""Seconds; a writer holds readers up only while the log of writes is begun anew."""
_PROJECT = "SELECT id FROM project WHERE id = ?1 OR slug = ?1 ORDER BY id <> ?1 LIMIT 1"
_FOLDER = """
SELECT folder.id FROM folder JOIN environment ON environment.id = folder.environment_id
WHERE environment.project_id = ? AND environment.slug = ? AND folder.path = ?"""
_ROTATION = """
SELECT id, type FROM rotation
WHERE id = ?1 OR name = ?1 AND NOT EXISTS (SELECT 1 FROM rotation AS other WHERE other.id = ?1)"""
_CURRENT = """
SELECT secret.name, secret.field, version.id, version.sealed_value
FROM secret JOIN secret_version AS version ON version.secret_id = secret.id AND version.version = secret.version"""


@dataclass(frozen=True)
class Source:
    """Which store and which key: the address of the store as in the settings, and where its key is looked for."""

    url: str = field(repr=False)
    keys: KeyPlaces

    @property
    def file(self) -> Path | None:
        """None when the store is not plainly an SQLite file."""
        path = self.url.removeprefix(_SQLITE)
        # What follows a "?" are options of a driver that is not used here.
        return None if path == self.url or not path or path.startswith(":") or "?" in path else Path(path)


def stamp(source: Source) -> object:
    """Something else as soon as somebody has written to the store's file; None when it is no file."""
    file = source.file
    if file is None:
        return None
    return tuple(_stamp_of(path) for path in (file, file.with_name(f"{file.name}-wal")))


def values(source: Source, project: str, environment: str, path: str) -> dict[str, str] | None:
    """Name to value of all that is published in a folder, by name."""

    def look(reader: _Reader) -> dict[str, str] | None:
        folder = reader.folder(project, environment, path)
        if folder is None:
            return None
        found = reader.rows(f"{_CURRENT} WHERE secret.folder_id = ? ORDER BY secret.name", folder)
        return {name: reader.opened(version, sealed) for name, _, version, sealed in found}

    return _looked(source, look)


def value(source: Source, project: str, environment: str, path: str, name: str) -> str | None:
    """One published value. No other one is opened."""

    def look(reader: _Reader) -> str | None:
        folder = reader.folder(project, environment, path)
        if folder is None:
            return None
        found = reader.rows(f"{_CURRENT} WHERE secret.folder_id = ? AND secret.name = ?", folder, name)
        return reader.opened(*found[0][2:]) if found else None

    return _looked(source, look)


def of_rotation(source: Source, ref: str, kind: str) -> dict[str, str] | None:
    """Credential field to published value of the one rotation of that id or name, when it is of that type."""

    def look(reader: _Reader) -> dict[str, str] | None:
        found = reader.rows(_ROTATION, ref)
        if len(found) != 1 or found[0][1] != kind:
            return None
        mapped = reader.rows(f"{_CURRENT} WHERE secret.rotation_id = ? AND secret.field IS NOT NULL", found[0][0])
        return {name: reader.opened(version, sealed) for _, name, version, sealed in mapped}

    return _looked(source, look)


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


@dataclass(frozen=True)
class _Reader:
    connection: sqlite3.Connection = field(repr=False)
    ring: KeyRing = field(repr=False)

    def rows(self, query: str, *wanted: str) -> list[tuple[str, str, str, bytes]]:
        return self.connection.execute(query, wanted).fetchall()

    def folder(self, project: str, environment: str, path: str) -> str | None:
        """Its id."""
        for (project_id,) in self.connection.execute(_PROJECT, (project,)):
            wanted = project_id, environment, "/" + path.strip("/")
            for (folder_id,) in self.connection.execute(_FOLDER, wanted):
                return str(folder_id)
        return None

    def opened(self, version: str, sealed: bytes) -> str:
        return unseal(self.ring, sealed, Place("secret_version", version, "sealed_value")).decode()


def _looked(source: Source, look: Callable[[_Reader], T | None]) -> T | None:
    file = source.file
    if file is None or not file.is_file():
        return None
    try:
        key = load_key_ring(source.keys)
        if key is None:
            return None
        with _reading(file) as connection:
            return look(_Reader(connection, key.ring)) if _in_order(connection, key.ring) else None
    except (sqlite3.Error, StoreError, OSError, ValueError, TypeError, AttributeError):
        # The last three are what rows lead to that another program wrote.
        return None


@contextlib.contextmanager
def _reading(file: Path) -> Iterator[sqlite3.Connection]:
    """One moment of the store; it ends, with all locks, before the values are used."""
    address = f"file:{quote(str(file.absolute()))}?mode=ro"
    connection = sqlite3.connect(address, uri=True, timeout=_PATIENCE, isolation_level=None)
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("BEGIN")
        yield connection
    finally:
        connection.close()


def _in_order(connection: sqlite3.Connection, ring: KeyRing) -> bool:
    """Whether the tables are those of this version, and the key is the right one. Raises what a wrong one leads to."""
    if connection.execute("SELECT version_num FROM alembic_version").fetchall() != [(HEAD,)]:
        return False
    canaries = connection.execute("SELECT key_id, sealed_text FROM canary").fetchall()
    for key_id, sealed in canaries:
        unseal(ring, sealed, Place("canary", key_id, "sealed_text"))
    # A new primary key that nobody has vouched for yet: opening the store in the ordinary way does that.
    return ring.primary in {key_id for key_id, _ in canaries}
