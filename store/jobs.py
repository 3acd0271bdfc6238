"""All that carrying out a rotation needs to know, read in one transaction and unsealed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, exists, select
from sqlmodel import SQLModel, col

from store import rotations
from store.database import Tx
from store.tables import Attempt, Connection, Rotation

# The statements that every attempt runs through are made once, below the ORM: that is half the time of a rotation.
_ATTEMPT, _CREDENTIAL = (SQLModel.metadata.tables[name] for name in ("attempt", "credential"))


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


_OF_ROTATION = and_(_ATTEMPT.c.rotation_id == bindparam("rotation"), _ATTEMPT.c.state.in_(("open", "retiring")))
_JOB = (
    select(Rotation, Connection, exists().where(_OF_ROTATION))
    .join(Connection, col(Connection.id) == col(Rotation.connection_id))
    .where(col(Rotation.id) == bindparam("rotation"))
)
_PENDING = select(Attempt).where(_OF_ROTATION).order_by(col(Attempt.started_at))
_STORED = (
    select(
        _CREDENTIAL.c.slot,
        _CREDENTIAL.c.id,
        _CREDENTIAL.c.sealed_values,
        _CREDENTIAL.c.expires_at,
        _ATTEMPT.c.parameters,
    )
    .outerjoin(_ATTEMPT, _ATTEMPT.c.id == _CREDENTIAL.c.attempt_id)
    .where(_CREDENTIAL.c.rotation_id == bindparam("rotation"))
)


def load(tx: Tx, rotation_id: str) -> Job:
    rotation, connection, pending = tx.session.execute(_JOB, {"rotation": rotation_id}).one()
    secret_part = tx.unseal(connection.sealed_credentials, "connection", connection.id, "sealed_credentials")
    rows = tx.session.scalars(_PENDING, {"rotation": rotation_id}).all() if pending else []
    attempts = [opened(tx, row) for row in rows]
    stored = tx.connection.execute(_STORED, {"rotation": rotation_id}).all()
    return Job(
        rotation=rotation,
        connection=connection,
        connection_secrets=json.loads(secret_part),
        credentials={
            row.slot: StoredCredential(rotations.opened_values(tx, row.id, row.sealed_values), row.expires_at)
            for row in stored
        },
        credential_parameters={row.slot: row.parameters or rotation.parameters for row in stored},
        open=next((a for a in attempts if a.row.state == "open"), None),
        retiring=tuple(a for a in attempts if a.row.state == "retiring"),
    )


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
