"""How many runs the coming days hold: crowded nights are to be seen before they come. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from app.rotation.schedule import runs_until
from app.views import RotationRow

DAYS = 30
CROWD = 3
"""Fewer runs in one night are never called a crowd."""


@dataclass(frozen=True)
class Night:
    """One day of the local calendar; `rows` have a run in it, once for each run, the first to run first."""

    day: date
    rows: tuple[RotationRow, ...]


def nights(rows: Iterable[RotationRow], now: datetime, days: int = DAYS) -> tuple[Night, ...]:
    """From the day of `now` on, each run that is scheduled; what is overdue runs today."""
    today = now.astimezone().date()
    starts = [datetime.combine(today + timedelta(days=n), time()).astimezone() for n in range(days + 1)]
    moments, end = [start.timestamp() for start in starts], starts[-1]
    found: list[list[tuple[float, RotationRow]]] = [[] for _ in range(days)]
    for row in rows:
        if row.next_at is None or row.next_at >= end:
            continue
        for run in runs_until(end, row.next_at, row.scheduled_at, row.interval_days, now):
            moment = run.timestamp()
            found[bisect_right(moments, moment) - 1].append((moment, row))
    for runs in found:
        runs.sort(key=_moment)
    return tuple(Night(start.date(), tuple(row for _, row in runs)) for start, runs in zip(starts, found, strict=False))


def crowded(counts: list[int]) -> set[int]:
    """Which of these days stand out: at least twice as many runs as a day has on average, and no fewer than CROWD."""
    least = max(CROWD, 2 * sum(counts) / len(counts)) if counts else 0
    return {index for index, count in enumerate(counts) if count >= least}


def _moment(run: tuple[float, RotationRow]) -> float:
    return run[0]
