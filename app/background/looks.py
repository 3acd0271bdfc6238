"""How all rotations are, looked at now and then: for systemd's status line and the metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from app.service import Service
from app.views import RotationRow, Snapshot, Status
from store import rotations


@dataclass(frozen=True)
class Look:
    """`oldest`: when the oldest live credential of each rotation was issued, by the rotation's id."""

    snapshot: Snapshot
    oldest: Mapping[str, datetime]

    @property
    def counts(self) -> Counter[Status]:
        return Counter(row.status for row in self.snapshot.rows)

    @property
    def next_row(self) -> RotationRow | None:
        """What runs next."""
        planned = [(row.next_at, row.name, row) for row in self.snapshot.rows if row.next_at is not None]
        return min(planned, key=lambda one: one[:2])[2] if planned else None


async def look(service: Service, before: Look | None) -> Look:
    """Raises StoreError."""
    snapshot = await service.rotations.snapshot(before.snapshot if before else None)
    issued = await service.store.aread(rotations.issued)
    return Look(snapshot, {key: min(one.issued_at for one in held) for key, held in issued.items()})


def sentence(seen: Look) -> str:
    """The line that `systemctl status` shows: "12 rotations, 1 failing; next: billing at 2026-11-22 03:00 UTC"."""
    number = len(seen.snapshot.rows)
    if not number:
        return "No rotations yet."
    urgent = (Status.FAILING, Status.OVERDUE, Status.EXPIRING, Status.ROTATING)
    parts = [f"{number} rotation{'s' if number != 1 else ''}"]
    parts += [f"{seen.counts[status]} {status}" for status in urgent if seen.counts[status]]
    row = seen.next_row
    if row is None or row.next_at is None:
        return f"{', '.join(parts)}; none is scheduled."
    return f"{', '.join(parts)}; next: {row.name} at {row.next_at:%Y-%m-%d %H:%M} UTC."
