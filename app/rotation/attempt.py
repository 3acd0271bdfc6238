"""One attempt for one slot: issue, verify, publish, retire, each committed before the next begins."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from app.errors import Postponed, RotationFailed
from app.rotation import failure, guard, schedule
from app.rotation.agenda import CREATE, EDIT, HEAL, SCHEDULE, former_principal
from app.rotation.failpoints import reached
from app.rotation.redact import redact
from app.rotation.retirement import retire, where
from app.rotation.schedule import TimeOfDay
from app.rotation.surroundings import (
    Surroundings,
    Telling,
    credential_of,
    new_id,
    parts_of,
    secrets_of,
    telling,
)
from providers.base import (
    Credential,
    CredentialRefused,
    Guarded,
    Issue,
    Outcome,
    TargetError,
    TargetRefused,
)
from store import journal
from store.database import Tx
from store.errors import LeaseLost, StoreError
from store.jobs import OpenAttempt, StoredCredential
from store.journal import Failure, Publication
from store.leases import Lease
from store.steps import StepDone
from store.tables import Attempt, Rotation

_FIRST_VERIFY_PAUSE = 0.25
_LONGEST_VERIFY_PAUSE = 5.0

log = logging.getLogger("keyturn.rotation")


@dataclass
class AttemptRun:
    """Carries one journaled attempt from its step to publication.

    `last`: of the slots that this work fills. `active`: its slot is to be the published one.
    """

    around: Surroundings
    attempt: OpenAttempt
    resumed: bool
    last: bool
    active: bool
    _issued: bool = field(default=False, init=False)
    _proved: StepDone | None = field(default=None, init=False)
    _recording: asyncio.Task[None] | None = field(default=None, init=False)

    @property
    def row(self) -> Attempt:
        return self.attempt.row

    async def carry_out(self) -> None:
        """Raises RotationFailed after the failure was recorded, LeaseLost, StoreError."""
        try:
            try:
                await self._steps()
            finally:
                await self._recorded()
        except TargetError as error:
            await self._record_failure(error)
        except (LeaseLost, StoreError, RotationFailed, Postponed):
            raise
        except Exception as error:  # a defect in a provider: the journal must still say what happened
            log.error("defect in step %s: %s\n%s", self.row.step, type(error).__name__, where(error))
            defect = TargetError(f"Unexpected {type(error).__name__}; see the log.", outcome=Outcome.UNKNOWN)
            await self._record_failure(defect, kind="defect")

    async def _steps(self) -> None:
        step, credential = self.row.step, self.attempt.issued
        if step == "guard":
            await self._guard()
        if step in ("guard", "issue"):
            credential = await self._issue(again=self.resumed and step == "issue")
        assert credential is not None
        credential = await self._verified(credential, may_reissue=self.resumed and step == "verify")
        await self._publish(credential)

    async def _verified(self, credential: StoredCredential, *, may_reissue: bool) -> StoredCredential:
        """A resumed attempt whose candidate is refused issues it once more: somebody may have changed it meanwhile.

        What comes back is what logs in: a target that makes up its credentials has made another one then.
        """
        try:
            await self._verify(credential)
        except CredentialRefused:
            if not may_reissue:
                raise
            await self._guard(reissuing=True)
            credential = await self._issue(again=True)
            await self._verify(credential)
        return credential

    async def _guard(self, *, reissuing: bool = False) -> None:
        """Look whether what is about to die is still in use. Raises Postponed."""
        with self._telling("guard") as step:
            if self.around.job.rotation.guard != guard.OFF:
                await self._wait_for_users(step, reissuing)
            await self._record("guard", lambda tx: journal.guarded(tx, self._lease, self.row, step.done(), self._now()))

    async def _wait_for_users(self, step: Telling, reissuing: bool) -> None:
        rotation, now = self.around.job.rotation, self._now()
        step.note, used = await who_uses(self.around, self.row.slot)
        if not step.note or self.around.force:
            return
        unknown = used and await self._is_somebody_elses(reissuing)
        if unknown:
            step.note = f"{step.note}, {guard.NOT_OURS}"
        until = guard.waits_until(rotation, now, unknown=unknown)
        if until is None:
            return
        due_at = min(now + guard.LOOK_AGAIN, until)
        await self._write(
            lambda tx: journal.postpone(
                tx, self._lease, self.row.id, note=step.note, due_at=due_at, actor=self.row.actor, now=now
            )
        )
        self.around.held.returned = True
        works = "What is published works" if unknown else "Both credentials work"
        raise Postponed(
            f"Postponed: {step.note}",
            remedy=f"{works}. It is carried out when nobody uses it any more, at the latest at {until:%Y-%m-%d %H:%M} "
            "UTC; with force at once.",
        )

    async def _is_somebody_elses(self, reissuing: bool) -> bool:
        """Whether those who use the slot's user know a password that the store does not, while what is published works.

        So it is after a store was restored from an old backup: what applications use was issued after that.
        """
        rotation, slot = self.around.job.rotation, self.row.slot
        if not self.around.provider.restores or rotation.last_rotated_at is None or slot == rotation.active_index:
            return False
        return (reissuing or not await self._logs_in(slot)) and await self._logs_in(rotation.active_index)

    async def _logs_in(self, slot: int) -> bool:
        job, provider = self.around.job, self.around.provider
        parameters = provider.parameters.model_validate(job.credential_parameters[slot])
        try:
            await provider.verify(self.around.target, parameters, credential_of(job.credentials[slot]))
        except CredentialRefused:
            return False
        return True

    @cached_property
    def _parameters(self) -> BaseModel:
        return self.around.provider.parameters.model_validate(self.row.parameters)

    @cached_property
    def _identity(self) -> str:
        return self.around.provider.identity(self._parameters, self.row.slot)

    async def _issue(self, *, again: bool) -> StoredCredential:
        job, slot, rotation = self.around.job, self.row.slot, self.around.job.rotation
        published = job.rotation.last_rotated_at is not None and self.row.trigger != HEAL
        request = Issue(
            slot=slot,
            candidate=credential_of(self.attempt.candidate),
            previous=credential_of(job.credentials[slot]) if slot in job.credentials else None,
            active=credential_of(job.credentials[rotation.active_index]) if published else None,
            again=again,
            issued=credential_of(self.attempt.issued) if self.attempt.issued else None,
            expendable=self._expendable(),
        )
        with self._telling("issue") as step:
            self.around.held.assert_fresh()
            issued = await self.around.provider.issue(self.around.target, self._parameters, request)
            reached("issue.called")
            self._issued = True
            credential = StoredCredential(issued.values, issued.expires_at)
            await self._record_issued(credential, step.done())
        return credential

    def _expendable(self) -> tuple[Credential, ...]:
        """What an edit took from this principal and left to live for a while: that which dies next first, and before it
        what was not published any more, however long it was still promised.
        """
        job, provider = self.around.job, self.around.provider
        mine = [a for a in job.retiring if former_principal(a, provider) == self._identity and a.row.id != self.row.id]
        # What an edit replaced was published until then; what it merely dropped belongs to the same one as before.
        mine.sort(key=lambda a: (a.row.previous_parameters != a.row.parameters, a.row.retire_after or a.row.started_at))
        return tuple(credential_of(a.previous) for a in mine if a.previous)

    async def _record_issued(self, credential: StoredCredential, done: StepDone) -> None:
        def issued(tx: Tx) -> journal.Steps:
            return journal.issued(tx, self._lease, self.row, credential, done, self._now())

        if credential == self.attempt.candidate:
            # The journal holds it already: to look whether it logs in need not wait for a note that it was issued.
            self._recording = asyncio.create_task(self._record("issue", issued, durable=False))
        else:
            await self._record("issue", issued)

    async def _verify(self, credential: StoredCredential) -> None:
        """That it logs in is written down together with its publication: whoever resumes looks again anyway."""
        with self._telling("verify") as step:
            await self._until_verified(credential_of(credential), step)
            reached("verify.called")
            self._proved = step.done()

    async def _until_verified(self, credential: Credential, step: Telling) -> None:
        """Log in until it worked often enough in a row. A refusal within the provider's patience means "not yet"."""
        provider, parameters = self.around.provider, self._parameters
        give_up_at = time.monotonic() + provider.verify_patience
        pause, successes = _FIRST_VERIFY_PAUSE, 0
        while successes < provider.verify_successes:
            step.tries += 1
            try:
                await provider.verify(self.around.target, parameters, credential)
                successes += 1
            except CredentialRefused:
                if time.monotonic() + pause > give_up_at:
                    raise
                successes = 0
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_VERIFY_PAUSE)

    async def _publish(self, credential: StoredCredential) -> None:
        rotation, row, now = self.around.job.rotation, self.row, self._now()
        provider, handed_over = self.around.provider, self._handed_over()
        previous = self.around.job.credentials.get(row.slot) if provider.retires or handed_over else None
        with self._telling("publish") as step:
            publication = Publication(
                rotation=rotation,
                attempt=row,
                credential=credential,
                public={k: v for k, v in credential.values.items() if k not in provider.secret_fields},
                previous=previous,
                previous_parameters=handed_over,
                retire_after=self._retire_after(now) if handed_over else now,
                others_retire=bool(self.around.job.retiring) or rotation.succession is not None,
                succeeds=rotation.succession if self.last else None,
                active=self.active,
                mapped={name: credential.values[name] for name in rotation.secrets_mapping},
                manual=row.trigger != SCHEDULE,
                next_rotation_at=self._next_rotation(now),
                now=now,
                done=lambda: [*([self._proved] if self._proved else []), step.done()],
                new_id=lambda: new_id(self.around.random),
                last=self.last,
                release=self.last and previous is None,
            )
            await self._recorded()
            if self.active:
                await self.around.ahead(rotation.id)
            await self._record("publish", lambda tx: _dying(journal.publish(tx, self._lease, publication)))
            self.around.held.returned = publication.release
        if previous is not None and not handed_over:
            retiring = OpenAttempt(row, self.attempt.candidate, credential, previous)
            await retire(self.around, retiring, self._parameters)

    def _handed_over(self) -> Mapping[str, Any] | None:
        """The former principal's parameters, when an edit changed whom this slot belongs to."""
        former = self.around.job.credential_parameters.get(self.row.slot)
        if former is None or self.around.job.rotation.succession is None:
            return None
        provider = self.around.provider
        was = provider.identity(provider.parameters.model_validate(former), self.row.slot)
        return former if was != self._identity else None

    def _retire_after(self, now: datetime) -> datetime:
        """A former principal's credential lives as long as it would have: the published one for one more interval."""
        rotation = self.around.job.rotation
        if self.row.slot == rotation.active_index:
            return now + timedelta(days=rotation.rotation_interval)
        ended = rotation.next_rotation_at, rotation.last_rotated_at
        return schedule.end_of_inactive(*ended, rotation.rotation_interval, now)

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
            committed=row.trigger in (CREATE, EDIT),
            failures=rotation.failures,
            auto_rotation=rotation.is_auto_rotation_enabled,
            next_rotation_at=rotation.next_rotation_at,
            time_of_day=time_of_day(rotation),
            emergency=rotation.emergency_since is not None,
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

    def _redacted(self, text: str) -> str:
        around = self.around
        mine = [
            value
            for part in parts_of(self.attempt)
            for name, value in part.values.items()
            if name in around.provider.secret_fields
        ]
        return redact(text, [*mine, *secrets_of(around.job, around.provider)])

    @property
    def _lease(self) -> Lease:
        return self.around.held.lease

    def _now(self) -> datetime:
        return self.around.clock()

    async def _write(self, work: Callable[[Tx], None]) -> None:
        await self.around.store.awrite(work)

    async def _record(self, step: str, work: Callable[[Tx], journal.Steps], *, durable: bool = True) -> None:
        """Not `durable`: when a power cut takes it back, the step is done once more, to the same end."""
        self.row.steps = await self.around.store.awrite(work, durable=durable)
        reached(f"{step}.recorded")

    async def _recorded(self) -> None:
        """Wait for what is being written beside. Raises what that raised."""
        recording, self._recording = self._recording, None
        if recording:
            await recording

    def _telling(self, step: str) -> contextlib.AbstractContextManager[Telling]:
        return telling(self.around, self.row, step, self._identity)


async def who_uses(around: Surroundings, slot: int) -> tuple[str, bool]:
    """Who still uses a slot's credential, in one line, empty when nobody does; and whether that is certain."""
    job, provider = around.job, around.provider
    held = job.credentials.get(slot)
    if held is None or not isinstance(provider, Guarded):
        return "", False
    parameters = provider.parameters.model_validate(job.credential_parameters[slot])
    identity = provider.identity(parameters, slot)
    since = job.rotation.last_rotated_at or job.rotation.created_at
    try:
        uses = await provider.in_use(around.target, parameters, credential_of(held), since)
        reached("guard.called")
    except TargetRefused as error:  # not being allowed to look must not stop rotation for good
        unclear = redact(error.message, secrets_of(job, provider))
        return f"cannot tell whether {identity} is still in use: {unclear}", False
    return guard.sentence(identity, uses), bool(uses)


def _dying(steps: journal.Steps) -> journal.Steps:
    """A failpoint inside the transaction, all written and nothing committed."""
    reached("publish.uncommitted")
    return steps


def time_of_day(rotation: Rotation) -> TimeOfDay:
    return TimeOfDay(rotation.rotate_at_hours, rotation.rotate_at_minutes)
