"""Whether the history is what was written."""

from __future__ import annotations

import re

from app.errors import UsageError
from app.operations.context import Context
from store import trail
from store.trail import Known, Verdict

_HEAD = re.compile(r"(\d{1,15}):([0-9a-f]{64})")


async def verify(context: Context, noted: str | None = None) -> Verdict:
    """Walk it from the first event to the last. `noted`: a head that was told before. Raises UsageError."""
    known = None if noted is None else _known(noted)
    return await context.store.aread(lambda tx: trail.verify(tx, known))


def head_of(verdict: Verdict) -> str:
    """As people note it."""
    return f"{verdict.count}:{verdict.head}"


def _known(text: str) -> Known:
    found = _HEAD.fullmatch(text.strip().lower())
    if found is None:
        raise UsageError(
            f"{text!r} is no head of a history.",
            remedy="It is a number, a colon and 64 digits, as keyturn events verify printed it.",
        )
    return Known(int(found[1]), found[2])
