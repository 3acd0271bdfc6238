"""Secrets that people write, no rotation: created, changed, renamed, removed; each value is a version that stays."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlmodel import select

from store.database import Tx
from store.errors import Conflict, SealBroken
from store.tables import Secret, SecretVersion


def find(tx: Tx, folder_id: str, name: str, *, lock: bool = False) -> Secret | None:
    """Of whomever; a reserved one, which holds nothing yet, too."""
    query = select(Secret).where(Secret.folder_id == folder_id, Secret.name == name)
    return tx.session.exec(query.with_for_update() if lock else query).one_or_none()


def create(
    tx: Tx,
    folder_id: str,
    name: str,
    text: str,
    details: Mapping[str, Any],
    *,
    new_id: Callable[[], str],
    now: datetime,
) -> Secret:
    """Conflict when the name is taken. `details`: what is told about it, as JSON has it."""
    row = Secret(id=new_id(), folder_id=folder_id, name=name, created_at=now, updated_at=now)
    tx.session.add(row)
    tx.session.flush()
    _add_version(tx, row, text, new_id(), now)
    set_details(tx, row, details, now)
    return row


def set_value(tx: Tx, row: Secret, text: str, *, new_id: Callable[[], str], now: datetime) -> bool:
    """A new version, unless it holds this already. Returns whether it was another one."""
    if _holds(tx, row, text):
        return False
    _add_version(tx, row, text, new_id(), now)
    return True


def set_details(tx: Tx, row: Secret, details: Mapping[str, Any], now: datetime) -> None:
    text = json.dumps(details, sort_keys=True)
    row.sealed_details = tx.seal(text, "secret", row.id, "sealed_details") if details else None
    row.updated_at = now
    tx.session.flush()


def details(tx: Tx, row: Secret) -> dict[str, Any]:
    """What is told about it; empty where nothing is."""
    if row.sealed_details is None:
        return {}
    found: dict[str, Any] = json.loads(tx.unseal(row.sealed_details, "secret", row.id, "sealed_details"))
    return found


def rename(tx: Tx, row: Secret, name: str, now: datetime) -> None:
    """It keeps its versions. Conflict when the name is taken."""
    if find(tx, row.folder_id, name) is not None:
        raise taken(name)
    row.name, row.updated_at = name, now
    tx.session.flush()


def remove(tx: Tx, row: Secret) -> None:
    """With all its versions."""
    tx.session.delete(row)
    tx.session.flush()


def taken(name: str) -> Conflict:
    return Conflict(
        f"Taken already in this folder: {name}.",
        remedy="Choose another name, or change the secret that is there.",
        constraint="uq_secret_folder_id_name",
        names=(name,),
    )


def _add_version(tx: Tx, row: Secret, text: str, version_id: str, now: datetime) -> None:
    row.version += 1
    row.updated_at = now
    sealed = tx.seal(text, "secret_version", version_id, "sealed_value")
    tx.session.add(
        SecretVersion(id=version_id, secret_id=row.id, version=row.version, sealed_value=sealed, created_at=now)
    )
    tx.session.flush()


def _holds(tx: Tx, row: Secret, text: str) -> bool:
    """One that does not open any more holds nothing: it is to be replaced, too."""
    query = select(SecretVersion).where(SecretVersion.secret_id == row.id, SecretVersion.version == row.version)
    current = tx.session.exec(query).one_or_none()
    if current is None:
        return False
    try:
        return tx.unseal(current.sealed_value, "secret_version", current.id, "sealed_value") == text
    except SealBroken:
        return False
