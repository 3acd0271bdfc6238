"""What stands in the place of a hidden value, how long a revealed one is shown, and what is said of that beside it."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil

from screens import look

REVEALED_FOR = timedelta(seconds=30)
_LENGTH = 12


def mask() -> str:
    """Of one length, so that it does not tell the value's."""
    return look.glyphs().mask * _LENGTH


def masked_soon(masked_at: datetime, now: datetime, key: str) -> str:
    """`key` masks it at once."""
    left = max(ceil((masked_at - now).total_seconds()), 1)
    return f"  masked again in {left} s, or by {key}"
