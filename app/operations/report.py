"""What an auditor asks for: every credential, how old it is, and whether that is as it should be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.operations.context import Context, project_by
from app.operations.documents import identity_of, next_run
from app.rotation.status import status_of
from app.views import Status
from store import connections, projects, rotations
from store.database import Tx
from store.rotations import Issued
from store.tables import Rotation

LATE = timedelta(days=1)
"""How much later than its interval a credential may be replaced."""


@dataclass(frozen=True)
class Line:
    """One credential, or a rotation that has none yet (`slot` None)."""

    rotation: str
    rotation_id: str
    type: str
    connection: str
    project: str
    environment: str
    path: str
    identity: str
    slot: int | None
    state: str
    """"active", "inactive", or "none" where nothing was issued yet."""
    issued_at: datetime | None
    age_days: int | None
    """Whole days since then."""
    interval_days: int
    compliant: bool
    why: str
    """Why it is not; empty when it is."""
    next_run_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True)
class Report:
    at: datetime
    credentials: tuple[Line, ...]


async def report(context: Context, project: str | None = None) -> Report:
    """All credentials, or those of one project. Raises NotFound."""
    now = context.clock()

    def look(tx: Tx) -> tuple[Line, ...]:
        rows = rotations.list_all(tx, project_id=None if project is None else project_by(tx, project).id)
        places = projects.places_of(tx, (row.folder_id for row in rows))
        known = {row.id: row.name for row in connections.list_all(tx)}
        held = rotations.issued(tx)
        lines: list[Line] = []
        for row in rows:
            place = places[row.folder_id]
            where = (place.project.slug, place.environment.slug, place.folder.path)
            connection = known.get(row.connection_id, "")
            slots: list[Issued | None] = [*held[row.id]] if row.id in held else [None]
            lines += [_line(row, connection, where, slot, now) for slot in slots]
        return tuple(lines)

    return Report(now, await context.store.aread(look))


def _line(row: Rotation, connection: str, where: tuple[str, str, str], held: Issued | None, now: datetime) -> Line:
    active = held is not None and held.slot == row.active_index and row.last_rotated_at is not None
    why = _why(row, now, held, active=active)
    project, environment, path = where
    return Line(
        rotation=row.name,
        rotation_id=row.id,
        type=row.type,
        connection=connection,
        project=project,
        environment=environment,
        path=path,
        identity=identity_of(row.type, row.parameters, held.slot if held else 0),
        slot=held.slot if held else None,
        state="none" if held is None else "active" if active else "inactive",
        issued_at=held.issued_at if held else None,
        age_days=max((now - held.issued_at).days, 0) if held else None,
        interval_days=row.rotation_interval,
        compliant=not why,
        why=why,
        next_run_at=next_run(row),
        expires_at=held.expires_at if held else None,
    )


def _why(row: Rotation, now: datetime, held: Issued | None, *, active: bool) -> str:
    """All reasons, the gravest first. An inactive credential was active before, so it may be two intervals old."""
    if held is None or row.last_rotated_at is None:
        return "never rotated"
    reasons = []
    if held.expires_at is not None and held.expires_at <= now:
        reasons.append("expired")
    intervals = 1 if active else 2
    if now - held.issued_at > intervals * timedelta(days=row.rotation_interval) + LATE:
        reasons.append(f"older than {'its interval' if active else 'two intervals'} and a day")
    if status_of(row, now) is Status.FAILING:
        message = row.drift or row.last_rotation_message
        reasons.append(f"failing: {message}" if message else "failing")
    if not row.is_auto_rotation_enabled:
        reasons.append("paused")
    return "; ".join(reasons)
