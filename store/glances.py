"""The connection of short reads in a server's event loop: SQLite's driver alone, which takes microseconds."""

from __future__ import annotations

import sqlite3
from urllib.parse import quote

from store.failures import translated

_PATIENCE = 1.0
"""Seconds; a writer holds readers up only while the log of writes is begun anew."""


def connect(path: str) -> sqlite3.Connection:
    """For any thread, and for reading alone."""
    with translated(path):
        address = f"file:{quote(path)}?mode=ro"
        connection = sqlite3.connect(
            address, uri=True, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA query_only = ON")
        return connection
