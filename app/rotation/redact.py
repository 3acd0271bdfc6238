"""Takes secrets out of texts that targets and drivers wrote."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "•••"
_SHORTEST = 4
LONGEST_MESSAGE = 1024


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` without any of `secrets`, as they stand, URL-encoded, or quoted for SQL; cut to what the store holds."""
    forms = {
        form
        for secret in secrets
        if len(secret) >= _SHORTEST
        for form in (
            secret,
            quote(secret, safe=""),
            quote_plus(secret),
            secret.replace("'", "''"),
            secret.replace("\\", "\\\\"),
        )
    }
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, MASK)
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…"
