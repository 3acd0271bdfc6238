"""Carries rotations out: plan -> issue -> verify -> publish -> retire, resumable at every step.

A process that dies anywhere is succeeded by one that takes the lease and resumes at the journaled step. Until
`publish` commits, the credential that the store serves is not touched.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.errors import Postponed, RotationFailed, explain
from app.rotation import expiry, guard, schedule
from app.rotation.agenda import HEAL, MANUAL, RESUME, Fill, dropped_slot, fills, resumption
from app.rotation.attempt import AttemptRun, who_uses
from app.rotation.deletion import delete
from app.rotation.emergency import renew, replaced
from app.rotation.failpoints import reached
from app.rotation.lease import Held, claiming, holding
from app.rotation.planning import Begun, Planner
from app.rotation.redact import redact
from app.rotation.retirement import retire
from app.rotation.surroundings import (
    Ahead,
    Clock,
    Listener,
    Surroundings,
    Telling,
    identity_of,
    new_id,
    secrets_of,
    tell,
    telling,
)
from app.rotation.targets import Targets
from app.rotation.trial import try_out
from app.views import Progress
from providers.base import Credential, CredentialRefused, Provider, Target, TargetError
from providers.registry import provider as provider_of
from store import jobs, journal, leases, lifecycle
from store.database import Store, Tx
from store.errors import LeaseLost, StoreError, StoreUnavailable
from store.jobs import Job, OpenAttempt, StoredCredential
from store.leases import Lease

Claim = Callable[[Tx], Lease]


def nobody(progress: Progress) -> None:
    """The listener of those who don't watch."""


async def nothing_ahead(rotation_id: str) -> None:
    """Where nothing waits for a publication."""


@dataclass(frozen=True)
class Engine:
    """What every attempt needs. `owner` names this process in leases; `lease_seconds` is how long a dead one blocks."""

    store: Store
    targets: Targets
    clock: Clock
    owner: str
    lease_seconds: float = 30.0
    random: random.Random = field(default_factory=random.SystemRandom)
    ahead: Ahead = nothing_ahead

    def claim_in(self, tx: Tx, rotation_id: str) -> Lease:
        """Raises LeaseBusy."""
        return leases.claim(tx, rotation_id, self.owner, self.lease_seconds)

    async def claim(self, rotation_id: str) -> Lease:
        """Raises LeaseBusy."""
        return await claiming(
            self.store, lambda tx: self.claim_in(tx, rotation_id), lambda lease: [lease], durable=False
        )

    async def claim_due(self, limit: int, *, not_with: Collection[str] = ()) -> list[Lease]:
        """None that shares its connection with one of `not_with`."""
        now, owner, seconds = self.clock(), self.owner, self.lease_seconds
        return await claiming(
            self.store,
            lambda tx: leases.claim_due(tx, owner, now, seconds, limit, not_with=not_with),
            lambda due: due,
            durable=False,
        )

    async def rotate(self, claim: Claim, actor: str, listener: Listener = nobody, *, force: bool = False) -> str:
        """Rotate now, by hand; the rotation's id. `claim` takes the lease; the attempt is journaled in the same moment.

        Raises what `claim` raises, and what `carry_out` raises.
        """
        planner, timing = self.planner(MANUAL, actor), self.timing()
        try:
            begun = await claiming(
                self.store, lambda tx: planner.begin(tx, claim(tx), timing), lambda begun: [begun.lease]
            )
        except StoreUnavailable:
            raise
        except Exception:  # what refused the claim refuses it again; what cannot begin is put off under the lease
            lease = await claiming(self.store, claim, lambda lease: [lease])
            await self.carry_out(lease, MANUAL, actor, listener, force=force)
            return lease.rotation_id
        await self._carry_out(begun.lease, MANUAL, actor, listener, force=force, begun=begun)
        return begun.lease.rotation_id

    async def carry_out(
        self, lease: Lease, trigger: str, actor: str, listener: Listener = nobody, *, force: bool = False
    ) -> None:
        """Do what the rotation behind a lease needs: delete, retire, resume, finish its creation or edit, rotate.

        Raises RotationFailed when an attempt ended or was parked without publishing, Postponed when the guard holds
        it back, LeaseLost when a successor took over. Cancelling parks the attempt where it is.
        """
        await self._carry_out(lease, trigger, actor, listener, force=force, begun=None)

    async def _carry_out(
        self, lease: Lease, trigger: str, actor: str, listener: Listener, *, force: bool, begun: Begun | None
    ) -> None:
        async with holding(self.store, lease, self.lease_seconds) as held:
            try:
                await Work(self, held, trigger, actor, listener, force).carry_out(begun)
            except (RotationFailed, Postponed, LeaseLost):
                raise
            except Exception as error:
                await self._defer(held, error, actor)
                raise

    def planner(self, trigger: str, actor: str) -> Planner:
        return Planner(trigger, actor, self.clock, self.random, self.targets)

    def timing(self) -> Telling:
        reached("plan.before")
        return Telling("plan", self.clock())

    async def next_unchecked(self, older_than: timedelta) -> str | None:
        """The rotation that `checkup` should look at now, if any; it counts as looked at."""
        now = self.clock()

        def look(tx: Tx) -> str | None:
            found = lifecycle.next_unchecked(tx, now - older_than, now)
            if found is not None:
                expiry.tell(tx, found, now, "scheduler")
            return found.id if found else None

        return await self.store.awrite(look)

    async def checkup(
        self, rotation_id: str, actor: str, listener: Listener = nobody, *, heal_active: bool = False
    ) -> None:
        """Try both credentials; set back what somebody changed, the published one only when asked, and say so.

        The lease is taken only when there is something to write. Raises LeaseBusy, LeaseLost, RotationFailed.
        """
        job = await self.store.aread(lambda tx: jobs.load(tx, rotation_id))
        target = await self.targets.get(job.connection, job.connection_secrets)
        refused = await refusals(job, provider_of(job.rotation.type), target)
        if not refused and job.rotation.drift is None:
            return
        lease = await self.claim(rotation_id)
        async with holding(self.store, lease, self.lease_seconds) as held:
            try:
                work = Work(self, held, HEAL, actor, listener, force=True)
                await work.mend(job, refused, heal_active=heal_active)
            except (RotationFailed, LeaseLost):
                raise
            except Exception as error:
                await self._defer(held, error, actor)
                raise

    async def _defer(self, held: Held, error: Exception, actor: str) -> None:
        """What cannot begin, or cannot be recorded, must not be tried in a tight circle.

        Where even this cannot be written the lease is left to run out by itself, which is pause enough.
        """
        known, now = explain(error), self.clock()
        message = known.message if known else f"Unexpected {type(error).__name__}; see the log."

        def due_at(failures: int) -> datetime:
            return now + schedule.backoff(failures, self.random.uniform)

        held.returned = True
        with contextlib.suppress(StoreError):
            await self.store.awrite(
                lambda tx: journal.defer(
                    tx,
                    held.lease,
                    message=message,
                    due_at=due_at,
                    actor=actor,
                    now=now,
                    unless_published=isinstance(error, StoreUnavailable),
                )
            )


@dataclass(frozen=True)
class Work:
    """What is done under one lease."""

    engine: Engine
    held: Held
    trigger: str
    actor: str
    listener: Listener
    force: bool

    async def carry_out(self, begun: Begun | None = None) -> None:
        around, begun = await self._begin(begun)
        if begun.planned:
            await self._issue(around, begun.left[0], begun.planned)
            await self._fill(around, begun.left[1:])
        elif around.job.rotation.deletion is not None:
            await delete(around, self.actor)
            return
        else:
            await self._go_on(around)
        if not self.held.returned:
            await self.engine.store.awrite(lambda tx: lifecycle.reschedule(tx, self.held.lease))
            self.held.returned = True

    async def _begin(self, begun: Begun | None) -> tuple[Surroundings, Begun]:
        reached("claim.recorded")
        if begun is None:
            planner, timing = self.engine.planner(self.trigger, self.actor), self.engine.timing()
            begun = await self.engine.store.awrite(lambda tx: planner.begin(tx, self.held.lease, timing))
        around = await self._around(begun.job)
        if begun.planned:
            reached("plan.recorded")
            identity = identity_of(around, begun.planned.row)
            for state in ("started", "done"):
                tell(around, begun.planned.row, identity, begun.timing, state)
        return around, begun

    async def _go_on(self, around: Surroundings) -> None:
        """First what was begun before: credentials to retire, an attempt to resume. Then what is left."""
        if await self._retire(around):
            around = await self._look()
        trigger = self.trigger
        if around.job.open:
            await self._issue(around, resumption(around.job, around.provider), around.job.open, resumed=True)
            around, trigger = await self._look(), RESUME
        if self.held.returned:
            return
        if around.job.rotation.emergency_since is not None:
            await renew(around, self._look, self._fill, self.actor)
            return
        if (slot := dropped_slot(around.job, around.provider)) is not None:
            await self._drop(around.job, slot)
        left = fills(around.job, around.provider, trigger, self.engine.clock())
        if not left and around.job.rotation.succession is not None:
            await self.engine.store.awrite(lambda tx: lifecycle.succeed(tx, self.held.lease))
        await self._fill(around, left)

    async def mend(self, seen: Job, refused: Mapping[int, str], *, heal_active: bool) -> None:
        """Act on refusals that were seen before the lease was taken, unless something else happened meanwhile."""
        around = await self._look()
        job, healed, drift = around.job, list[str](), None
        if job.open or job.rotation.deletion or job.rotation.succession or job.credentials != seen.credentials:
            return
        if job.rotation.emergency_since is not None:
            return
        for slot, refusal in refused.items():
            active, identity = slot == job.rotation.active_index, self._identity(around, slot)
            heals = around.provider.restores and (heal_active or not active)
            if heals and not heal_active and (used := await self._used(around, slot)):
                drift = drift or f"{used}, {guard.NOT_OURS}; it is set back when nobody does, or when asked."
            elif heals:
                await self._heal(around, slot)
                healed.append(f"{identity}'s password had been changed by somebody; it was set back.")
            elif active:
                drift = f"The published credential of {identity} no longer logs in: {refusal}"
        await self.engine.store.awrite(
            lambda tx: lifecycle.checked(
                tx, self.held.lease, drift=drift, healed=healed, actor=self.actor, now=self.engine.clock()
            )
        )

    async def _used(self, around: Surroundings, slot: int) -> str:
        try:
            return (await who_uses(around, slot))[0]
        except TargetError as error:
            unclear = redact(error.message, secrets_of(around.job, around.provider))
            return f"it is unclear who uses {self._identity(around, slot)} ({unclear})"

    def _identity(self, around: Surroundings, slot: int) -> str:
        parameters = around.job.credential_parameters[slot]
        return around.provider.identity(around.provider.parameters.model_validate(parameters), slot)

    async def _heal(self, around: Surroundings, slot: int) -> None:
        fill = Fill(slot, HEAL, around.job.credential_parameters[slot], last=True, active=False)
        planned = await self._plan(around, fill, candidate=around.job.credentials[slot])
        run = AttemptRun(around, planned, resumed=False, last=False, active=False)
        await run.carry_out()

    async def _retire(self, around: Surroundings) -> bool:
        """Whether there was anything to retire."""
        now = self.engine.clock()
        due = [a for a in around.job.retiring if a.row.retire_after is None or a.row.retire_after <= now]
        for attempt in due:
            owner = attempt.row.previous_parameters or attempt.row.parameters
            await retire(around, attempt, around.provider.parameters.model_validate(owner))
        return bool(due)

    async def _fill(self, around: Surroundings, left: Iterable[Fill]) -> None:
        for fill in left:
            await self._issue(around, fill, await self._plan(around, fill))

    async def _issue(self, around: Surroundings, fill: Fill, attempt: OpenAttempt, *, resumed: bool = False) -> None:
        await AttemptRun(around, attempt, resumed=resumed, last=fill.last, active=fill.active).carry_out()

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
                retire_after=schedule.end_of_inactive(
                    job.rotation.next_rotation_at, job.rotation.last_rotated_at, job.rotation.rotation_interval, now
                ),
                actor=self.actor,
                now=now,
            )
        )

    async def _plan(self, around: Surroundings, fill: Fill, candidate: StoredCredential | None = None) -> OpenAttempt:
        """Commit the intent: the candidate is sealed in the journal before anything outside happens."""
        planned = self.engine.planner(self.trigger, self.actor).attempt(around.job, around.provider, fill, candidate)
        row, held = planned.row, planned.candidate
        with telling(around, row, "plan") as step:
            step.detail = replaced(around, fill)
            await self.engine.store.awrite(lambda tx: journal.plan(tx, self.held.lease, row, held, step.done()))
            reached("plan.recorded")
        return planned

    async def _look(self) -> Surroundings:
        """Everything the work needs, as it is now."""
        rotation_id = self.held.lease.rotation_id
        return await self._around(await self.engine.store.aread(lambda tx: jobs.load(tx, rotation_id)))

    async def _around(self, job: Job) -> Surroundings:
        engine = self.engine
        return Surroundings(
            store=engine.store,
            clock=engine.clock,
            random=engine.random,
            held=self.held,
            job=job,
            provider=provider_of(job.rotation.type),
            target=await engine.targets.get(job.connection, job.connection_secrets),
            listener=self.listener,
            ahead=engine.ahead,
            force=self.force or job.rotation.emergency_since is not None,
        )


async def refusals(job: Job, provider: Provider, target: Target) -> dict[int, str]:
    """The slots whose stored credential does not log in, and why. What is unclear is not in it."""
    refused = {}
    for slot, held in sorted(job.credentials.items()):
        parameters = provider.parameters.model_validate(job.credential_parameters[slot])
        try:
            active = slot == job.rotation.active_index
            await try_out(provider, target, parameters, Credential(held.values, held.expires_at), active=active)
        except CredentialRefused as error:
            refused[slot] = redact(error.message, secrets_of(job, provider))
        except TargetError:
            continue
    return refused
