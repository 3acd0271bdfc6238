"""What the dashboard shows, worked out of a snapshot: for thousands of rotations in a thread, so that no key waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.rotation.nights import Night, nights
from app.views import RotationRow
from screens.dashboard.arranging import Arranged, Arrangement, arrange

AT_ONCE = 500
"""As many rotations take a few milliseconds."""


@dataclass(frozen=True)
class Prepared:
    """`of` and `chosen` are what it was made of."""

    of: Sequence[RotationRow]
    chosen: Arrangement
    arranged: Arranged
    nights: tuple[Night, ...]
    several_projects: bool


def prepare(rows: Sequence[RotationRow], chosen: Arrangement, now: datetime, before: Prepared | None) -> Prepared:
    """What has not changed since `before` is taken over."""
    same = before is not None and before.of is rows
    today = now.astimezone().date()
    return Prepared(
        rows,
        chosen,
        before.arranged if before is not None and same and before.chosen == chosen else arrange(rows, chosen),
        before.nights if before is not None and same and before.nights[0].day == today else nights(rows, now),
        len({row.project for row in rows}) > 1,
    )
