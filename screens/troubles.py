"""What a person is told about an error, known or not."""

from __future__ import annotations

import logging

from app.errors import EXIT_FAILED, Explanation, explain

log = logging.getLogger("keyturn.tui")


def told(error: BaseException) -> Explanation:
    """The message and remedy of a known error. A defect is logged, and its own words are not shown: they may quote
    a secret.
    """
    if (known := explain(error)) is not None:
        return known
    log.error("defect: %s", type(error).__name__, exc_info=error)
    return Explanation(f"Unexpected {type(error).__name__}.", "The log file says where it happened.", EXIT_FAILED)


def in_words(error: BaseException) -> str:
    """The same in one line: what happened, and what to do."""
    found = told(error)
    return f"{found.message} {found.remedy}".strip()


def sentence(text: str) -> str:
    """A complaint about a field, which the command line prints after the field's name, as a sentence of its own."""
    first, _, _ = text.partition(" ")
    if first in ("must", "is", "a", "the", "there"):
        text = text[0].upper() + text[1:]
    return text if text.endswith((".", "!", "?", ";", ")")) else f"{text}."
