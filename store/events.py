"""The history: one line for each thing that was done, by whom, with what result."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert
from sqlmodel import SQLModel, col, select

from store.database import Tx
from store.tables import Event

SUBJECT_MAX = 128
MESSAGE_MAX = 1024


_APPEND = insert(SQLModel.metadata.tables["event"])


def append(
    tx: Tx,
    *,
    at: datetime,
    actor: str,
    action: str,
    result: str,
    subject: str,
    rotation_id: str | None = None,
    message: str = "",
) -> None:
    """Texts are cut to the width of their columns; none may hold a secret."""
    line = {
        "at": at,
        "actor": _cut(actor, 64),
        "action": _cut(action, 64),
        "result": _cut(result, 16),
        "rotation_id": rotation_id,
        "subject": _cut(subject, SUBJECT_MAX),
        "message": _cut(message, MESSAGE_MAX),
    }
    tx.connection.execute(_APPEND, line)


def recent(tx: Tx, limit: int, rotation_id: str | None = None, after_id: int | None = None) -> list[Event]:
    """The newest, newest first. With `after_id` only what came after it, for following."""
    query = select(Event)
    if rotation_id is not None:
        query = query.where(Event.rotation_id == rotation_id)
    if after_id is not None:
        query = query.where(col(Event.id) > after_id)
    return list(tx.session.exec(query.order_by(col(Event.id).desc()).limit(limit)))


def _cut(text: str, width: int) -> str:
    # PostgreSQL takes no NUL, and neither wants one in a line of history.
    text = text.replace("\0", "")
    return text if len(text) <= width else text[: width - 1] + "…"
