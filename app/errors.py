"""Errors that reach a person: what happened, what still works, what to do.

Providers and the store have small hierarchies of their own; `explain` is the one table that turns any of the three
into a message and an exit code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from providers.base import Check, Problem

EXIT_FAILED, EXIT_USAGE, EXIT_NOT_FOUND, EXIT_BUSY = 1, 2, 3, 4


class KeyturnError(Exception):
    """Base: `message` says what happened, `remedy` what to do. Neither holds a secret."""

    exit_code = EXIT_FAILED

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class UsageError(KeyturnError):
    """The call itself is wrong: an unknown format, a file that cannot be read, no terminal for a question."""

    exit_code = EXIT_USAGE


class InvalidInput(UsageError):
    """Fields that do not validate, all at once. `ignored` names unknown keys: one may be a required one, misspelt."""

    def __init__(self, problems: Sequence[Problem], ignored: Sequence[str] = ()) -> None:
        super().__init__("\n".join(f"{p.field}: {p.message}" for p in problems))
        self.problems = tuple(problems)
        self.ignored = tuple(ignored)


class NotFound(KeyturnError):
    exit_code = EXIT_NOT_FOUND


class Busy(KeyturnError):
    """Somebody else is working on this rotation right now; nothing was done."""

    exit_code = EXIT_BUSY


class InUse(KeyturnError):
    """Refused because something else depends on it."""


class PreflightFailed(KeyturnError):
    """Nothing was stored or changed; each failed check names its remedy."""

    def __init__(self, checks: Sequence[Check]) -> None:
        failed = [c for c in checks if c.result == "failed"]
        super().__init__(
            "Nothing was changed. " + " ".join(f"Failed check: {c.title}. {c.detail}".rstrip() for c in failed),
            remedy="\n".join(c.remedy for c in failed if c.remedy),
        )
        self.checks = tuple(checks)


class RotationFailed(KeyturnError):
    """An attempt ended or was parked without publishing; the published credential is untouched."""


class Postponed(KeyturnError):
    """The guard holds a run back: what is about to die is still in use. Nothing was changed."""


@dataclass(frozen=True)
class Explanation:
    message: str
    remedy: str
    exit_code: int


def explain(error: BaseException) -> Explanation | None:
    """The message for people and the exit code of a known error; None for a defect."""
    if isinstance(error, KeyturnError):
        return Explanation(error.message, error.remedy, error.exit_code)
    from pydantic import ValidationError

    from providers.base import TargetError
    from providers.registry import PluginBroken, UnknownType
    from store.errors import LeaseBusy, StoreError, StoreInUse
    from store.soundness import nonsense

    if isinstance(error, LeaseBusy | StoreInUse):
        return Explanation(error.message, error.remedy, EXIT_BUSY)
    if isinstance(error, StoreError | TargetError):
        return Explanation(error.message, error.remedy, EXIT_FAILED)
    if isinstance(error, UnknownType | PluginBroken):
        return Explanation(str(error), "", EXIT_USAGE)
    if isinstance(error, ValidationError):
        # What people enter is judged where it comes in: this is what was stored. Its text would quote that.
        found = nonsense(f"a row that is not what {error.title} is")
        return Explanation(found.message, found.remedy, EXIT_FAILED)
    return None
