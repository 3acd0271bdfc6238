"""Times of day as people enter them, in the zone that they chose, and as they are kept, in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from screens import look

_TIME = re.compile(r"(\d{1,2}):(\d{2})", re.ASCII)


def to_utc(text: str, now: datetime) -> tuple[int, int] | None:
    """UTC hours and minutes of a time of day such as "03:30" in that zone, by today's clock. None: no such time."""
    found = _TIME.fullmatch(text.strip())
    if found is None or int(found[1]) > 23 or int(found[2]) > 59:
        return None
    local = now.astimezone(look.zone()).replace(hour=int(found[1]), minute=int(found[2]), tzinfo=None)
    utc = local - _offset(now)
    return utc.hour, utc.minute


def to_local(hours: int, minutes: int, now: datetime) -> str:
    """The local time of day at a time of day in UTC, by today's clock."""
    utc = now.astimezone(UTC).replace(hour=hours, minute=minutes, tzinfo=None)
    return f"{utc + _offset(now):%H:%M}"


def zone(now: datetime) -> str:
    """What the local zone is called: "CET", "UTC"."""
    return now.astimezone(look.zone()).tzname() or "local time"


def beside(text: str, now: datetime) -> str:
    """What stands beside a local time of day while it is entered."""
    utc = to_utc(text, now)
    if utc is None:
        return f"{zone(now)}, such as 03:30"
    return f"{zone(now)} = {utc[0]:02}:{utc[1]:02} UTC" if _offset(now) else "UTC"


def _offset(now: datetime) -> timedelta:
    offset = now.astimezone(look.zone()).utcoffset()
    assert offset is not None
    return offset
