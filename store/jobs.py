"""All that carrying out a rotation needs to know, read in one transaction and unsealed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Table, and_, bindparam, exists, inspect, select
from sqlalchemy.exc import NoResultFound
from sqlmodel import SQLModel, col

from store import rotations, soundness
from store.database import Tx
from store.tables import Attempt, Connection, Rotation

T = TypeVar("T", Rotation, Connection)

EMERGENCY = "emergency"
"""The trigger of an attempt that renews a slot in an emergency."""

# The statements that every attempt runs through are made once, below the ORM: that is half the time of a rotation.
_TABLES = ("rotation", "connection", "credential", "attempt")
_ROTATION, _CONNECTION, _CREDENTIAL, _ATTEMPT = (SQLModel.metadata.tables[name] for name in _TABLES)


@dataclass(frozen=True)
class StoredCredential:
    values: Mapping[str, str] = field(repr=False)
    expires_at: datetime | None = None


@dataclass(frozen=True)
class OpenAttempt:
    """A journaled attempt with its sealed parts opened."""

    row: Attempt
    candidate: StoredCredential
    issued: StoredCredential | None
    previous: StoredCredential | None


@dataclass(frozen=True)
class Job:
    """All that carrying out a rotation needs to know, read in one transaction."""

    rotation: Rotation
    connection: Connection
    connection_secrets: Mapping[str, str] = field(repr=False)
    credentials: Mapping[int, StoredCredential]
    credential_parameters: Mapping[int, Mapping[str, Any]]
    """The parameters each slot's credential was issued with."""
    open: OpenAttempt | None
    retiring: tuple[OpenAttempt, ...]
    renewed: frozenset[int] = frozenset()
    """The slots that were filled in the emergency under way."""


_PENDING = and_(_ATTEMPT.c.rotation_id == bindparam("rotation"), _ATTEMPT.c.state.in_(("open", "retiring")))
_PENDING_ATTEMPTS = select(Attempt).where(_PENDING).order_by(col(Attempt.started_at))
_JOB = (
    select(
        *_ROTATION.columns,
        *_CONNECTION.columns,
        exists().where(_PENDING),
        _CREDENTIAL.c.id,
        _CREDENTIAL.c.slot,
        _CREDENTIAL.c.sealed_values,
        _CREDENTIAL.c.expires_at,
        _ATTEMPT.c.parameters,
        _ATTEMPT.c.trigger,
        _ATTEMPT.c.scheduled_for,
    )
    .select_from(_ROTATION)
    .join(_CONNECTION, _CONNECTION.c.id == _ROTATION.c.connection_id)
    .outerjoin(_CREDENTIAL, _CREDENTIAL.c.rotation_id == _ROTATION.c.id)
    .outerjoin(_ATTEMPT, _ATTEMPT.c.id == _CREDENTIAL.c.attempt_id)
    .where(_ROTATION.c.id == bindparam("rotation"))
)
"""A row for each slot that is filled, one if none is."""
_CONNECTION_AT = len(_ROTATION.columns)
_REST_AT = _CONNECTION_AT + len(_CONNECTION.columns)


def load(tx: Tx, rotation_id: str) -> Job:
    """Raises NoResultFound when the rotation is gone."""
    rows = [tuple(row) for row in tx.connection.execute(_JOB, {"rotation": rotation_id})]
    if not rows:
        raise NoResultFound("No rotation was found when one was required")
    rotation = _detached(Rotation, _ROTATION, rows[0])
    connection = _detached(Connection, _CONNECTION, rows[0][_CONNECTION_AT:])
    secret_part = tx.unseal(connection.sealed_credentials, "connection", connection.id, "sealed_credentials")
    credentials, parameters, renewed, pending = {}, {}, set(), False
    for row in rows:
        pending, credential_id, slot, sealed, expires_at, issued_with, trigger, asked_at = row[_REST_AT:]
        if credential_id is not None:
            values = rotations.opened_values(tx, credential_id, sealed)
            credentials[slot] = StoredCredential(values, expires_at)
            parameters[slot] = issued_with or rotation.parameters
            if trigger == EMERGENCY and asked_at == rotation.emergency_since is not None:
                renewed.add(slot)
    attempts = (
        [opened(tx, a) for a in tx.session.scalars(_PENDING_ATTEMPTS, {"rotation": rotation_id})] if pending else []
    )
    return Job(
        rotation=rotation,
        connection=connection,
        connection_secrets=json.loads(secret_part),
        credentials=credentials,
        credential_parameters=parameters,
        open=next((a for a in attempts if a.row.state == "open"), None),
        retiring=tuple(a for a in attempts if a.row.state == "retiring"),
        renewed=frozenset(renewed),
    )


def _detached(model: type[T], table: Table, values: Sequence[Any]) -> T:
    """An object as the ORM makes it, which takes twice as long; no session knows it. Raises StoreUnavailable."""
    row: T = inspect(model).class_manager.new_instance()
    row.__dict__.update(zip(table.columns.keys(), values, strict=False))
    soundness.check(row)
    return row


_DEFAULTS = {
    name: f.default for name, f in Attempt.model_fields.items() if not f.is_required() and not f.default_factory
}


def new_attempt(**columns: Any) -> Attempt:
    """One that no session knows, for the journal to write: making it with the ORM takes as long as writing it."""
    row: Attempt = inspect(Attempt).class_manager.new_instance()
    row.__dict__.update(_DEFAULTS | columns)
    return row


def opened(tx: Tx, row: Attempt) -> OpenAttempt:
    def part(sealed: bytes | None, name: str) -> StoredCredential | None:
        return _unpack(tx.unseal(sealed, "attempt", row.id, name)) if sealed else None

    candidate = part(row.sealed_candidate, "sealed_candidate")
    assert candidate is not None
    return OpenAttempt(
        row, candidate, part(row.sealed_issued, "sealed_issued"), part(row.sealed_previous, "sealed_previous")
    )


def pack(credential: StoredCredential) -> str:
    expires = credential.expires_at.isoformat() if credential.expires_at else None
    return json.dumps({"values": dict(credential.values), "expires_at": expires})


def _unpack(text: str) -> StoredCredential:
    data = json.loads(text)
    expires = data["expires_at"]
    return StoredCredential(data["values"], datetime.fromisoformat(expires) if expires else None)
