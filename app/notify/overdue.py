"""Runs that are late: told once each, by whichever loop finds out."""

from __future__ import annotations

from datetime import datetime

from app.operations.context import Context
from app.rotation.status import GRACE, status_of
from app.views import Status
from store import lifecycle, outbox
from store.database import Tx
from store.tables import Rotation


async def tell(context: Context, told: set[str]) -> None:
    """`told` is remembered from look to look, so that a run that stays late costs nothing. Raises StoreError."""
    now = context.clock()
    late = await context.store.aread(lambda tx: _late(tx, now) if outbox.wanted(tx, outbox.OVERDUE) else [])
    found = {_occurrence(rotation) for rotation in late}
    told &= found
    if found <= told:
        return

    def write(tx: Tx) -> None:
        for rotation in _late(tx, now):
            next_at = rotation.next_rotation_at
            message = f"It was due at {next_at:%Y-%m-%d %H:%M} UTC and has not run."
            once = _occurrence(rotation)
            outbox.tell(tx, outbox.OVERDUE, rotation, at=now, actor="scheduler", message=message, occurrence=once)

    await context.store.awrite(write)
    told |= found


def _late(tx: Tx, now: datetime) -> list[Rotation]:
    return [row for row in lifecycle.late(tx, now - GRACE) if status_of(row, now) is Status.OVERDUE]


def _occurrence(rotation: Rotation) -> str:
    return f"overdue {rotation.id} {rotation.next_rotation_at}"
