"""What is written about a rotation outside its attempts: how it is looked after, edited, deleted."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import col, select

from store import events, journal, leases, outbox, rotations, secrets
from store.database import Tx
from store.leases import Lease
from store.tables import Rotation


def next_unchecked(tx: Tx, checked_before: datetime, now: datetime) -> Rotation | None:
    """The published rotation whose credentials nobody has tried for longest, if that is too long; it counts as tried.

    It takes no lease: a look must not keep a person waiting. What is failing or being deleted is left to others.
    """
    found = tx.session.scalars(
        select(Rotation)
        .where(
            col(Rotation.last_rotated_at).is_not(None),
            col(Rotation.deletion).is_(None),
            col(Rotation.failures) == 0,
            col(Rotation.checked_at) < checked_before,
        )
        .order_by(col(Rotation.checked_at))
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if found is not None:
        found.checked_at = now
    return found


def late(tx: Tx, before: datetime) -> list[Rotation]:
    """Published rotations that were to run before then."""
    query = select(Rotation).where(col(Rotation.next_rotation_at) < before, col(Rotation.last_rotated_at).is_not(None))
    return list(tx.session.exec(query))


def checked(tx: Tx, lease: Lease, *, drift: str | None, healed: list[str], actor: str, now: datetime) -> None:
    """What a look at both credentials found. Only what changed makes an event."""
    rotation = leases.hold(tx, lease)
    news = [("failed", drift)] if drift and drift != rotation.drift else []
    news += [("success", text) for text in healed]
    if rotation.drift and not drift:
        news.append(("success", "The published credential logs in again."))
    rotation.drift, rotation.updated_at = drift, now
    if healed:
        settle_due(tx, rotation)
    for result, message in news:
        events.append(
            tx,
            at=now,
            actor=actor,
            action="secret-rotation-check-credentials",
            result=result,
            subject=rotation.name,
            rotation_id=rotation.id,
            message=message,
        )
        outbox.tell(tx, outbox.DRIFT, rotation, at=now, actor=actor, message=message)


def withdraw_creation(tx: Tx, rotation_id: str) -> bool:
    """Forget a rotation whose creation failed before the target changed; False when there is something to keep."""
    rotation = rotations.get(tx, rotation_id, lock=True)
    if rotation is None or rotation.last_rotated_at is not None or rotation.lease_owner is not None:
        return False
    if rotations.credentials(tx, rotation_id) or rotations.open_attempt(tx, rotation_id):
        return False
    secrets.remove(tx, rotation_id)
    rotations.delete(tx, rotation_id)
    return True


def reschedule(tx: Tx, lease: Lease) -> None:
    """Nothing is left to do before the next scheduled run, but perhaps something to retire. Gives the lease back."""
    rotation = leases.hold(tx, lease)
    rotation.due_at = journal.next_moment(tx, rotation, rotation.next_rotation_at)
    rotation.lease_owner, rotation.lease_until = None, 0.0


def ask_deletion(tx: Tx, lease: Lease, *, revoke: bool, delete_secrets: bool, now: datetime) -> None:
    """The intent to delete; the loop carries it out when this process dies."""
    leases.write(tx, lease, deletion={"revoke": revoke, "delete_secrets": delete_secrets}, due_at=now)


def deletion_failed(
    tx: Tx, lease: Lease, *, message: str, retry_at: datetime | None, actor: str, now: datetime
) -> None:
    """Keep the intent when `retry_at` is given, withdraw it otherwise; give the lease back."""
    rotation = leases.hold(tx, lease)
    rotation.failures += 1
    rotation.last_rotation_message, rotation.updated_at = message[:1024], now
    rotation.retry_at, rotation.due_at = retry_at, retry_at
    if retry_at is None:
        rotation.deletion = None
        unfinished = rotations.open_attempt(tx, rotation.id) is not None
        rotation.due_at = journal.next_moment(tx, rotation, now if unfinished else rotation.next_rotation_at)
    rotation.lease_owner, rotation.lease_until = None, 0.0
    events.append(
        tx,
        at=now,
        actor=actor,
        action="delete-secret-rotation",
        result="failed",
        subject=rotation.name,
        rotation_id=rotation.id,
        message=message,
    )
    outbox.tell(tx, outbox.FAILED, rotation, at=now, actor=actor, message=message)


def delete(tx: Tx, lease: Lease, *, delete_secrets: bool, actor: str, now: datetime) -> None:
    """The rotation with its credentials and attempts; mapped secrets go too, or become plain ones."""
    rotation = leases.hold(tx, lease)
    if delete_secrets:
        secrets.remove(tx, rotation.id)
    else:
        secrets.detach(tx, rotation.id)
    events.append(
        tx,
        at=now,
        actor=actor,
        action="delete-secret-rotation",
        result="success",
        subject=rotation.name,
        rotation_id=rotation.id,
    )
    rotations.delete(tx, rotation.id)


def settle_due(tx: Tx, rotation: Rotation) -> None:
    """After an edit of the schedule: what is unfinished goes on as it was, everything else as scheduled."""
    unfinished = rotation.last_rotated_at is None or rotation.succession is not None
    unfinished = unfinished or rotation.emergency_since is not None
    if not unfinished and rotations.open_attempt(tx, rotation.id) is None:
        rotation.due_at = journal.next_moment(tx, rotation, rotation.next_rotation_at)


def succeed(tx: Tx, lease: Lease) -> None:
    """An edit of who is rotated has nothing left to issue."""
    rotation = leases.hold(tx, lease)
    if rotation.succession is not None:
        rotation.parameters, rotation.succession = rotation.succession, None
