"""The history: one line for each thing that was done, by whom, with what result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlmodel import SQLModel, col, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from store import trail
from store.database import Tx
from store.tables import Event

SUBJECT_MAX = 128
MESSAGE_MAX = 1024


_APPEND = insert(SQLModel.metadata.tables["event"])


@dataclass(frozen=True)
class Line:
    """One line of history. Texts are cut to the width of their columns; none may hold a secret."""

    at: datetime
    actor: str
    action: str
    result: str
    subject: str
    rotation_id: str | None = None
    message: str = ""


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
    """As a Line says."""
    append_all(tx, [Line(at, actor, action, result, subject, rotation_id, message)])


def append_all(tx: Tx, lines: Sequence[Line]) -> None:
    """In this order."""
    rows: list[dict[str, Any]] = [
        {
            "at": line.at,
            "actor": _cut(line.actor, 64),
            "action": _cut(line.action, 64),
            "result": _cut(line.result, 16),
            "rotation_id": line.rotation_id,
            "subject": _cut(line.subject, SUBJECT_MAX),
            "message": _cut(line.message, MESSAGE_MAX),
        }
        for line in lines
    ]
    hashes = trail.extend(tx, rows)
    tx.connection.execute(_APPEND, [{**row, "hash": digest} for row, digest in zip(rows, hashes, strict=True)])


def recent(
    tx: Tx,
    limit: int,
    rotation_id: str | None = None,
    after_id: int | None = None,
    *,
    before_id: int | None = None,
    words: Sequence[str] = (),
) -> list[Event]:
    """The newest, newest first: those after one id, before another (for the next page), that hold all of the words."""
    query = _chosen(rotation_id, words)
    if after_id is not None:
        query = query.where(col(Event.id) > after_id)
    if before_id is not None:
        query = query.where(col(Event.id) < before_id)
    return list(tx.session.exec(query.order_by(col(Event.id).desc()).limit(limit)))


def following(
    tx: Tx, after_id: int, limit: int, rotation_id: str | None = None, *, words: Sequence[str] = ()
) -> list[Event]:
    """What came after that id, oldest first."""
    query = _chosen(rotation_id, words).where(col(Event.id) > after_id)
    return list(tx.session.exec(query.order_by(col(Event.id)).limit(limit)))


def _chosen(rotation_id: str | None, words: Sequence[str]) -> SelectOfScalar[Event]:
    query = select(Event)
    if rotation_id is not None:
        query = query.where(Event.rotation_id == rotation_id)
    for word in words:
        fields = (Event.actor, Event.action, Event.result, Event.subject, Event.message)
        query = query.where(or_(*(col(field).icontains(word, autoescape=True) for field in fields)))
    return query


def _cut(text: str, width: int) -> str:
    # PostgreSQL takes no NUL, and neither wants one in a line of history.
    text = text.replace("\0", "")
    return text if len(text) <= width else text[: width - 1] + "…"
