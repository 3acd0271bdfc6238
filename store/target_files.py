"""Files that are kept up with what is published: what is to be written where, and how that went."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import delete, update
from sqlmodel import col, select

from store.database import Tx
from store.errors import SealBroken
from store.tables import TargetFile

_DEFINED = (
    "name",
    "kind",
    "rotation_id",
    "folder_id",
    "host",
    "file",
    "mode",
    "owner",
    "options",
    "reload",
    "signal",
)

ANY = "SELECT 1 FROM target_file WHERE rotation_id = :rotation LIMIT 1"
"""To be asked at a glance: whether a rotation has files of its own."""


def add(tx: Tx, row: TargetFile) -> TargetFile:
    """Conflict when the name is taken."""
    row.sealed_definition = tx.seal(_definition(row), "target_file", row.id, "sealed_definition")
    tx.session.add(row)
    tx.session.flush()
    return row


def find(tx: Tx, id_or_name: str) -> TargetFile | None:
    """An id wins over a name that looks like it."""
    query = select(TargetFile).where((col(TargetFile.id) == id_or_name) | (col(TargetFile.name) == id_or_name))
    return min(tx.session.exec(query), key=lambda row: row.id != id_or_name, default=None)


def of_rotation(tx: Tx, rotation_id: str, kinds: Collection[str]) -> list[TargetFile]:
    query = select(TargetFile).where(TargetFile.rotation_id == rotation_id, col(TargetFile.kind).in_(kinds))
    return list(tx.session.exec(query))


def genuine(tx: Tx, row: TargetFile) -> bool:
    """Whether the row is as it was added: with the key at hand, and by nobody else."""
    try:
        return tx.unseal(row.sealed_definition, "target_file", row.id, "sealed_definition") == _definition(row)
    except SealBroken:
        return False


def list_all(tx: Tx) -> list[TargetFile]:
    """By name."""
    return list(tx.session.exec(select(TargetFile).order_by(col(TargetFile.name))))


def note(tx: Tx, row_id: str, **columns: Any) -> None:
    """How it went; nothing when it was removed meanwhile."""
    tx.session.execute(update(TargetFile).where(col(TargetFile.id) == row_id).values(**columns))


def remove(tx: Tx, row_id: str) -> None:
    tx.session.execute(delete(TargetFile).where(col(TargetFile.id) == row_id))


def _definition(row: TargetFile) -> str:
    return json.dumps({name: getattr(row, name) for name in _DEFINED}, sort_keys=True)
