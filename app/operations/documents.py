"""Rows turned into the documented objects and into views for people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

from app.contract import ConnectionRef, EnvironmentRef, FolderRef, Guard, RotateAtUtc, SecretRotation
from app.rotation import expiry
from app.rotation.status import status_of
from app.views import AttemptView, RotationDetail, RotationRow, SecretView, SlotView, Status, StepView
from providers.base import Provider
from providers.registry import UnknownType, provider
from store import connections, projects, rotations, secrets
from store.database import Tx
from store.overview import Glance
from store.projects import FolderPlace
from store.soundness import nonsense
from store.tables import Attempt, Connection, Credential, Rotation, Secret

T = TypeVar("T")

HISTORY_SHOWN = 50


def next_run(row: Rotation | Glance) -> datetime | None:
    """A retry, or the next run by schedule; what was never published has no schedule yet, but is gone on with."""
    unfinished = row.due_at if row.last_rotated_at is None else None
    return row.retry_at or row.next_rotation_at or unfinished


def document(row: Rotation, place: FolderPlace, connection: Connection) -> SecretRotation:
    """The documented `secretRotation` object; `nextRotationAt` is the next run, be it a retry."""
    return SecretRotation(
        id=row.id,
        name=row.name,
        description=row.description,
        type=row.type,
        parameters=row.parameters,
        secrets_mapping=row.secrets_mapping,
        is_auto_rotation_enabled=row.is_auto_rotation_enabled,
        active_index=row.active_index,
        folder_id=row.folder_id,
        connection_id=row.connection_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        rotation_interval=row.rotation_interval,
        rotate_at_utc=RotateAtUtc(hours=row.rotate_at_hours, minutes=row.rotate_at_minutes),
        rotation_status=row.rotation_status,
        last_rotation_attempted_at=row.last_rotation_attempted_at,
        last_rotated_at=row.last_rotated_at,
        last_rotation_job_id=row.last_rotation_job_id,
        last_rotation_message=row.last_rotation_message,
        next_rotation_at=next_run(row),
        is_last_rotation_manual=row.is_last_rotation_manual,
        project_id=place.project.id,
        connection=ConnectionRef(app=connection.app, name=connection.name, id=connection.id),
        environment=EnvironmentRef(slug=place.environment.slug, name=place.environment.name, id=place.environment.id),
        folder=FolderRef(id=place.folder.id, path=place.folder.path),
        guard=Guard.model_validate({"policy": row.guard, "waitHours": row.guard_wait_hours}),
    )


def document_of(tx: Tx, row: Rotation) -> SecretRotation:
    return document(row, there(projects.places_of(tx, [row.folder_id]), row.folder_id), _connection_of(tx, row))


def documents_of(tx: Tx, rows: list[Rotation]) -> list[SecretRotation]:
    places = projects.places_of(tx, (r.folder_id for r in rows))
    known = {c.id: c for c in connections.list_all(tx)}
    return [document(row, there(places, row.folder_id), there(known, row.connection_id)) for row in rows]


def row_of(
    row: Rotation | Glance,
    place: tuple[str, str, str],
    connection: str,
    status: Status,
    ending: str,
    identity: str,
) -> RotationRow:
    """`place`: project, environment, path; `ending`: that the published credential expires; `identity`: whose it is."""
    kind = provider_or_none(row.type)
    project, environment, path = place
    return RotationRow(
        id=row.id,
        name=row.name,
        type=row.type,
        type_title=kind.title if kind else row.type,
        project=project,
        environment=environment,
        path=path,
        connection=connection,
        status=status,
        active_identity=identity if row.last_rotated_at is not None else "",
        next_at=next_run(row),
        auto_rotation=row.is_auto_rotation_enabled,
        scheduled_at=row.next_rotation_at,
        interval_days=row.rotation_interval,
        last_rotated_at=row.last_rotated_at,
        last_result=row.rotation_status or "",
        last_message=row.drift or row.last_rotation_message or ending,
        failures=row.failures,
    )


def detail_of(tx: Tx, row: Rotation, now: datetime) -> RotationDetail:
    kind = provider_or_none(row.type)
    credentials = rotations.credentials(tx, row.id)
    place = there(projects.places_of(tx, [row.folder_id]), row.folder_id)
    expires_at = rotations.expiry(tx, row)
    return RotationDetail(
        row=row_of(
            row,
            (place.project.slug, place.environment.slug, place.folder.path),
            _connection_of(tx, row).name,
            status_of(row, now, expires_at),
            expiry.ending(row, expires_at, now),
            _identity(kind, row, row.active_index),
        ),
        description=row.description or "",
        parameters=row.parameters,
        mapping=row.secrets_mapping,
        interval_days=row.rotation_interval,
        rotate_at=(row.rotate_at_hours, row.rotate_at_minutes),
        auto_rotation=row.is_auto_rotation_enabled,
        restorable=kind is not None and kind.restores,
        guard=row.guard,
        guard_wait_hours=row.guard_wait_hours,
        next_rotation_at=row.next_rotation_at,
        created_at=row.created_at,
        slots=slots_of(row, credentials),
        secrets=tuple(secret_view(s, row.name, kind) for s in secrets.of_rotation(tx, row.id) if s.version > 0),
        attempts=tuple(attempt_view(kind, row, attempt) for attempt in rotations.attempts(tx, row.id, HISTORY_SHOWN)),
        emergency_since=row.emergency_since,
    )


def slots_of(row: Rotation, held: Mapping[int, Credential]) -> tuple[SlotView, ...]:
    kind = provider_or_none(row.type)
    return tuple(_slot(kind, row, slot, held.get(slot)) for slot in (0, 1))


def _connection_of(tx: Tx, row: Rotation) -> Connection:
    connection = connections.get(tx, row.connection_id)
    if connection is None:
        raise nonsense("a rotation whose connection is not there")
    return connection


def there(found: Mapping[str, T], row_id: str) -> T:
    """Raises StoreError when it is not."""
    try:
        return found[row_id]
    except KeyError:
        raise nonsense("a rotation whose connection or folder is not there") from None


def _slot(kind: Provider | None, row: Rotation, slot: int, held: Credential | None) -> SlotView:
    active = row.last_rotated_at is not None and slot == row.active_index
    return SlotView(
        slot=slot,
        identity=_identity(kind, row, slot),
        active=active,
        known=held is not None,
        issued_at=held.issued_at if held else None,
        expires_at=held.expires_at if held else None,
        dies_at=None if active or held is None else row.next_rotation_at,
    )


def secret_view(row: Secret, rotation: str | None, kind: Provider | None) -> SecretView:
    public = kind is not None and row.field is not None and row.field not in kind.secret_fields
    return SecretView(
        name=row.name,
        version=row.version,
        updated_at=row.updated_at,
        rotation=rotation,
        field=row.field,
        secret=not public,
    )


def attempt_view(kind: Provider | None, row: Rotation, attempt: Attempt) -> AttemptView:
    return AttemptView(
        id=attempt.id,
        slot=attempt.slot,
        identity=kind.identity(kind.parameters.model_validate(attempt.parameters), attempt.slot) if kind else "",
        trigger=attempt.trigger,
        actor=attempt.actor,
        state=attempt.state,
        step=attempt.step,
        started_at=attempt.started_at,
        finished_at=attempt.finished_at,
        scheduled_for=attempt.scheduled_for,
        steps=tuple(StepView(s["step"], s["ms"], s["tries"], s.get("note", "")) for s in attempt.steps),
        message=attempt.message or "",
    )


def provider_or_none(type_name: str) -> Provider | None:
    """None for a type whose provider is not installed here: its rotations are still shown."""
    try:
        return provider(type_name)
    except UnknownType:
        return None


def identity_of(type_name: str, parameters: Mapping[str, object], slot: int) -> str:
    """Who a slot belongs to; empty when the type's provider is not installed here."""
    kind = provider_or_none(type_name)
    return kind.identity(kind.parameters.model_validate(parameters), slot) if kind else ""


def _identity(kind: Provider | None, row: Rotation, slot: int) -> str:
    return identity_of(row.type, row.parameters, slot) if kind else ""
