"""What came back from a receiver."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

from app.rotation.redact import MASK, redact

READ_MAX = 4096
"""Bytes that are read of what a receiver says."""
_QUOTED = 800
_SHORTEST = 4


@dataclass(frozen=True)
class Answer:
    """`asked`: seconds that the receiver wants to be left alone."""

    ok: bool
    text: str
    asked: float = 0.0


def quoted(said: bytes, secrets: Iterable[str], *, cut_before: bool = False, cut_after: bool = False) -> str:
    """As a part of a sentence, on one line, without secrets: ": text", or nothing.

    `cut_before`, `cut_after`: it was cut there, perhaps within a secret, which would not be recognised: such an end
    is left out.
    """
    hidden = {part for secret in secrets for part in (secret, *secret.splitlines())}
    text = said.decode("utf-8", "replace")
    if cut_before:
        text = text[max((_shared(secret, text) for secret in hidden), default=0) :]
    if cut_after:
        text = text[: len(text) - max((_shared(text, secret) for secret in hidden), default=0)]
    text = " ".join(redact_all(text, hidden).split())
    text = "".join(c if c.isprintable() else "·" for c in text)
    if len(text) > _QUOTED:
        text = f"…{text[-_QUOTED:]}" if cut_before else f"{text[:_QUOTED]}…"
    return f": {text}" if text else ""


def _shared(before: str, after: str) -> int:
    """How many characters at the end of one are those at the beginning of the other."""
    longest = min(len(before), len(after))
    return next((size for size in range(longest, 0, -1) if before.endswith(after[:size])), 0)


def redact_all(text: str, secrets: Iterable[str]) -> str:
    """As `redact`, which keeps the beginning alone; here the end may be what counts."""
    forms = {form for secret in secrets if len(secret) >= _SHORTEST for form in (secret, quote(secret, safe=""))}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, MASK)
    return text


def clean(text: str, secrets: Iterable[str]) -> str:
    """An error's text, on one line."""
    return redact(" ".join(text.split()), secrets)
