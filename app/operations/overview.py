"""The snapshot for the dashboard, made from the one before: only what changed is made anew."""

from __future__ import annotations

from datetime import datetime

from app.operations.documents import identity_of, row_of, there
from app.rotation import expiry
from app.rotation.status import status_of
from app.views import RotationRow, Snapshot
from store import connections, overview, projects, rotations
from store.database import Tx


def snapshot(tx: Tx, now: datetime, before: Snapshot | None = None) -> Snapshot:
    """All rotations, by name. A row that reads as in `before` is the same object; so are all of them together."""
    found = overview.glances(tx)
    places = {
        folder_id: (place.project.slug, place.environment.slug, place.folder.path)
        for folder_id, place in projects.places_of(tx, {glance.folder_id for glance in found}).items()
    }
    names = {connection.id: connection.name for connection in connections.list_all(tx)}
    ends = rotations.expiries(tx)
    known = before.read if before else {}
    read: dict[str, tuple[object, RotationRow]] = {}
    for glance in found:
        expires_at = ends.get(glance.id)
        status = status_of(glance, now, expires_at)
        ending = expiry.ending(glance, expires_at, now)
        place, connection = there(places, glance.folder_id), there(names, glance.connection_id)
        made_of = (glance, status, ending, place, connection)
        if (kept := known.get(glance.id)) is not None and kept[0] == made_of:
            read[glance.id] = kept
            continue
        identity = identity_of(glance.type, overview.parameters_of(glance), glance.active_index)
        read[glance.id] = made_of, row_of(glance, place, connection, status, ending, identity)
    rows = tuple(row for _, row in read.values())
    if before is not None and len(rows) == len(before.rows) and all(map(_same, rows, before.rows)):
        rows = before.rows
    return Snapshot(now, rows, read)


def _same(one: RotationRow, other: RotationRow) -> bool:
    return one is other
