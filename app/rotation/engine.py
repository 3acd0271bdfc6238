"""Carries rotations out: plan -> issue -> verify -> publish -> retire, resumable at every step.

A process that dies anywhere is succeeded by one that takes the lease and resumes at the journaled step. Until
`publish` commits, the credential that the store serves is not touched.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from app.errors import Postponed, RotationFailed, explain
from app.rotation import guard, schedule
from app.rotation.agenda import MANUAL, RESUME, SCHEDULE, Fill, dropped_slot, fills, resumption
from app.rotation.attempt import AttemptRun, Clock, Listener, Surroundings, new_id, retire, telling
from app.rotation.deletion import delete
from app.rotation.failpoints import reached
from app.rotation.lease import Held, holding
from app.rotation.targets import Targets
from app.views import Progress
from providers.base import CandidateRequest, Guarded
from providers.registry import provider as provider_of
from store import journal
from store.database import Store
from store.errors import LeaseLost, StoreUnavailable
from store.journal import Job, Lease, OpenAttempt, StoredCredential
from store.tables import Attempt


def nobody(progress: Progress) -> None:
    """The listener of those who don't watch."""


@dataclass(frozen=True)
class Engine:
    """What every attempt needs. `owner` names this process in leases; `lease_seconds` is how long a dead one blocks."""

    store: Store
    targets: Targets
    clock: Clock
    owner: str
    lease_seconds: float = 30.0
    random: random.Random = field(default_factory=random.SystemRandom)

    async def claim(self, rotation_id: str) -> Lease:
        """Raises LeaseBusy."""
        return await self.store.awrite(lambda tx: journal.claim(tx, rotation_id, self.owner, self.lease_seconds))

    async def claim_due(self, limit: int) -> list[Lease]:
        now = self.clock()
        return await self.store.awrite(lambda tx: journal.claim_due(tx, self.owner, now, self.lease_seconds, limit))

    async def rotate(self, rotation_id: str, actor: str, listener: Listener = nobody, *, force: bool = False) -> None:
        """Rotate now, by hand. Raises LeaseBusy, RotationFailed, Postponed (unless `force`)."""
        await self.carry_out(await self.claim(rotation_id), MANUAL, actor, listener, force=force)

    async def carry_out(
        self, lease: Lease, trigger: str, actor: str, listener: Listener = nobody, *, force: bool = False
    ) -> None:
        """Do what the rotation behind a lease needs: delete, retire, resume, finish its creation or edit, rotate.

        Raises RotationFailed when an attempt ended or was parked without publishing, Postponed when the guard holds
        it back, LeaseLost when a successor took over. Cancelling parks the attempt where it is.
        """
        async with holding(self.store, lease, self.lease_seconds) as held:
            try:
                work = Work(self, held, trigger, actor, listener, force)
                await work.carry_out()
            except (RotationFailed, Postponed, LeaseLost, StoreUnavailable):
                raise
            except Exception as error:
                await self._defer(held, error, actor)
                raise

    async def _defer(self, held: Held, error: Exception, actor: str) -> None:
        """What cannot begin must not be tried in a tight circle."""
        known, now = explain(error), self.clock()
        message = known.message if known else f"Unexpected {type(error).__name__}; see the log."
        due_at = now + schedule.backoff(1, self.random.uniform)
        await self.store.awrite(
            lambda tx: journal.defer(tx, held.lease, message=message, due_at=due_at, actor=actor, now=now)
        )
        held.returned = True


@dataclass(frozen=True)
class Work:
    """What is done under one lease."""

    engine: Engine
    held: Held
    trigger: str
    actor: str
    listener: Listener
    force: bool

    async def carry_out(self) -> None:
        reached("claim.recorded")
        around = await self._look()
        if around.job.rotation.deletion is not None:
            await delete(around, self.actor)
            return
        await self._retire(around)
        trigger = self.trigger
        if around.job.open:
            fill = resumption(around.job, around.provider)
            await AttemptRun(around, around.job.open, resumed=True, last=fill.last, active=fill.active).carry_out()
            around, trigger = await self._look(), RESUME
        await self._fill(around, trigger)
        if not self.held.returned:
            next_at = around.job.rotation.next_rotation_at
            await self.engine.store.awrite(lambda tx: journal.reschedule(tx, self.held.lease, next_at))

    async def _retire(self, around: Surroundings) -> None:
        now = self.engine.clock()
        for attempt in around.job.retiring:
            if attempt.row.retire_after is None or attempt.row.retire_after <= now:
                owner = attempt.row.previous_parameters or attempt.row.parameters
                await retire(around, attempt, around.provider.parameters.model_validate(owner))

    async def _fill(self, around: Surroundings, trigger: str) -> None:
        if self.held.returned:
            return
        if (slot := dropped_slot(around.job, around.provider)) is not None:
            await self._drop(around.job, slot)
        left = fills(around.job, around.provider, trigger, self.engine.clock())
        if not left and around.job.rotation.succession is not None:
            await self.engine.store.awrite(lambda tx: journal.succeed(tx, self.held.lease))
        for fill in left:
            planned = await self._plan(around, fill)
            await AttemptRun(around, planned, resumed=False, last=fill.last, active=fill.active).carry_out()

    async def _drop(self, job: Job, slot: int) -> None:
        now = self.engine.clock()
        await self.engine.store.awrite(
            lambda tx: journal.drop_slot(
                tx,
                self.held.lease,
                slot,
                job.credentials[slot],
                parameters=job.credential_parameters[slot],
                attempt_id=new_id(self.engine.random),
                retire_after=job.rotation.next_rotation_at or now,
                actor=self.actor,
                now=now,
            )
        )

    async def _plan(self, around: Surroundings, fill: Fill) -> OpenAttempt:
        """Commit the intent: the candidate is sealed in the journal before anything outside happens."""
        rotation, now, provider = around.job.rotation, self.engine.clock(), around.provider
        parameters = provider.parameters.model_validate(fill.parameters)
        attempt_id = new_id(self.engine.random)
        request = CandidateRequest(fill.slot, attempt_id, now, rotation.rotation_interval, self.engine.random.choice)
        candidate = provider.candidate(parameters, request)
        looks = isinstance(provider, Guarded) and rotation.guard != guard.OFF
        row = Attempt(
            id=attempt_id,
            rotation_id=rotation.id,
            slot=fill.slot,
            trigger=fill.trigger,
            actor=self.actor,
            step="guard" if looks and fill.trigger in (SCHEDULE, MANUAL) else "issue",
            scheduled_for=rotation.next_rotation_at if fill.trigger == SCHEDULE else None,
            started_at=now,
            updated_at=now,
            sealed_candidate=b"",
            parameters=dict(fill.parameters),
        )
        stored = StoredCredential(candidate.values, candidate.expires_at)
        with telling(around, row, "plan") as step:
            await self.engine.store.awrite(lambda tx: journal.plan(tx, self.held.lease, row, stored, step.done()))
        return OpenAttempt(row, stored, None, None)

    async def _look(self) -> Surroundings:
        """Everything the work needs, as it is now."""
        engine, rotation_id = self.engine, self.held.lease.rotation_id
        job = await engine.store.aread(lambda tx: journal.load(tx, rotation_id))
        return Surroundings(
            store=engine.store,
            clock=engine.clock,
            random=engine.random,
            held=self.held,
            job=job,
            provider=provider_of(job.rotation.type),
            target=await engine.targets.get(job.connection, job.connection_secrets),
            listener=self.listener,
            force=self.force,
        )
