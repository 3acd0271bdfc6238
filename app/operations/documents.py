"""Rows turned into the documented objects and into views for people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

from app.contract import ConnectionRef, EnvironmentRef, FolderRef, Guard, RotateAtUtc, SecretRotation
from app.rotation import expiry
from app.rotation.status import status_of
from app.views import AttemptView, RotationDetail, RotationRow, SecretView, SlotView, StepView
from providers.base import Provider
from providers.registry import UnknownType, provider
from store import connections, projects, rotations, secrets
from store.database import Tx
from store.projects import FolderPlace
from store.soundness import nonsense
from store.tables import Attempt, Connection, Credential, Rotation, Secret

T = TypeVar("T")

HISTORY_SHOWN = 50


def document(row: Rotation, place: FolderPlace, connection: Connection) -> SecretRotation:
    """The documented `secretRotation` object; after a transient failure `nextRotationAt` is the retry."""
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
        next_rotation_at=row.retry_at or row.next_rotation_at,
        is_last_rotation_manual=row.is_last_rotation_manual,
        project_id=place.project.id,
        connection=ConnectionRef(app=connection.app, name=connection.name, id=connection.id),
        environment=EnvironmentRef(slug=place.environment.slug, name=place.environment.name, id=place.environment.id),
        folder=FolderRef(id=place.folder.id, path=place.folder.path),
        guard=Guard.model_validate({"policy": row.guard, "waitHours": row.guard_wait_hours}),
    )


def document_of(tx: Tx, row: Rotation) -> SecretRotation:
    return document(row, _there(projects.places_of(tx, [row.folder_id]), row.folder_id), _connection_of(tx, row))


def documents_of(tx: Tx, rows: list[Rotation]) -> list[SecretRotation]:
    places = projects.places_of(tx, (r.folder_id for r in rows))
    known = {c.id: c for c in connections.list_all(tx)}
    return [document(row, _there(places, row.folder_id), _there(known, row.connection_id)) for row in rows]


def rows_of(tx: Tx, rows: list[Rotation], now: datetime) -> tuple[RotationRow, ...]:
    places = projects.places_of(tx, (r.folder_id for r in rows))
    known = {c.id: c for c in connections.list_all(tx)}
    ends = rotations.expiries(tx)
    return tuple(
        row_of(r, _there(places, r.folder_id), _there(known, r.connection_id).name, now, ends.get(r.id)) for r in rows
    )


def row_of(
    row: Rotation, place: FolderPlace, connection: str, now: datetime, expires_at: datetime | None
) -> RotationRow:
    kind = provider_or_none(row.type)
    ending = expiry.warning(row, expires_at) if expiry.expiring(row, expires_at, now) else ""
    published = row.last_rotated_at is not None
    return RotationRow(
        id=row.id,
        name=row.name,
        type=row.type,
        type_title=kind.title if kind else row.type,
        project=place.project.slug,
        environment=place.environment.slug,
        path=place.folder.path,
        connection=connection,
        status=status_of(row, now, expires_at),
        active_identity=_identity(kind, row, row.active_index) if published else "",
        next_at=row.retry_at or row.next_rotation_at,
        last_rotated_at=row.last_rotated_at,
        last_result=row.rotation_status or "",
        last_message=row.drift or row.last_rotation_message or ending,
        failures=row.failures,
    )


def detail_of(tx: Tx, row: Rotation, now: datetime) -> RotationDetail:
    kind = provider_or_none(row.type)
    credentials = rotations.credentials(tx, row.id)
    return RotationDetail(
        row=row_of(
            row,
            _there(projects.places_of(tx, [row.folder_id]), row.folder_id),
            _connection_of(tx, row).name,
            now,
            rotations.expiry(tx, row),
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
        slots=tuple(_slot(kind, row, slot, credentials.get(slot)) for slot in (0, 1)),
        secrets=tuple(secret_view(s, row.name, kind) for s in secrets.of_rotation(tx, row.id) if s.version > 0),
        attempts=tuple(attempt_view(kind, row, attempt) for attempt in rotations.attempts(tx, row.id, HISTORY_SHOWN)),
    )


def _connection_of(tx: Tx, row: Rotation) -> Connection:
    connection = connections.get(tx, row.connection_id)
    if connection is None:
        raise nonsense("a rotation whose connection is not there")
    return connection


def _there(found: Mapping[str, T], row_id: str) -> T:
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
        identity=_identity(kind, row, attempt.slot),
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


def _identity(kind: Provider | None, row: Rotation, slot: int) -> str:
    return kind.identity(kind.parameters.model_validate(row.parameters), slot) if kind else ""
