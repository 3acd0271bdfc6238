"""Both credentials of a rotation renewed at once: when that was asked for, what is done of it, and its end."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import col, select

from store import events, journal, leases, outbox
from store.database import Tx
from store.jobs import EMERGENCY
from store.leases import Lease
from store.steps import StepDone
from store.tables import Attempt, Rotation

SESSIONS = "sessions"
"""The step that ends the sessions of what died."""
_ACTION = "secret-rotation-emergency"


def ask(tx: Tx, lease: Lease, *, actor: str, now: datetime) -> datetime:
    """The intent, which the loop carries out when this process dies; when it was asked for. Asked once more while it
    is under way, it goes on.
    """
    rotation = leases.hold(tx, lease)
    if rotation.emergency_since is None:
        rotation.emergency_since = rotation.updated_at = now
        _tell(
            tx, rotation, "started", "Both credentials are renewed now, and what uses the former ones is ended.", actor
        )
    rotation.due_at, rotation.retry_at, rotation.updated_at = now, None, now
    return rotation.emergency_since


def attempts(tx: Tx, rotation_id: str, since: datetime) -> list[Attempt]:
    """Those of one emergency, in the order they were begun."""
    query = select(Attempt).where(
        Attempt.rotation_id == rotation_id, Attempt.trigger == EMERGENCY, Attempt.scheduled_for == since
    )
    return list(tx.session.exec(query.order_by(col(Attempt.started_at), col(Attempt.id))))


def newest(tx: Tx, rotation_id: str) -> datetime | None:
    """When the last emergency of a rotation was asked for."""
    query = select(Attempt.scheduled_for).where(Attempt.rotation_id == rotation_id, Attempt.trigger == EMERGENCY)
    return tx.session.exec(query.order_by(col(Attempt.started_at).desc()).limit(1)).first()


def sessions_ended(tx: Tx, lease: Lease, attempt_id: str, done: StepDone, now: datetime) -> None:
    """Written to the attempt whose credential replaced the one that those sessions were opened with."""
    leases.lock(tx, lease)
    attempt = tx.session.get_one(Attempt, attempt_id)
    attempt.steps = [*attempt.steps, done.as_json()]
    attempt.updated_at = now


def held_up(tx: Tx, lease: Lease, *, message: str, retry_at: datetime, actor: str, now: datetime) -> None:
    """Both credentials are new, and something is left to be ended: it is tried again. Gives the lease back."""
    rotation = leases.hold(tx, lease)
    rotation.rotation_status, rotation.last_rotation_message = "failed", message[:1024]
    rotation.failures += 1
    rotation.due_at, rotation.retry_at, rotation.updated_at = retry_at, retry_at, now
    rotation.lease_owner, rotation.lease_until = None, 0.0
    _tell(tx, rotation, "failed", message, actor)
    outbox.tell(tx, outbox.FAILED, rotation, at=now, actor=actor, message=message)


def over(tx: Tx, lease: Lease, *, result: str, message: str, actor: str, now: datetime) -> None:
    """Everything is done. From here on the rotation runs by its schedule. Gives the lease back."""
    rotation = leases.hold(tx, lease)
    failed = rotation.rotation_status == "failed"
    rotation.emergency_since = rotation.retry_at = None
    rotation.failures, rotation.rotation_status, rotation.last_rotation_message = 0, "success", None
    rotation.due_at, rotation.updated_at = journal.next_moment(tx, rotation, rotation.next_rotation_at), now
    rotation.lease_owner, rotation.lease_until = None, 0.0
    _tell(tx, rotation, result, message, actor)
    if failed:
        outbox.tell(tx, outbox.RECOVERED, rotation, at=now, actor=actor, message=message)


def _tell(tx: Tx, rotation: Rotation, result: str, message: str, actor: str) -> None:
    events.append(
        tx,
        at=rotation.updated_at,
        actor=actor,
        action=_ACTION,
        result=result,
        subject=rotation.name,
        rotation_id=rotation.id,
        message=message,
    )
