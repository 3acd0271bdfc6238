"""All rotations at once, in the columns that a list of them needs: objects of ten thousand take half a second."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import String, cast, select
from sqlmodel import SQLModel, col

from store.database import Tx
from store.soundness import RANGES, nonsense
from store.tables import Credential, Rotation

AT_ONCE = 500
"""How many rows are read in one go: between two of them other threads have their turn."""


class Glance(NamedTuple):
    """Named as in the table. `parameters` and `deletion` are the JSON as it is stored."""

    id: str
    name: str
    type: str
    folder_id: str
    connection_id: str
    active_index: int
    is_auto_rotation_enabled: bool
    rotation_interval: int
    rotation_status: str | None
    last_rotated_at: datetime | None
    next_rotation_at: datetime | None
    due_at: datetime | None
    retry_at: datetime | None
    failures: int
    lease_owner: str | None
    lease_until: float
    drift: str | None
    last_rotation_message: str | None
    parameters: str
    deletion: str | None


_TABLE = SQLModel.metadata.tables["rotation"]
_JSON = ("parameters", "deletion")
_ALL = select(
    *(cast(_TABLE.c[name], String).label(name) if name in _JSON else _TABLE.c[name] for name in Glance._fields)
).order_by(_TABLE.c.name, _TABLE.c.id)


def glances(tx: Tx) -> list[Glance]:
    """By name."""
    found = tx.connection.execute(_ALL)
    return [Glance._make(row) for rows in found.partitions(AT_ONCE) for row in rows]


def with_credentials(tx: Tx, ids: Collection[str]) -> list[tuple[Rotation, dict[int, Credential]]]:
    """Those rotations, as far as they are there, and what their slots hold."""
    held: dict[str, dict[int, Credential]] = {rotation_id: {} for rotation_id in ids}
    for credential in tx.session.scalars(select(Credential).where(col(Credential.rotation_id).in_(ids))):
        held[credential.rotation_id][credential.slot] = credential
    return [(row, held[row.id]) for row in tx.session.scalars(select(Rotation).where(col(Rotation.id).in_(ids)))]


def parameters_of(glance: Glance) -> dict[str, Any]:
    """Raises StoreUnavailable when another program wrote into the row what cannot be."""
    try:
        parameters = json.loads(glance.parameters)
    except (TypeError, ValueError):
        parameters = None
    wrong = [name for name in ("active_index", "rotation_interval") if getattr(glance, name) not in RANGES[name]]
    if not isinstance(parameters, dict):
        raise nonsense(f"parameters of rotation {glance.name!r}")
    if wrong:
        raise nonsense(f"{', '.join(wrong)} of rotation {glance.name!r}")
    return parameters
