"""When rotations run. Pure functions of dates; all in UTC, so daylight saving never matters.

`next_after_manual` is Infisical's documented rule, where a creation counts as a manual run. A scheduled run counts
from its scheduled time instead of the time it ended, so nothing drifts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MAX_INTERVAL_DAYS = 3650
FIRST_BACKOFF = timedelta(seconds=30)
LONGEST_BACKOFF = timedelta(hours=1)


@dataclass(frozen=True)
class TimeOfDay:
    """UTC; hours 0-23, minutes 0-59."""

    hours: int = 0
    minutes: int = 0

    def on(self, day: datetime) -> datetime:
        return day.astimezone(UTC).replace(hour=self.hours, minute=self.minutes, second=0, microsecond=0)


def next_after_manual(rotated_at: datetime, interval_days: int, at: TimeOfDay) -> datetime:
    """After a creation or a manual run: at least `interval_days` full days later, at the time of day."""
    rotated_at = rotated_at.astimezone(UTC)
    pad = (rotated_at.hour, rotated_at.minute) >= (at.hours, at.minutes)
    return at.on(rotated_at) + timedelta(days=interval_days + pad)


def next_after_scheduled(scheduled_for: datetime, interval_days: int, at: TimeOfDay, now: datetime) -> datetime:
    """The next run of the same series after a run due at `scheduled_for` was carried out at `now`.

    A late run skips what it missed, and also a next run so near that the credential just replaced would live less
    than half an interval more: the overlap is the promise.
    """
    interval = timedelta(days=interval_days)
    following = at.on(scheduled_for) + interval
    earliest = now + interval / 2
    if following < earliest:
        following += interval * -((following - earliest) // interval)
    return following


def next_after_failure(now: datetime, at: TimeOfDay) -> datetime:
    """A permanent failure is tried again tomorrow at the time of day (documented 5.1)."""
    return at.on(now) + timedelta(days=1)


def next_when_enabled(last_rotated_at: datetime, was_manual: bool, interval_days: int, at: TimeOfDay) -> datetime:
    """After auto-rotation was switched on or the schedule edited; may lie in the past, which means now."""
    if was_manual:
        return next_after_manual(last_rotated_at, interval_days, at)
    return at.on(last_rotated_at) + timedelta(days=interval_days)


def backoff(failures: int, uniform: Callable[[float, float], float]) -> timedelta:
    """How long to wait after the `failures`-th transient failure in a row: doubling, jittered, 30 s to 1 h."""
    ceiling = min(FIRST_BACKOFF * 2 ** min(failures, 12), LONGEST_BACKOFF).total_seconds()
    return timedelta(seconds=uniform(max(FIRST_BACKOFF.total_seconds(), ceiling / 2), ceiling))


def upcoming(first: datetime, interval_days: int, count: int) -> list[datetime]:
    return [first + timedelta(days=interval_days * n) for n in range(count)]


def runs_until(
    end: datetime, next_at: datetime, scheduled_at: datetime | None, interval_days: int, now: datetime
) -> list[datetime]:
    """When a rotation runs from `now` to before `end`, if every run goes well.

    `next_at` is the next one, be it a retry; what is overdue runs now. `scheduled_at` is the next one by schedule.
    """
    first = max(next_at, now)
    if first >= end:
        return []
    series = (scheduled_at or first).astimezone(UTC)
    following = next_after_scheduled(series, interval_days, TimeOfDay(series.hour, series.minute), first)
    days = max(-((following - end) // timedelta(days=interval_days)), 0)
    return [first, *upcoming(following, interval_days, days)]


def end_of_inactive(
    next_rotation_at: datetime | None, last_rotated_at: datetime | None, interval_days: int, now: datetime
) -> datetime:
    """Until when the inactive credential is promised to work: the next run, or one interval from the last one."""
    if next_rotation_at is not None:
        return next_rotation_at
    return max(now, last_rotated_at + timedelta(days=interval_days)) if last_rotated_at is not None else now
