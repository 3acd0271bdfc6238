"""The live-use guard: what is about to die is not killed unseen. Pure.

`warn` goes on and says who will notice; `wait` looks again every quarter of an hour, up to the rotation's limit, and
then warns; `off` does not look.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from providers.base import Use
from store.tables import Rotation

OFF, WARN, WAIT = "off", "warn", "wait"
LOOK_AGAIN = timedelta(minutes=15)
NOT_OURS = "with a password that Keyturn did not set: somebody changed it, or this store was restored from a backup"
_NAMED = 3


def waits_until(rotation: Rotation, now: datetime, *, unknown: bool) -> datetime | None:
    """Until when a run is held back at the most; None when it is not, or no longer.

    `unknown`: those who use it know a password that the store does not. Nobody but them could say what would break.
    """
    if rotation.guard != WAIT and not unknown:
        return None
    limit = (rotation.guard_since or now) + timedelta(hours=rotation.guard_wait_hours)
    return limit if now < limit else None


def sentence(identity: str, uses: Sequence[Use]) -> str:
    """Who still uses a credential, in one line; empty when nobody does."""
    return f"{identity} is still in use by {listed(uses)}" if uses else ""


def listed(uses: Sequence[Use]) -> str:
    """Applications with their addresses and the number of their sessions; the first few by name."""
    named = ", ".join(_one(use) for use in uses[:_NAMED])
    more = f" and {len(uses) - _NAMED} more" if len(uses) > _NAMED else ""
    return f"{named}{more}"


def _one(use: Use) -> str:
    where = f" from {use.where}" if use.where else ""
    times = f" ({use.count} sessions)" if use.count > 1 else ""
    return f"{use.who or 'an unnamed application'}{where}{times}"
