"""What a slot held before is removed from the target, by recorded id, after the new credential was published."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable

from pydantic import BaseModel

from app.rotation import schedule
from app.rotation.agenda import former_principal, principals
from app.rotation.failpoints import reached
from app.rotation.redact import redact
from app.rotation.surroundings import (
    Surroundings,
    credential_of,
    secrets_of,
    telling,
)
from providers.base import (
    TargetError,
)
from store import journal
from store.errors import LeaseLost, StoreError
from store.jobs import OpenAttempt
from store.tables import Attempt

log = logging.getLogger("keyturn.rotation")


async def retire(around: Surroundings, attempt: OpenAttempt, parameters: BaseModel) -> None:
    """Remove what the slot held before. A failure is retried later and is not a failed rotation.

    `parameters` are those of the principal it belongs to.
    """
    assert attempt.previous is not None
    row, previous = attempt.row, credential_of(attempt.previous)
    remove = _remover(around, attempt)
    try:
        with telling(around, row, "retire") as step:
            around.held.assert_fresh()
            await remove(around.target, parameters, previous)
            reached("retire.called")
            await around.store.awrite(
                lambda tx: journal.retired(tx, around.held.lease, row, step.done(), around.clock())
            )
            reached("retire.recorded")
    except TargetError as error:
        await _retire_later(around, row, redact(error.message, secrets_of(around.job, around.provider)))
    except (LeaseLost, StoreError):
        raise
    except Exception as error:  # a defect in a provider must not stop the rotation for good
        log.error("defect in step retire: %s\n%s", type(error).__name__, where(error))
        await _retire_later(around, row, f"Unexpected {type(error).__name__}; see the log.")


async def _retire_later(around: Surroundings, row: Attempt, message: str) -> None:
    now = around.clock()
    retry_at = now + schedule.backoff(row.tries + 1, around.random.uniform)
    await around.store.awrite(lambda tx: journal.retire_failed(tx, around.held.lease, row.id, message, retry_at, now))


def _remover(around: Surroundings, attempt: OpenAttempt) -> Callable[..., Awaitable[None]]:
    """A former principal's credential is revoked, as nothing overwrites it."""
    job, provider = around.job, around.provider
    identity = former_principal(attempt, provider)
    if identity is None:
        return provider.retire
    later = job.retiring[job.retiring.index(attempt) + 1 :] if attempt in job.retiring else ()
    kept = {*principals(job, provider), *(former_principal(other, provider) for other in later)}
    return _leave if identity in kept and provider.restores else provider.revoke


async def _leave(*_: object) -> None:
    """An edit brought the user back: his password was overwritten, or is promised for longer than this one was."""


def where(error: BaseException) -> str:
    """Where it happened, without the error's own words: they may quote a secret."""
    return "".join(traceback.format_tb(error.__traceback__))
