"""The first step: what is to be done, and the intent to do it, in one transaction. No outside call."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime

from app.rotation import guard
from app.rotation.agenda import EMERGENCY, MANUAL, SCHEDULE, Fill, fills_at_once, still_promised
from app.rotation.surroundings import Clock, Telling, new_id
from app.rotation.targets import Targets
from providers.base import CandidateRequest, Guarded, Provider
from providers.registry import provider as provider_of
from store import jobs, journal
from store.database import Tx
from store.jobs import Job, OpenAttempt, StoredCredential
from store.leases import Lease


@dataclass(frozen=True)
class Planner:
    """Who plans, why, and by which clock and chance."""

    trigger: str
    actor: str
    clock: Clock
    random: random.Random
    targets: Targets

    def begin(self, tx: Tx, lease: Lease, timing: Telling) -> Begun:
        """See what a rotation needs; where nothing else comes first, its first attempt is journaled at once."""
        now, job = self.clock(), jobs.load(tx, lease.rotation_id)  # now that nobody else is at it
        provider = provider_of(job.rotation.type)
        self.targets.check(job.connection, job.connection_secrets)
        left = fills_at_once(job, provider, self.trigger, now)
        if not left:
            return Begun(lease, job, timing)
        planned = self.attempt(job, provider, left[0])
        journal.plan(tx, lease, planned.row, planned.candidate, timing.done())
        return Begun(lease, job, timing, tuple(left), planned)

    def attempt(
        self, job: Job, provider: Provider, fill: Fill, candidate: StoredCredential | None = None
    ) -> OpenAttempt:
        """An attempt to fill a slot, not written yet."""
        rotation, attempt_id, now = job.rotation, new_id(self.random), self.clock()
        looks = isinstance(provider, Guarded) and rotation.guard != guard.OFF
        due_of = {SCHEDULE: rotation.next_rotation_at, EMERGENCY: rotation.emergency_since}
        row = jobs.new_attempt(
            id=attempt_id,
            rotation_id=rotation.id,
            slot=fill.slot,
            trigger=fill.trigger,
            actor=self.actor,
            step="guard" if looks and fill.trigger in (SCHEDULE, MANUAL) else "issue",
            scheduled_for=due_of.get(fill.trigger),
            started_at=now,
            updated_at=now,
            sealed_candidate=b"",
            parameters=dict(fill.parameters),
            steps=[],
        )
        return OpenAttempt(row, candidate or self._candidate(job, provider, fill, attempt_id, now), None, None)

    def _candidate(self, job: Job, provider: Provider, fill: Fill, attempt_id: str, now: datetime) -> StoredCredential:
        if (promised := still_promised(job, provider, fill)) is not None:
            return promised
        days, choice = job.rotation.rotation_interval, self.random.choice
        parameters = provider.parameters.model_validate(fill.parameters)
        made = provider.candidate(parameters, CandidateRequest(fill.slot, attempt_id, now, days, choice))
        return StoredCredential(made.values, made.expires_at)


@dataclass(frozen=True)
class Begun:
    """What is to be done under a lease. `planned`: the journaled attempt for the first of `left`."""

    lease: Lease
    job: Job
    timing: Telling
    left: tuple[Fill, ...] = ()
    planned: OpenAttempt | None = None
