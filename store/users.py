"""Who else has the store open, as far as that can be seen."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import Connection, text

from store.database import Store

_SESSIONS = text(
    "SELECT pid, coalesce(host(client_addr), 'this machine') FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = 'keyturn' AND pid <> pg_backend_pid() ORDER BY pid"
)


def others(store: Store) -> list[str]:
    """Other processes of this machine, or other sessions of a server. Raises StoreError."""
    if store.dialect == "sqlite":
        return of_file(Path(store.location))
    return store.read(lambda tx: of_server(tx.connection))


def of_server(connection: Connection) -> list[str]:
    connection.execute(text("SELECT pg_stat_clear_snapshot()"))
    return [f"session {pid} from {where}" for pid, where in connection.execute(_SESSIONS)]


def of_file(file: Path) -> list[str]:
    """The processes that have it open, as far as this user may see that."""
    status = file.stat()
    found = []
    for process in (one for one in Path("/proc").glob("[0-9]*") if one.name != str(os.getpid())):
        try:
            opened = [entry.stat() for entry in (process / "fd").iterdir() if entry.exists()]
            name = (process / "comm").read_text().strip()
        except OSError:
            continue
        if any((one.st_dev, one.st_ino) == (status.st_dev, status.st_ino) for one in opened):
            found.append(f"process {process.name} ({name})")
    return found
