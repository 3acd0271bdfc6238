"""Writing down who is to be told of what, in the transaction of what happened: so none is lost, and none made up."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, bindparam, insert, select, update
from sqlmodel import SQLModel

from store.database import Tx
from store.tables import Rotation

PUBLISHED, FAILED, RECOVERED = "published", "failed", "recovered"
OVERDUE, EXPIRING, GUARD, DRIFT = "overdue", "expiring", "guard", "drift"
EVENTS = (PUBLISHED, FAILED, RECOVERED, OVERDUE, EXPIRING, GUARD, DRIFT)
WAITING = "waiting"
BURST = timedelta(minutes=15)
"""The same failure of one rotation is told once in so long, with a count."""
_MESSAGE_MAX = 1024

_HOOK, _DELIVERY, _FOLDER, _ENVIRONMENT, _PROJECT, _SECRET = (
    SQLModel.metadata.tables[name] for name in ("hook", "delivery", "folder", "environment", "project", "secret")
)
_SCOPES = ("rotation_id", "project_id", "environment_id", "path")
_HOOKS = select(_HOOK.c.id, _HOOK.c.events, *(_HOOK.c[name] for name in _SCOPES))
_PLACE = (
    select(
        _FOLDER.c.path,
        _ENVIRONMENT.c.id.label("environment_id"),
        _ENVIRONMENT.c.slug.label("environment"),
        _PROJECT.c.id.label("project_id"),
        _PROJECT.c.slug.label("project"),
    )
    .where(_FOLDER.c.environment_id == _ENVIRONMENT.c.id, _ENVIRONMENT.c.project_id == _PROJECT.c.id)
    .where(_FOLDER.c.id == bindparam("folder"))
)
_NAMES = select(_SECRET.c.name).where(_SECRET.c.rotation_id == bindparam("rotation")).order_by(_SECRET.c.name)
_ADD = insert(_DELIVERY)
_OF_ROTATION = and_(_DELIVERY.c.hook_id == bindparam("hook"), _DELIVERY.c.rotation_id == bindparam("rotation"))
_UNTRIED = and_(_OF_ROTATION, _DELIVERY.c.state == WAITING, _DELIVERY.c.attempts == 0)
_RELEASE = update(_DELIVERY).where(_UNTRIED, _DELIVERY.c.since > bindparam("now"))
_NEWEST = (
    select(*(_DELIVERY.c[name] for name in ("id", "event", "facts", "state", "attempts", "since")))
    .where(_OF_ROTATION, _DELIVERY.c.event.in_((PUBLISHED, FAILED, RECOVERED)))
    .order_by(_DELIVERY.c.id.desc())
    .limit(1)
    .with_for_update()
)
_COUNT = update(_DELIVERY).where(_DELIVERY.c.id == bindparam("held"))
_TOLD = select(_DELIVERY.c.id).where(
    _DELIVERY.c.hook_id == bindparam("hook"), _DELIVERY.c.occurrence == bindparam("occurrence")
)


def tell(
    tx: Tx,
    event: str,
    rotation: Rotation,
    *,
    at: datetime,
    actor: str,
    message: str,
    changed: Sequence[str] = (),
    occurrence: str = "",
    trigger: str = "",
) -> None:
    """A row for each hook that wants to know; without hooks it is one short query. Nothing secret may come in.

    `changed`: the secrets whose published values did. `occurrence`: what lasts is told to each hook once under it.
    `trigger`: why something was published, as in the attempt.
    """
    hooks = [hook for hook in tx.connection.execute(_HOOKS) if event in hook.events]
    if not hooks:
        return
    place: Any = tx.connection.execute(_PLACE, {"folder": rotation.folder_id}).first()
    hooks = [hook for hook in hooks if _concerns(hook, rotation, place)]
    if not hooks:
        return
    facts = {
        "event": event,
        "at": at.isoformat(),
        "rotation": {
            "id": rotation.id,
            "name": rotation.name,
            "type": rotation.type,
            "project": place.project if place else "",
            "environment": place.environment if place else "",
            "path": place.path if place else "",
        },
        "secrets": list(tx.connection.scalars(_NAMES, {"rotation": rotation.id})),
        "changed": sorted(changed),
        "message": message[:_MESSAGE_MAX],
        "actor": actor,
        "count": 1,
        **({"trigger": trigger} if trigger else {}),
    }
    event_id = str(uuid.uuid4())
    for hook in hooks:
        _add(tx, hook.id, rotation.id, event_id, {"id": event_id, **facts}, at, occurrence)


def wanted(tx: Tx, event: str) -> bool:
    """Whether any hook wants to know of it."""
    return any(event in hook.events for hook in tx.connection.execute(_HOOKS))


def _concerns(hook: Row[Any], rotation: Rotation, place: Any) -> bool:
    if hook.rotation_id is not None:
        return bool(hook.rotation_id == rotation.id)
    of = [name for name in _SCOPES[1:] if getattr(hook, name) is not None]
    return not of or (place is not None and all(getattr(hook, name) == getattr(place, name) for name in of))


def _add(
    tx: Tx, hook_id: str, rotation_id: str, event_id: str, facts: dict[str, Any], at: datetime, occurrence: str
) -> None:
    of = {"hook": hook_id, "rotation": rotation_id}
    due_at = at
    if facts["event"] == FAILED:
        held = _held_until(tx, of, facts, at)
        if held is None:
            return
        due_at = held
    else:  # what was held back must not come after this
        tx.connection.execute(_RELEASE, {**of, "now": at, "since": at, "due_at": at})
    if occurrence and tx.connection.execute(_TOLD, {"hook": hook_id, "occurrence": occurrence}).first():
        return
    row = {
        "hook_id": hook_id,
        "rotation_id": rotation_id,
        "event": facts["event"],
        "event_id": event_id,
        "at": at,
        "occurrence": occurrence or None,
        "facts": facts,
        "state": WAITING,
        "attempts": 0,
        "since": due_at,
        "due_at": due_at,
        "lease_until": 0.0,
        "answer": "",
    }
    tx.connection.execute(_ADD, row)


def _held_until(tx: Tx, of: dict[str, str], facts: dict[str, Any], at: datetime) -> datetime | None:
    """When a failure is to be told; None when it was counted in one that waits to be."""
    newest = tx.connection.execute(_NEWEST, of).first()
    if newest is None or newest.event != FAILED or newest.facts["message"] != facts["message"]:
        tx.connection.execute(_RELEASE, {**of, "now": at, "since": at, "due_at": at})
        return at
    if newest.state == WAITING and newest.attempts == 0:
        again = {**newest.facts, "count": newest.facts["count"] + 1, "lastAt": facts["at"]}
        tx.connection.execute(_COUNT, {"held": newest.id, "facts": again})
        return None
    until: datetime = newest.since + BURST
    return max(at, until)
