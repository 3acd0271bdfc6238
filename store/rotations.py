"""Rotations, what their slots hold, and a look at their attempts (the journal writes those)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert, update
from sqlalchemy import delete as delete_rows
from sqlmodel import SQLModel, col, select

from store.database import Tx
from store.tables import Attempt, Credential, Environment, Folder, Rotation


def add(tx: Tx, rotation: Rotation) -> Rotation:
    tx.session.add(rotation)
    tx.session.flush()
    return rotation


def get(tx: Tx, rotation_id: str, *, lock: bool = False) -> Rotation | None:
    """`lock` keeps other writers off until the transaction ends: for every read that a write follows."""
    if not lock:
        return tx.session.get(Rotation, rotation_id)
    return tx.session.get(Rotation, rotation_id, populate_existing=True, with_for_update=True)


def find(tx: Tx, folder_id: str, name: str) -> Rotation | None:
    return tx.session.exec(select(Rotation).where(Rotation.folder_id == folder_id, Rotation.name == name)).one_or_none()


def find_by_name(tx: Tx, name: str) -> list[Rotation]:
    """All of that name: it is unique in its folder only."""
    return list(tx.session.exec(select(Rotation).where(Rotation.name == name).order_by(col(Rotation.id))))


def list_all(tx: Tx, project_id: str | None = None, type: str | None = None) -> list[Rotation]:  # noqa: A002
    """By name."""
    query = select(Rotation)
    if project_id is not None:
        query = query.join(Folder, col(Folder.id) == Rotation.folder_id)
        query = query.join(Environment, col(Environment.id) == Folder.environment_id)
        query = query.where(Environment.project_id == project_id)
    if type is not None:
        query = query.where(Rotation.type == type)
    return list(tx.session.exec(query.order_by(col(Rotation.name), col(Rotation.id))))


def update_fields(tx: Tx, rotation_id: str, **columns: Any) -> Rotation:
    """Set columns by name. Raises KeyError when there is no such rotation."""
    rotation = get(tx, rotation_id, lock=True)
    if rotation is None:
        raise KeyError(rotation_id)
    unknown = columns.keys() - Rotation.model_fields.keys()
    if unknown:
        raise TypeError(f"no such columns: {', '.join(sorted(unknown))}")
    for name, value in columns.items():
        setattr(rotation, name, value)
    tx.session.flush()
    return rotation


def delete(tx: Tx, rotation_id: str) -> None:
    """With its credentials and attempts. Its secrets must have been removed or detached before."""
    tx.session.execute(delete_rows(Rotation).where(col(Rotation.id) == rotation_id))


_CREDENTIALS = select(Credential).where(col(Credential.rotation_id) == bindparam("rotation"))


def credentials(tx: Tx, rotation_id: str) -> dict[int, Credential]:
    """By slot."""
    return {row.slot: row for row in tx.session.scalars(_CREDENTIALS, {"rotation": rotation_id})}


def expiries(tx: Tx) -> dict[str, datetime]:
    """When the published credential of a rotation expires, where it does."""
    found = tx.session.execute(
        select(Credential.rotation_id, Credential.expires_at)
        .join(Rotation, col(Rotation.id) == col(Credential.rotation_id))
        .where(col(Credential.slot) == col(Rotation.active_index), col(Credential.expires_at).is_not(None))
    )
    return {rotation_id: expires_at for rotation_id, expires_at in found if expires_at is not None}


def expiry(tx: Tx, rotation: Rotation) -> datetime | None:
    """The same of one."""
    held = credentials(tx, rotation.id).get(rotation.active_index)
    return held.expires_at if held else None


class Issued(NamedTuple):
    """What may be told of a credential."""

    slot: int
    issued_at: datetime
    expires_at: datetime | None


def issued(tx: Tx) -> dict[str, list[Issued]]:
    """All that is held, by rotation and in the slots' order; no value is opened."""
    found: dict[str, list[Issued]] = {}
    columns = (col(Credential.rotation_id), col(Credential.slot), col(Credential.issued_at), col(Credential.expires_at))
    for rotation_id, *held in tx.session.execute(select(*columns).order_by(columns[1])):
        found.setdefault(rotation_id, []).append(Issued._make(held))
    return found


def credential_values(tx: Tx, row: Credential) -> dict[str, str]:
    return opened_values(tx, row.id, row.sealed_values)


def opened_values(tx: Tx, credential_id: str, sealed: bytes) -> dict[str, str]:
    values: dict[str, str] = json.loads(tx.unseal(sealed, "credential", credential_id, "sealed_values"))
    return values


_CREDENTIAL = SQLModel.metadata.tables["credential"]
_FILL = insert(_CREDENTIAL)
_REFILL = update(_CREDENTIAL).where(
    _CREDENTIAL.c.rotation_id == bindparam("of_rotation"), _CREDENTIAL.c.slot == bindparam("of_slot")
)


def put_credential(
    tx: Tx,
    *,
    id: str,  # noqa: A002 - the column's name
    rotation_id: str,
    slot: int,
    public: Mapping[str, str],
    values: Mapping[str, str],
    issued_at: datetime,
    expires_at: datetime | None,
    attempt_id: str,
) -> None:
    """Replace what a slot holds. `id` is a new one: what the row held before opens under it no more."""
    row: dict[str, Any] = {
        "id": id,
        "public": dict(public),
        "sealed_values": tx.seal(json.dumps(dict(values)), "credential", id, "sealed_values"),
        "issued_at": issued_at,
        "expires_at": expires_at,
        "attempt_id": attempt_id,
    }
    if tx.connection.execute(_REFILL, {"of_rotation": rotation_id, "of_slot": slot, **row}).rowcount == 0:
        tx.connection.execute(_FILL, {"rotation_id": rotation_id, "slot": slot, **row})


def empty_slot(tx: Tx, rotation_id: str, slot: int) -> None:
    tx.session.execute(
        delete_rows(Credential).where(col(Credential.rotation_id) == rotation_id, col(Credential.slot) == slot)
    )


def open_attempt(tx: Tx, rotation_id: str) -> Attempt | None:
    """The one to be resumed; the oldest, should there be several."""
    query = select(Attempt).where(Attempt.rotation_id == rotation_id, Attempt.state == "open")
    return tx.session.exec(query.order_by(col(Attempt.started_at), col(Attempt.id)).limit(1)).one_or_none()


def unfinished(tx: Tx, rotation_id: str) -> list[Attempt]:
    """Open attempts, and those whose former credential waits to be retired."""
    query = select(Attempt).where(Attempt.rotation_id == rotation_id, col(Attempt.state).in_(("open", "retiring")))
    return list(tx.session.exec(query.order_by(col(Attempt.started_at), col(Attempt.id))))


def attempts(tx: Tx, rotation_id: str, limit: int) -> list[Attempt]:
    """Newest first."""
    query = select(Attempt).where(Attempt.rotation_id == rotation_id)
    return list(tx.session.exec(query.order_by(col(Attempt.started_at).desc(), col(Attempt.id).desc()).limit(limit)))
