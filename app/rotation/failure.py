"""What follows a failed attempt: when it is tried again, and what people are told. Pure.

Transient: backed off, for as long as it takes. Permanent: tomorrow at the time of day for a scheduled run; a failed
manual run changes no schedule. An attempt is closed only when the target certainly did not change; otherwise it
stays open and is resumed before anything new.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from app.rotation import schedule
from app.rotation.schedule import TimeOfDay


@dataclass(frozen=True)
class Situation:
    """`scheduled`: the schedule started the attempt, not a person. `failures`: in a row, before this one.

    `committed`: a creation, or an edit of who is rotated: asked for once, it gets finished, whoever is left to do so.
    `emergency`: what somebody may know who must not is replaced, and a person is mending what hinders it.
    """

    now: datetime
    transient: bool
    closed: bool
    scheduled: bool
    creating: bool
    committed: bool
    failures: int
    auto_rotation: bool
    next_rotation_at: datetime | None
    time_of_day: TimeOfDay
    emergency: bool = False


@dataclass(frozen=True)
class Verdict:
    due_at: datetime | None
    retry_at: datetime | None
    next_rotation_at: datetime | None


def verdict(s: Situation, uniform: Callable[[float, float], float]) -> Verdict:
    pause_over = s.now + schedule.backoff(s.failures + 1, uniform)
    tomorrow = schedule.next_after_failure(s.now, s.time_of_day)
    if s.emergency or (s.transient and (s.scheduled or s.committed or not s.closed)):
        return Verdict(pause_over, pause_over, s.next_rotation_at)
    if s.scheduled:
        return Verdict(tomorrow, None, tomorrow)
    if s.creating:
        return Verdict(tomorrow if s.auto_rotation else None, None, None)
    due = max(s.next_rotation_at, pause_over) if s.next_rotation_at else None
    return Verdict(due, None, s.next_rotation_at)


def outlook(s: Situation, v: Verdict) -> str:
    """What still works and what comes next, in one or two sentences."""
    kept = "Nothing was changed at the target." if s.closed else "The attempt is kept and resumed before anything new."
    works = "" if s.creating else " The published credential still works."
    if v.due_at is None:
        return f"{kept}{works} It is not tried again by itself: rotate by hand once this is mended."
    return f"{kept}{works} Next try: {v.due_at:%Y-%m-%d %H:%M:%S} UTC."
