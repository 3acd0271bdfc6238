"""Carries rotations out: plan -> issue -> verify -> publish -> retire, resumable at every step.

A process that dies anywhere is succeeded by one that takes the lease and resumes at the journaled step. Until
`publish` commits, the credential that the store serves is not touched.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from app.errors import RotationFailed, explain
from app.rotation import schedule
from app.rotation.attempt import (
    CREATE,
    MANUAL,
    SCHEDULE,
    AttemptRun,
    Clock,
    Listener,
    Surroundings,
    new_id,
    retire,
    telling,
)
from app.rotation.deletion import delete
from app.rotation.lease import Held, holding
from app.rotation.targets import Targets
from app.views import Progress
from providers.base import CandidateRequest
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

    async def rotate(self, rotation_id: str, actor: str, listener: Listener = nobody) -> None:
        """Rotate now, by hand. Raises LeaseBusy, RotationFailed."""
        await self.carry_out(await self.claim(rotation_id), MANUAL, actor, listener)

    async def carry_out(self, lease: Lease, trigger: str, actor: str, listener: Listener = nobody) -> None:
        """Do what the rotation behind a lease needs: delete, retire, resume, finish its creation, rotate; let go.

        Raises RotationFailed when an attempt ended or was parked without publishing, LeaseLost when a successor
        took over. Cancelling parks the attempt where it is.
        """
        async with holding(self.store, lease, self.lease_seconds) as held:
            try:
                job = await self.store.aread(lambda tx: journal.load(tx, lease.rotation_id))
                around = await self._surroundings(held, job, listener)
                if job.rotation.deletion is not None:
                    await delete(around, actor)
                else:
                    await _work(around, trigger, actor)
            except (RotationFailed, LeaseLost, StoreUnavailable):
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

    async def _surroundings(self, held: Held, job: Job, listener: Listener) -> Surroundings:
        provider = provider_of(job.rotation.type)
        return Surroundings(
            store=self.store,
            clock=self.clock,
            random=self.random,
            held=held,
            job=job,
            provider=provider,
            parameters=provider.parameters.model_validate(job.rotation.parameters),
            target=await self.targets.get(job.connection, job.connection_secrets),
            listener=listener,
        )


async def _work(around: Surroundings, trigger: str, actor: str) -> None:
    job, held = around.job, around.held
    for attempt in job.retiring:
        await retire(around, attempt)
    if job.open:
        last = not _creating(job) or job.open.row.slot == around.provider.initial_slots[-1]
        await AttemptRun(around, job.open, resumed=True, last=last).carry_out()
    slots = _slots_to_fill(around, trigger)
    for slot in slots:
        planned = await _plan(around, slot, trigger, actor)
        await AttemptRun(around, planned, resumed=False, last=slot == slots[-1]).carry_out()
    if not slots and not job.open:
        due_at = job.rotation.next_rotation_at
        await around.store.awrite(lambda tx: journal.reschedule(tx, held.lease, due_at))


def _creating(job: Job) -> bool:
    return job.rotation.last_rotated_at is None


def _slots_to_fill(around: Surroundings, trigger: str) -> list[int]:
    """What is left to issue after resuming: the rest of the creation, or the inactive slot when wanted or due."""
    job = around.job
    resumed = {job.open.row.slot} if job.open else set()
    if _creating(job):
        return [s for s in around.provider.initial_slots if s not in job.credentials and s not in resumed]
    if resumed:
        return []
    due_at = job.rotation.next_rotation_at
    if trigger == MANUAL or (due_at is not None and due_at <= around.clock()):
        return [1 - job.rotation.active_index]
    return []


async def _plan(around: Surroundings, slot: int, trigger: str, actor: str) -> OpenAttempt:
    """Commit the intent: the candidate is sealed in the journal before anything outside happens."""
    rotation, now = around.job.rotation, around.clock()
    attempt_id = new_id(around.random)
    request = CandidateRequest(slot, attempt_id, now, rotation.rotation_interval, around.random.choice)
    candidate = around.provider.candidate(around.parameters, request)
    creating = _creating(around.job)
    row = Attempt(
        id=attempt_id,
        rotation_id=rotation.id,
        slot=slot,
        trigger=CREATE if creating else trigger,
        actor=actor,
        step="issue",
        scheduled_for=rotation.next_rotation_at if trigger == SCHEDULE and not creating else None,
        started_at=now,
        updated_at=now,
        sealed_candidate=b"",
    )
    stored = StoredCredential(candidate.values, candidate.expires_at)
    with telling(around, row, "plan") as step:
        await around.store.awrite(lambda tx: journal.plan(tx, around.held.lease, row, stored, step.done()))
    return OpenAttempt(row, stored, None, None)
