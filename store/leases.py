"""The lease on a rotation: owner, fence, expiry by the database's clock.

Every write of an attempt names its lease and happens only while that still stands in the row, so a process that was
stopped and woke up late cannot overwrite a successor.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, not_, or_, select, update
from sqlmodel import SQLModel, col

from store.database import Tx, db_epoch
from store.errors import LeaseBusy, LeaseLost
from store.tables import Rotation

_ROTATION = SQLModel.metadata.tables["rotation"]

LONGEST_LEASE = 3660.0
"""Seconds; no process takes one for longer. What ends later was taken before the clock was set back."""
_FREE = or_(_ROTATION.c.lease_until < db_epoch(), _ROTATION.c.lease_until > db_epoch() + LONGEST_LEASE)


@dataclass(frozen=True)
class Lease:
    rotation_id: str
    owner: str
    fence: int


def claim(tx: Tx, rotation_id: str, owner: str, seconds: float) -> Lease:
    """Take the lease of one rotation. Raises LeaseBusy while somebody else holds it."""
    lease = _take(tx, rotation_id, owner, seconds)
    if lease is None:
        raise LeaseBusy(
            "Another process is working on this rotation; nothing was done.",
            remedy="Wait for it to finish (at most a minute if it has died) and try again.",
        )
    return lease


def claim_due(
    tx: Tx, owner: str, now: datetime, seconds: float, limit: int, *, not_with: Collection[str] = ()
) -> list[Lease]:
    """Take the leases of rotations that are due at `now` and free, the longest waiting first.

    None that shares its connection with one of `not_with`.
    """
    due = (
        select(col(Rotation.id))
        .where(col(Rotation.due_at) <= now, _FREE, *_elsewhere(not_with))
        .order_by(col(Rotation.due_at))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list(tx.session.scalars(due))
    taken = (_take(tx, rotation_id, owner, seconds) for rotation_id in ids)
    return [lease for lease in taken if lease]


def seconds_to_next(tx: Tx, now: datetime, *, not_with: Collection[str] = ()) -> float | None:
    """How long until `claim_due` finds something: a due time comes, or the lease of something due runs out."""
    elsewhere = _elsewhere(not_with)
    free = tx.session.scalar(select(func.min(Rotation.due_at)).where(_FREE, *elsewhere))
    leased = tx.session.scalar(
        select(func.min(Rotation.lease_until) - db_epoch()).where(not_(_FREE), col(Rotation.due_at) <= now, *elsewhere)
    )
    waits = [(free - now).total_seconds()] if free else []
    return min(waits + ([float(leased)] if leased is not None else []), default=None)


def _elsewhere(not_with: Collection[str]) -> list[ColumnElement[bool]]:
    if not not_with:
        return []
    theirs = select(col(Rotation.connection_id)).where(col(Rotation.id).in_(not_with))
    return [col(Rotation.connection_id).not_in(theirs)]


_TAKE = (
    update(_ROTATION)
    .where(_ROTATION.c.id == bindparam("rotation"), _FREE)
    .values(
        lease_owner=bindparam("owner"),
        fence=_ROTATION.c.fence + 1,
        lease_until=db_epoch() + bindparam("seconds"),
    )
    .returning(_ROTATION.c.fence)
)


def _take(tx: Tx, rotation_id: str, owner: str, seconds: float) -> Lease | None:
    fence = tx.connection.scalar(_TAKE, {"rotation": rotation_id, "owner": owner, "seconds": seconds})
    return None if fence is None else Lease(rotation_id, owner, fence)


def renew(tx: Tx, lease: Lease, seconds: float) -> None:
    """Raises LeaseLost when somebody else has taken over."""
    if tx.connection.execute(_RENEW, {**marks(lease), "seconds": seconds}).rowcount != 1:
        raise lost()


def release(tx: Tx, lease: Lease) -> None:
    """Give the lease back; one that is lost already stays with its new owner."""
    _update(tx, lease, lease_owner=None, lease_until=0.0)


def taken_over(tx: Tx, lease: Lease) -> bool:
    """Whether somebody else has had the lease since; otherwise it was given back, or the rotation was deleted."""
    fence = tx.session.scalar(select(_ROTATION.c.fence).where(_ROTATION.c.id == lease.rotation_id))
    return fence is not None and fence != lease.fence


def hold(tx: Tx, lease: Lease) -> Rotation:
    """The rotation's row, locked for this transaction. Raises LeaseLost."""
    row = tx.session.get(Rotation, lease.rotation_id, populate_existing=True, with_for_update=True)
    if row is None or row.fence != lease.fence or row.lease_owner != lease.owner:
        raise lost()
    return row


_HELD = and_(
    _ROTATION.c.id == bindparam("held_rotation"),
    _ROTATION.c.fence == bindparam("held_fence"),
    _ROTATION.c.lease_owner == bindparam("held_owner"),
)
HELD_ROW = select(_ROTATION.c.id).where(_HELD).with_for_update()
"""The row behind a lease, locked while that holds; its parameters are `marks`."""
_UPDATE = update(_ROTATION).where(_HELD)
_RENEW = _UPDATE.values(lease_until=db_epoch() + bindparam("seconds"))


def marks(lease: Lease) -> dict[str, Any]:
    """What tells whether a lease still holds."""
    return {"held_rotation": lease.rotation_id, "held_fence": lease.fence, "held_owner": lease.owner}


def lost() -> LeaseLost:
    """What to raise when it does not."""
    return LeaseLost("The lease on this rotation ran out and somebody else took over; nothing was written.")


def lock(tx: Tx, lease: Lease) -> None:
    """Lock the rotation's row for this transaction, like `hold`, without reading it."""
    if tx.connection.scalar(HELD_ROW, marks(lease)) is None:
        raise lost()


def _update(tx: Tx, lease: Lease, **values: Any) -> bool:
    return tx.connection.execute(_UPDATE, {**marks(lease), **values}).rowcount == 1


def write(tx: Tx, lease: Lease, **values: Any) -> None:
    if not _update(tx, lease, **values):
        raise lost()
