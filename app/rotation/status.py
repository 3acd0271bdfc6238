"""A rotation's state in one word, by rules kept in one place. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.rotation.expiry import expiring
from app.views import Status
from store.overview import Glance
from store.tables import Rotation

DUE_SOON = timedelta(days=1)
GRACE = timedelta(minutes=2)
"""How late a run may be before it is called overdue."""


def status_of(rotation: Rotation | Glance, now: datetime, expires_at: datetime | None = None) -> Status:
    """`expires_at`: when the published credential does, if ever."""
    creating = rotation.last_rotated_at is None
    if rotation.deletion is not None:
        return Status.DELETING
    if rotation.lease_owner and rotation.lease_until > now.timestamp():
        return Status.CREATING if creating else Status.ROTATING
    if rotation.rotation_status == "failed" or rotation.drift:
        return Status.FAILING
    if creating:
        return Status.CREATING
    if expiring(rotation, expires_at, now):
        return Status.EXPIRING
    if not rotation.is_auto_rotation_enabled or rotation.next_rotation_at is None:
        return Status.PAUSED
    if rotation.next_rotation_at < now - GRACE:
        return Status.OVERDUE
    return Status.DUE_SOON if rotation.next_rotation_at < now + DUE_SOON else Status.HEALTHY
