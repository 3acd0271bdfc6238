"""What everything that is done under one lease shares, and how it is told to whoever listens."""

from __future__ import annotations

import contextlib
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.errors import Postponed
from app.rotation.failpoints import reached
from app.rotation.lease import Held
from app.views import Progress
from providers.base import (
    Credential,
    Provider,
    Target,
)
from store.database import Store
from store.jobs import Job, OpenAttempt, StoredCredential
from store.steps import StepDone
from store.tables import Attempt

Clock = Callable[[], datetime]
Listener = Callable[[Progress], None]
Ahead = Callable[[str], Awaitable[None]]
"""Awaited with a rotation's id before its new credential is published; raises nothing, and takes a few seconds at most.
"""


@dataclass(frozen=True)
class Surroundings:
    """What the attempts of one piece of work share."""

    store: Store
    clock: Clock
    random: random.Random
    held: Held
    job: Job
    provider: Provider
    target: Target
    listener: Listener
    ahead: Ahead
    force: bool = False
    """A person insists: the guard warns instead of waiting."""


@dataclass
class Telling:
    """Times one step and counts its tries."""

    step: str
    started_at: datetime
    _start: float = field(default_factory=time.perf_counter)
    tries: int = 0
    note: str = ""
    detail: Mapping[str, Any] | None = None

    @property
    def ms(self) -> float:
        return (time.perf_counter() - self._start) * 1000

    def done(self) -> StepDone:
        return StepDone(self.step, self.started_at, self.ms, max(self.tries, 1), self.note, self.detail)


def identity_of(around: Surroundings, row: Attempt) -> str:
    """Whom an attempt is for."""
    return around.provider.identity(around.provider.parameters.model_validate(row.parameters), row.slot)


def tell(around: Surroundings, row: Attempt, identity: str, timing: Telling, state: str) -> None:
    """Tell the listener how far a step is."""
    around.listener(
        Progress(
            rotation_id=row.rotation_id,
            rotation=around.job.rotation.name,
            attempt_id=row.id,
            slot=row.slot,
            identity=identity,
            step=timing.step,
            state=state,
            at=around.clock(),
            ms=timing.ms,
            message=timing.note,
        )
    )


@contextlib.contextmanager
def telling(around: Surroundings, row: Attempt, step: str, identity: str | None = None) -> Iterator[Telling]:
    """Tell the listener that a step starts, and how it ended. `identity` is worked out unless it is given."""
    timing, identity = Telling(step, around.clock()), identity or identity_of(around, row)
    tell(around, row, identity, timing, "started")
    reached(f"{step}.before")
    try:
        yield timing
    except Postponed:
        tell(around, row, identity, timing, "postponed")
        raise
    except BaseException:
        tell(around, row, identity, timing, "failed")
        raise
    tell(around, row, identity, timing, "done")


def secrets_of(job: Job, provider: Provider) -> list[str]:
    """Every secret value that an error text of this work might quote."""
    credentials = list(job.credentials.values())
    for attempt in (*job.retiring, *([job.open] if job.open else [])):
        credentials += parts_of(attempt)
    values = [c.values[name] for c in credentials for name in provider.secret_fields if name in c.values]
    return [*values, *job.connection_secrets.values()]


def parts_of(attempt: OpenAttempt) -> list[StoredCredential]:
    return [part for part in (attempt.candidate, attempt.issued, attempt.previous) if part]


def new_id(source: random.Random) -> str:
    return str(uuid.UUID(int=source.getrandbits(128), version=4))


def credential_of(stored: StoredCredential) -> Credential:
    return Credential(stored.values, stored.expires_at)
