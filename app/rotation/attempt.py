"""One attempt for one slot: issue, verify, publish, retire, each committed before the next begins."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import BaseModel

from app.errors import RotationFailed
from app.rotation import failure, schedule
from app.rotation.lease import Held
from app.rotation.redact import redact
from app.rotation.schedule import TimeOfDay
from app.views import Progress
from providers.base import Credential, CredentialRefused, Issue, Outcome, Provider, Target, TargetError
from store import journal
from store.database import Store, Tx
from store.errors import LeaseLost, StoreError
from store.journal import Failure, Job, OpenAttempt, Publication, StepDone, StoredCredential
from store.tables import Attempt, Rotation

Clock = Callable[[], datetime]
Listener = Callable[[Progress], None]

SCHEDULE, MANUAL, CREATE = "schedule", "manual", "create"
_FIRST_VERIFY_PAUSE = 0.25
_LONGEST_VERIFY_PAUSE = 5.0

log = logging.getLogger("keyturn.rotation")


@dataclass(frozen=True)
class Surroundings:
    """What the attempts of one piece of work share."""

    store: Store
    clock: Clock
    random: random.Random
    held: Held
    job: Job
    provider: Provider
    parameters: BaseModel
    target: Target
    listener: Listener
    filled: set[int] = field(default_factory=set)
    """Slots that this work has filled so far."""


@dataclass
class AttemptRun:
    """Carries one journaled attempt from its step to publication. `last`: it is the one that gets published."""

    around: Surroundings
    attempt: OpenAttempt
    resumed: bool
    last: bool
    _issued: bool = field(default=False, init=False)

    @property
    def row(self) -> Attempt:
        return self.attempt.row

    async def carry_out(self) -> None:
        """Raises RotationFailed after the failure was recorded, LeaseLost, StoreError."""
        try:
            await self._steps()
        except TargetError as error:
            await self._record_failure(error)
        except (LeaseLost, StoreError, RotationFailed):
            raise
        except Exception as error:  # a defect in a provider: the journal must still say what happened
            log.error("defect in step %s: %s\n%s", self.row.step, type(error).__name__, _where(error))
            defect = TargetError(f"Unexpected {type(error).__name__}; see the log.", outcome=Outcome.UNKNOWN)
            await self._record_failure(defect, kind="defect")

    async def _steps(self) -> None:
        step, credential = self.row.step, self.attempt.issued
        if step == "issue":
            credential = await self._issue(again=self.resumed)
        assert credential is not None
        if step != "publish":
            await self._verify_or_reissue(credential, may_reissue=self.resumed and step == "verify")
        await self._publish(credential)

    async def _verify_or_reissue(self, credential: StoredCredential, *, may_reissue: bool) -> None:
        """A resumed attempt whose candidate is refused issues it once more: somebody may have changed it meanwhile."""
        try:
            await self._verify(credential)
        except CredentialRefused:
            if not may_reissue:
                raise
            await self._write(lambda tx: journal.reissue(tx, self._lease, self.row.id, self._now()))
            await self._verify(await self._issue(again=True))

    async def _issue(self, *, again: bool) -> StoredCredential:
        job, slot = self.around.job, self.row.slot
        published = job.rotation.last_rotated_at is not None
        request = Issue(
            slot=slot,
            candidate=_credential(self.attempt.candidate),
            previous=_credential(job.credentials[slot]) if slot in job.credentials else None,
            active=_credential(job.credentials[1 - slot]) if published else None,
            again=again,
        )
        with self._telling("issue") as step:
            self.around.held.assert_fresh()
            issued = await self.around.provider.issue(self.around.target, self.around.parameters, request)
            self._issued = True
            credential = StoredCredential(issued.values, issued.expires_at)
            await self._write(
                lambda tx: journal.issued(tx, self._lease, self.row.id, credential, step.done(), self._now())
            )
        return credential

    async def _verify(self, credential: StoredCredential) -> None:
        with self._telling("verify") as step:
            await self._until_verified(_credential(credential), step)
            await self._write(lambda tx: journal.verified(tx, self._lease, self.row.id, step.done(), self._now()))

    async def _until_verified(self, credential: Credential, step: Telling) -> None:
        """Log in until it worked often enough in a row. A refusal within the provider's patience means "not yet"."""
        provider = self.around.provider
        give_up_at = time.monotonic() + provider.verify_patience
        pause, successes = _FIRST_VERIFY_PAUSE, 0
        while successes < provider.verify_successes:
            step.tries += 1
            try:
                await provider.verify(self.around.target, self.around.parameters, credential)
                successes += 1
            except CredentialRefused:
                if time.monotonic() + pause > give_up_at:
                    raise
                successes = 0
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_VERIFY_PAUSE)

    async def _publish(self, credential: StoredCredential) -> None:
        rotation, row, now = self.around.job.rotation, self.row, self._now()
        provider = self.around.provider
        previous = self.around.job.credentials.get(row.slot) if provider.retires else None
        with self._telling("publish") as step:
            publication = Publication(
                attempt_id=row.id,
                slot=row.slot,
                credential=credential,
                public={k: v for k, v in credential.values.items() if k not in provider.secret_fields},
                previous=previous,
                active=self.last,
                mapped={name: credential.values[name] for name in rotation.secrets_mapping},
                manual=row.trigger != SCHEDULE,
                next_rotation_at=self._next_rotation(now),
                actor=row.actor,
                now=now,
                done=step.done(),
                new_id=lambda: new_id(self.around.random),
                last=self.last and previous is None,
            )
            await self._write(lambda tx: journal.publish(tx, self._lease, publication))
            self.around.filled.add(row.slot)
            self.around.held.returned = publication.last
        if previous is not None:
            await retire(self.around, OpenAttempt(row, self.attempt.candidate, credential, previous))

    def _next_rotation(self, now: datetime) -> datetime | None:
        rotation, row = self.around.job.rotation, self.row
        if not rotation.is_auto_rotation_enabled:
            return None
        at = time_of_day(rotation)
        if row.trigger == SCHEDULE and row.scheduled_for is not None:
            return schedule.next_after_scheduled(row.scheduled_for, rotation.rotation_interval, at, now)
        return schedule.next_after_manual(now, rotation.rotation_interval, at)

    async def _record_failure(self, error: TargetError, kind: str = "") -> None:
        rotation, row, now = self.around.job.rotation, self.row, self._now()
        transient = error.transient or kind == "defect"
        situation = failure.Situation(
            now=now,
            transient=transient,
            closed=not self.resumed and not self._issued and error.outcome is Outcome.UNCHANGED,
            scheduled=row.trigger == SCHEDULE,
            creating=rotation.last_rotated_at is None,
            half_created=rotation.last_rotated_at is None and bool(self._filled()),
            failures=rotation.failures,
            auto_rotation=rotation.is_auto_rotation_enabled,
            next_rotation_at=rotation.next_rotation_at,
            time_of_day=time_of_day(rotation),
        )
        verdict = failure.verdict(situation, self.around.random.uniform)
        message, remedy = self._redacted(error.message), self._redacted(error.remedy)
        record = Failure(
            attempt_id=row.id,
            closed=situation.closed,
            kind=kind or ("transient" if transient else "permanent"),
            message=f"{message} {remedy}".strip(),
            due_at=verdict.due_at,
            retry_at=verdict.retry_at,
            next_rotation_at=verdict.next_rotation_at,
            actor=row.actor,
            now=now,
        )
        await self._write(lambda tx: journal.fail(tx, self._lease, record))
        self.around.held.returned = True
        outlook = failure.outlook(situation, verdict)
        raise RotationFailed(message, remedy=f"{remedy}\n{outlook}".strip()) from None

    def _filled(self) -> set[int]:
        """Slots that the target has a credential of ours for, this attempt's predecessors of the same work included."""
        return self.around.filled | set(self.around.job.credentials)

    def _redacted(self, text: str) -> str:
        around = self.around
        mine = [
            value
            for part in _parts(self.attempt)
            for name, value in part.values.items()
            if name in around.provider.secret_fields
        ]
        return redact(text, [*mine, *secrets_of(around.job, around.provider)])

    @property
    def _lease(self) -> journal.Lease:
        return self.around.held.lease

    def _now(self) -> datetime:
        return self.around.clock()

    async def _write(self, work: Callable[[Tx], None]) -> None:
        await self.around.store.awrite(work)

    def _telling(self, step: str) -> contextlib.AbstractContextManager[Telling]:
        return telling(self.around, self.row, step)


async def retire(around: Surroundings, attempt: OpenAttempt) -> None:
    """Remove what the slot held before. A failure is retried later and is not a failed rotation."""
    assert attempt.previous is not None
    row, previous = attempt.row, _credential(attempt.previous)
    try:
        with telling(around, row, "retire") as step:
            around.held.assert_fresh()
            await around.provider.retire(around.target, around.parameters, previous)
            await around.store.awrite(
                lambda tx: journal.retired(tx, around.held.lease, row.id, step.done(), around.clock())
            )
    except TargetError as error:
        now = around.clock()
        message = redact(error.message, secrets_of(around.job, around.provider))
        retry_at = now + schedule.backoff(row.tries + 1, around.random.uniform)
        await around.store.awrite(
            lambda tx: journal.retire_failed(tx, around.held.lease, row.id, message, retry_at, now)
        )


@dataclass
class Telling:
    """Times one step and counts its tries."""

    step: str
    started_at: datetime
    _start: float = field(default_factory=time.perf_counter)
    tries: int = 0

    @property
    def ms(self) -> float:
        return (time.perf_counter() - self._start) * 1000

    def done(self) -> StepDone:
        return StepDone(self.step, self.started_at, self.ms, max(self.tries, 1))


@contextlib.contextmanager
def telling(around: Surroundings, row: Attempt, step: str) -> Iterator[Telling]:
    """Tell the listener that a step starts, and how it ended."""
    timing = Telling(step, around.clock())

    def tell(state: str) -> None:
        around.listener(
            Progress(
                rotation_id=row.rotation_id,
                rotation=around.job.rotation.name,
                attempt_id=row.id,
                slot=row.slot,
                identity=around.provider.identity(around.parameters, row.slot),
                step=step,
                state=state,
                at=around.clock(),
                ms=timing.ms,
            )
        )

    tell("started")
    try:
        yield timing
    except BaseException:
        tell("failed")
        raise
    tell("done")


def secrets_of(job: Job, provider: Provider) -> list[str]:
    """Every secret value that an error text of this work might quote."""
    credentials = list(job.credentials.values())
    for attempt in (*job.retiring, *([job.open] if job.open else [])):
        credentials += _parts(attempt)
    values = [c.values[name] for c in credentials for name in provider.secret_fields if name in c.values]
    return [*values, *job.connection_secrets.values()]


def _parts(attempt: OpenAttempt) -> list[StoredCredential]:
    return [part for part in (attempt.candidate, attempt.issued, attempt.previous) if part]


def time_of_day(rotation: Rotation) -> TimeOfDay:
    return TimeOfDay(rotation.rotate_at_hours, rotation.rotate_at_minutes)


def new_id(source: random.Random) -> str:
    return str(uuid.UUID(int=source.getrandbits(128), version=4))


def _credential(stored: StoredCredential) -> Credential:
    return Credential(stored.values, stored.expires_at)


def _where(error: BaseException) -> str:
    """Where it happened, without the error's own words: they may quote a secret."""
    return "".join(traceback.format_tb(error.__traceback__))
