"""Credentials that the target lets expire: nobody is to find out by an outage."""

from __future__ import annotations

from datetime import datetime, timedelta

from store import events, outbox, rotations
from store.database import Tx
from store.overview import Glance
from store.tables import Rotation

ACTION = "secret-rotation-expiry"
WATCH = timedelta(days=14)
"""How long before its end a credential that nothing will replace is called expiring."""


def dies_first(rotation: Rotation | Glance, expires_at: datetime | None) -> bool:
    """Whether the published credential expires before the next run."""
    next_at = rotation.next_rotation_at
    return expires_at is not None and (next_at is None or next_at >= expires_at)


def expiring(rotation: Rotation | Glance, expires_at: datetime | None, now: datetime) -> bool:
    """The same, and soon."""
    return expires_at is not None and dies_first(rotation, expires_at) and expires_at < now + WATCH


def warning(rotation: Rotation | Glance, expires_at: datetime | None) -> str:
    """What people are told, empty when the next run comes in time."""
    if expires_at is None or not dies_first(rotation, expires_at):
        return ""
    why = "the next run comes later" if rotation.next_rotation_at else "no run is scheduled before"
    return f"The published credential expires at {expires_at:%Y-%m-%d %H:%M} UTC, and {why}."


def ending(rotation: Rotation | Glance, expires_at: datetime | None, now: datetime) -> str:
    """The same, once it is expiring."""
    return warning(rotation, expires_at) if expiring(rotation, expires_at, now) else ""


def tell(tx: Tx, rotation: Rotation, now: datetime, actor: str) -> None:
    """Write an event when the published credential is expiring, once."""
    expires_at = rotations.expiry(tx, rotation)
    if expires_at is None or not expiring(rotation, expires_at, now):
        return
    message = warning(rotation, expires_at)
    if not any(
        event.action == ACTION and event.message == message and event.at >= expires_at - WATCH
        for event in events.recent(tx, 100, rotation.id)
    ):
        append(tx, rotation, message, now, actor)


def append(tx: Tx, rotation: Rotation, message: str, now: datetime, actor: str) -> None:
    events.append(
        tx,
        at=now,
        actor=actor,
        action=ACTION,
        result="warning",
        subject=rotation.name,
        rotation_id=rotation.id,
        message=message,
    )
    once = f"expiring {rotation.id} {rotations.expiry(tx, rotation)}"
    outbox.tell(tx, outbox.EXPIRING, rotation, at=now, actor=actor, message=message, occurrence=once)
