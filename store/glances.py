"""Short reads for a server's event loop, one statement each.

SQLite is asked right there, by its driver alone, which takes microseconds and waits for no writer; a database server
is asked in a thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from sqlalchemy import text

from store.database import Store, Tx
from store.failures import translated


class Glances:
    """Used by one thread at a time; close it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._connection = _connect(store.location) if store.dialect == "sqlite" else None

    async def rows(self, statement: str, **wanted: object) -> Sequence[Sequence[Any]]:
        """`statement` has ":name" where values go. Raises StoreError."""
        if self._connection is not None:
            with translated(self._store.location):
                return self._connection.execute(statement, wanted).fetchall()

        def look(tx: Tx) -> Sequence[Sequence[Any]]:
            return tx.connection.execute(text(statement), wanted).all()

        return await self._store.aread(look)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def _connect(path: str) -> sqlite3.Connection:
    with translated(path):
        address = f"file:{quote(path)}?mode=ro"
        connection = sqlite3.connect(address, uri=True, timeout=1.0, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA query_only = ON")
        return connection
