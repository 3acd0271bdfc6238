"""Secrets of a place with their sealed values, in one statement: for a server that is asked for them all the time.

The statements are plain SQL that both databases understand (store/glances.py carries them out).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from store import sealing
from store.database import Store
from store.errors import WrongKey
from store.sealing import Place

_COLUMNS = """
SELECT secret.id, secret.name, secret.version, secret.created_at, secret.updated_at, secret.rotation_id,
       secret.sealed_details, version.id, version.version, version.sealed_value,
       project.id, environment.slug, folder.path
FROM secret JOIN folder ON folder.id = secret.folder_id
JOIN environment ON environment.id = folder.environment_id JOIN project ON project.id = environment.project_id
JOIN secret_version AS version ON version.secret_id = secret.id"""
_CURRENT = "AND version.version = secret.version"
_HERE = """
WHERE project.id = (SELECT id FROM project WHERE id = :project OR slug = :project ORDER BY id <> :project LIMIT 1)
AND environment.slug = :environment"""
_BELOW = "(folder.path = :path OR substr(folder.path, 1, :length) = :below)"

AT = f"{_COLUMNS} {_CURRENT} {_HERE} AND folder.path = :path ORDER BY secret.name"
AT_AND_BELOW = f"{_COLUMNS} {_CURRENT} {_HERE} AND {_BELOW} ORDER BY folder.path, secret.name"
NAMED = f"{_COLUMNS} {_CURRENT} {_HERE} AND folder.path = :path AND secret.name = :name"
NAMED_VERSION = f"{_COLUMNS} AND version.version = :version {_HERE} AND folder.path = :path AND secret.name = :name"
BY_ID = f"{_COLUMNS} {_CURRENT} WHERE secret.id = :id"
BY_ID_VERSION = f"{_COLUMNS} AND version.version = :version WHERE secret.id = :id"


class Served(NamedTuple):
    """A published secret; `value_version` is the version that `sealed_value` is of. Ids and times are texts."""

    id: str
    name: str
    version: int
    created_at: str
    updated_at: str
    rotation_id: str | None
    sealed_details: bytes | None
    value_id: str
    value_version: int
    sealed_value: bytes
    project_id: str
    environment: str
    path: str


def served(rows: Iterable[Sequence[Any]]) -> list[Served]:
    return [Served._make([*row[:3], _rfc3339(row[3]), _rfc3339(row[4]), *row[5:]]) for row in rows]


def value(store: Store, row: Served) -> str:
    """Raises SealBroken, WrongKey."""
    return _opened(store, row.sealed_value, Place("secret_version", row.value_id, "sealed_value"))


def details(store: Store, row: Served) -> dict[str, Any]:
    """What people tell about it. Raises SealBroken, WrongKey."""
    if row.sealed_details is None:
        return {}
    found: dict[str, Any] = json.loads(_opened(store, row.sealed_details, Place("secret", row.id, "sealed_details")))
    return found


def below(path: str) -> dict[str, object]:
    """What AT_AND_BELOW asks for besides the place. LIKE would not do: SQLite's takes small letters for large ones."""
    inside = f"{path.rstrip('/')}/"
    return {"below": inside, "length": len(inside)}


def _rfc3339(moment: datetime | str) -> str:
    """SQLite keeps texts, in UTC; PostgreSQL gives times, in the zone that the server or its database is set to."""
    text = moment if isinstance(moment, str) else moment.astimezone(UTC).isoformat(" ", timespec="microseconds")
    return f"{text[:10]}T{text[11:23]}Z"


def _opened(store: Store, sealed: bytes, place: Place) -> str:
    try:
        return sealing.unseal(store.keys, sealed, place).decode()
    except WrongKey:
        if not store.reload_keys():
            raise
        return sealing.unseal(store.keys, sealed, place).decode()
