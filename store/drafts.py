"""Unfinished wizards, one of a kind: a dropped line or a crash loses no input. Never a secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete
from sqlmodel import col, select

from store.database import Tx
from store.tables import Draft


def save(tx: Tx, kind: str, *, step: int, data: Mapping[str, Any], now: datetime, new_id: Callable[[], str]) -> Draft:
    """Replaces the former draft of this kind."""
    tx.insert_new(Draft, id=new_id(), kind=kind, step=step, data=dict(data), updated_at=now)
    draft = tx.session.exec(select(Draft).where(Draft.kind == kind).with_for_update()).one()
    draft.step, draft.data, draft.updated_at = step, dict(data), now
    tx.session.flush()
    return draft


def load(tx: Tx, kind: str) -> Draft | None:
    return tx.session.exec(select(Draft).where(Draft.kind == kind)).one_or_none()


def discard(tx: Tx, kind: str) -> None:
    tx.session.execute(delete(Draft).where(col(Draft.kind) == kind))
