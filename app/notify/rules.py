"""What there is to be told of, and how long and how often delivering is tried. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from datetime import datetime, timedelta

from app.errors import UsageError
from store.outbox import DRIFT, EVENTS, EXPIRING, FAILED, GUARD, OVERDUE, PUBLISHED, RECOVERED

ABOUT = {
    PUBLISHED: "new values are published",
    FAILED: "a rotation failed",
    RECOVERED: "it works again after it failed",
    OVERDUE: "a run is late",
    EXPIRING: "the published credential expires before it is replaced",
    GUARD: "somebody still uses what is about to be replaced",
    DRIFT: "somebody changed a credential at the target, or it is set back",
}
FIRST_PAUSE, LONGEST_PAUSE = 10.0, 3600.0
"""Seconds between two tries."""
PATIENCE = timedelta(days=1)
"""For how long a delivery is tried."""
KEPT = timedelta(days=30)
"""For how long one that is over is kept."""
TIME_OUT, LONGEST_TIME_OUT = 30, 600


def events_of(text: str) -> list[str]:
    """Of "published,failed". Raises UsageError, which names what was probably meant."""
    names = list(dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip()))
    known = f"There are: {', '.join(EVENTS)}."
    if not names:
        raise UsageError("--on names no event.", remedy=known)
    for name in names:
        if name not in EVENTS:
            near = difflib.get_close_matches(name, EVENTS, 1)
            meant = f" Did you mean {near[0]}?" if near else ""
            raise UsageError(f"There is no event {name!r}.{meant}", remedy=known)
    return [name for name in EVENTS if name in names]


def pause(attempt: int, asked: float, uniform: Callable[[float, float], float]) -> timedelta:
    """Until the next try after so many. `asked`: seconds that the receiver wants us to wait at least."""
    seconds = min(FIRST_PAUSE * 2.0 ** min(attempt - 1, 20), LONGEST_PAUSE)
    longest = PATIENCE.total_seconds()
    return timedelta(seconds=max(seconds * uniform(0.8, 1.2), min(asked, longest)))


def next_try(
    since: datetime, now: datetime, attempt: int, asked: float, uniform: Callable[[float, float], float]
) -> datetime | None:
    """None when it is to be given up. The last try comes when the day is over, however long the pause is."""
    end = since + PATIENCE
    return None if now >= end else min(now + pause(attempt, asked, uniform), max(end, now + timedelta(seconds=1)))
