"""Hooks: who is to be told of what."""

from __future__ import annotations

import json
from typing import Any

from sqlmodel import col, select

from store.database import Tx
from store.tables import Hook


def add(tx: Tx, row: Hook, action: dict[str, Any]) -> Hook:
    """`action` is sealed into it. Raises Conflict when the name is taken."""
    row.sealed_action = tx.seal(json.dumps(action), "hook", row.id, "sealed_action")
    tx.session.add(row)
    tx.session.flush()
    return row


def action(tx: Tx, row: Hook) -> dict[str, Any]:
    """What is carried out: secrets among it."""
    opened: dict[str, Any] = json.loads(tx.unseal(row.sealed_action, "hook", row.id, "sealed_action"))
    return opened


def find(tx: Tx, id_or_name: str) -> Hook | None:
    """An id wins over a name that looks like it."""
    query = select(Hook).where((col(Hook.id) == id_or_name) | (col(Hook.name) == id_or_name))
    return min(tx.session.exec(query), key=lambda row: row.id != id_or_name, default=None)


def list_all(tx: Tx) -> list[Hook]:
    """By name."""
    return list(tx.session.exec(select(Hook).order_by(col(Hook.name))))


def remove(tx: Tx, row: Hook) -> None:
    """Its deliveries go with it."""
    tx.session.delete(row)
