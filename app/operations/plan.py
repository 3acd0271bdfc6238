"""What the next rotation would do, in words and call by call, and whether it may. Looks, and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import BaseModel

from app.operations.context import Context, place_text, rotation_by
from app.operations.documents import next_run
from app.operations.store_check import store_check
from app.rotation import guard, schedule
from app.rotation.agenda import MANUAL, Fill, creating, dropped_slot, fills, former_principal, resumption
from app.rotation.redact import redact
from app.rotation.surroundings import credential_of, secrets_of
from providers.base import (
    Call,
    Check,
    CheckResult,
    Credential,
    Foreseeing,
    Guarded,
    Provider,
    Target,
    TargetError,
    Upcoming,
    Use,
)
from providers.registry import provider as provider_of
from store import jobs, projects
from store.database import Tx
from store.jobs import Job

_ORDER = ("plan", "guard", "issue", "verify", "publish", "retire")


@dataclass(frozen=True)
class PlannedStep:
    """One step for one identity. `calls`: what is sent to the target, in order."""

    step: str
    identity: str
    text: str
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True)
class Death:
    """A credential that stops working. `at`: None where that is at the named step of this rotation."""

    identity: str
    text: str
    at: datetime | None


@dataclass(frozen=True)
class Plan:
    """`ready`: nothing that a rotation needs is missing."""

    id: str
    name: str
    type: str
    connection: str
    place: str
    active: str
    """Who is published now; empty before the first publication."""
    scheduled_at: datetime | None
    first: tuple[str, ...]
    """What is done before anything new: an interrupted attempt, what waits to be retired."""
    steps: tuple[PlannedStep, ...]
    publishes: Mapping[str, str]
    """Secret name -> the credential's field that it gets."""
    deaths: tuple[Death, ...]
    uses: tuple[Use, ...]
    use: str
    """Who still uses what dies, in a sentence; also when that cannot be seen."""
    guard: str
    checks: tuple[Check, ...]
    ready: bool


@dataclass(frozen=True)
class _Scene:
    """The job, with what its fills mean. `starts`: the step at which the first of them begins."""

    job: Job
    provider: Provider
    left: tuple[Fill, ...]
    place: str
    now: datetime
    starts: str = "plan"
    hidden: tuple[str, ...] = field(default=(), repr=False)

    def parameters(self, fill: Fill) -> BaseModel:
        return self.provider.parameters.model_validate(fill.parameters)

    def identity(self, slot: int) -> str:
        held = self.job.credential_parameters.get(slot, self.job.rotation.parameters)
        return self.provider.identity(self.provider.parameters.model_validate(held), slot)

    def upcoming(self, fill: Fill) -> Upcoming:
        held = {slot: credential_of(stored) for slot, stored in self.job.credentials.items()}
        published = self.job.rotation.last_rotated_at is not None
        return Upcoming(
            slot=fill.slot,
            previous=held.get(fill.slot),
            active=held.get(self.job.rotation.active_index) if published else None,
            expendable=tuple(credential_of(a.previous) for a in self.job.retiring if a.previous),
        )


@dataclass(frozen=True)
class Plans:
    """`ref` is an id, or a name where that is unambiguous."""

    context: Context

    async def plan(self, ref: str) -> Plan:
        """Contacts the target. Raises NotFound, UsageError; what the target refuses is among the checks."""
        scene = await self.context.store.aread(lambda tx: self._look(tx, ref))
        target = await self.context.targets.get(scene.job.connection, scene.job.connection_secrets)
        uses, sentence = await _uses(scene, target)
        checks = [*await _checks(scene, target), await store_check(self.context)]
        return _plan(scene, uses, sentence, checks)

    def _look(self, tx: Tx, ref: str) -> _Scene:
        row = rotation_by(tx, ref)
        job, now = jobs.load(tx, row.id), self.context.clock()
        provider, place = provider_of(row.type), place_text(projects.place_of(tx, row.folder_id))
        hidden = tuple(secrets_of(job, provider))
        if job.rotation.deletion is not None:
            return _Scene(job, provider, (), place, now, hidden=hidden)
        left = tuple(fills(job, provider, MANUAL, now))
        if job.open is None:
            return _Scene(job, provider, left, place, now, hidden=hidden)
        resumed = resumption(job, provider)
        later = tuple(fill for fill in left if fill.slot != resumed.slot) if creating(job) else ()
        return _Scene(job, provider, (resumed, *later), place, now, job.open.row.step, hidden)


async def _checks(scene: _Scene, target: Target) -> list[Check]:
    if not scene.left:
        return []
    fill = scene.left[0]
    if isinstance(scene.provider, Foreseeing):
        found = await scene.provider.probe(target, scene.parameters(fill), scene.upcoming(fill))
    else:
        found = await scene.provider.preflight(target, scene.parameters(fill))
    return [Check(c.title, c.result, redact(c.detail, scene.hidden), redact(c.remedy, scene.hidden)) for c in found]


async def _uses(scene: _Scene, target: Target) -> tuple[tuple[Use, ...], str]:
    """Who still uses what dies next, as the guard will see it."""
    job, provider = scene.job, scene.provider
    held = job.credentials.get(scene.left[0].slot) if scene.left else None
    if held is None or creating(job):
        return (), ""
    slot = scene.left[0].slot
    identity = scene.identity(slot)
    if not isinstance(provider, Guarded):
        return (), f"{provider.title} do not tell whether somebody still uses them."
    parameters = provider.parameters.model_validate(job.credential_parameters[slot])
    since = job.rotation.last_rotated_at or job.rotation.created_at
    try:
        uses = tuple(await provider.in_use(target, parameters, Credential(held.values, held.expires_at), since))
    except TargetError as error:
        return (), f"Cannot tell whether {identity} is still in use: {redact(error.message, scene.hidden)}"
    return uses, f"{guard.sentence(identity, uses)}." if uses else f"Nobody uses {identity} at the moment."


def _plan(scene: _Scene, uses: Sequence[Use], sentence: str, checks: Sequence[Check]) -> Plan:
    rotation = scene.job.rotation
    published = rotation.last_rotated_at is not None
    failed = any(check.result is CheckResult.FAILED for check in checks)
    return Plan(
        id=rotation.id,
        name=rotation.name,
        type=rotation.type,
        connection=scene.job.connection.name,
        place=scene.place,
        active=scene.identity(rotation.active_index) if published else "",
        scheduled_at=next_run(rotation),
        first=tuple(_first(scene)),
        steps=tuple(step for fill in scene.left for step in _steps(scene, fill)),
        publishes={name: key for key, name in rotation.secrets_mapping.items()},
        deaths=tuple(_deaths(scene)),
        uses=tuple(uses),
        use=sentence,
        guard=_guard_text(scene),
        checks=tuple(checks),
        ready=bool(scene.left) and not failed,
    )


def _first(scene: _Scene) -> list[str]:
    job, provider = scene.job, scene.provider
    if job.rotation.deletion is not None:
        return ["It is being deleted: nothing is rotated any more. Deleting it once more goes on with that."]
    said = []
    for attempt in job.retiring:
        whose = former_principal(attempt, provider) or scene.identity(attempt.row.slot)
        when = attempt.row.retire_after
        at = f" from {when:%Y-%m-%d %H:%M} UTC on" if when is not None and when > scene.now else ""
        said.append(f"A former credential of {whose} is removed{at}.")
    if job.open is not None:
        row = job.open.row
        said.append(
            f"The attempt of {row.started_at:%Y-%m-%d %H:%M} UTC for {scene.identity(row.slot)} is unfinished: "
            f"it is resumed at its step {row.step}, before anything new."
        )
    if dropped_slot(job, provider) is not None:
        said.append("An edit changed who is rotated: what the inactive slot holds is kept until it would have died.")
    if creating(job):
        said.append("It was never published: this finishes its creation.")
    elif job.rotation.succession is not None:
        said.append("An edit of who is rotated is unfinished: this finishes it.")
    return said


def _steps(scene: _Scene, fill: Fill) -> list[PlannedStep]:
    provider, rotation = scene.provider, scene.job.rotation
    who = provider.identity(scene.parameters(fill), fill.slot)
    calls: Mapping[str, Sequence[Call]] = {}
    if isinstance(provider, Foreseeing):
        calls = provider.foresee(scene.parameters(fill), scene.job.connection.settings, scene.upcoming(fill))
    guards = isinstance(provider, Guarded) and rotation.guard != guard.OFF and not creating(scene.job)
    names = ", ".join(rotation.secrets_mapping.values())
    becomes = f"{names} in {scene.place} get {who}'s credential as their next version, and {who} becomes active"
    words = {
        "plan": "The rotation's lease is taken, so that nobody else works on it, and the intent is sealed in the "
        "journal. Nothing outside has happened yet.",
        "guard": f"Who still uses the credential of {who} that is about to die? {_guard_text(scene)}" if guards else "",
        "issue": f"{who} gets a new credential.",
        "verify": f"The new credential has to log in {_times(provider)}. Until then nothing published has changed.",
        "publish": f"In one transaction: {becomes}."
        if fill.active
        else f"{who}'s credential is kept as the inactive one; nothing published changes.",
        "retire": f"What {who} had before is removed."
        if provider.retires and fill.slot in scene.job.credentials
        else "",
    }
    begins = scene.starts if fill is scene.left[0] else "plan"
    return [
        PlannedStep(step, who, words[step], tuple(calls.get(step, ())))
        for step in _ORDER[_ORDER.index(begins) :]
        if words[step]
    ]


def _times(provider: Provider) -> str:
    return "once" if provider.verify_successes == 1 else f"{provider.verify_successes} times in a row"


def _deaths(scene: _Scene) -> list[Death]:
    """What stops working, and when."""
    job, rotation = scene.job, scene.job.rotation
    found = []
    for fill in scene.left:
        if fill.slot in job.credentials or (creating(job) and not scene.provider.retires and scene.provider.restores):
            step = "retire, after the new one is published" if scene.provider.retires else "issue"
            who = scene.provider.identity(scene.parameters(fill), fill.slot)
            found.append(Death(who, f"What {who} has now stops working at the step {step}.", None))
    if scene.left and not creating(job) and rotation.succession is None:
        who = scene.identity(rotation.active_index)
        after = _run_after(scene)
        until = f"the run after this one, {after:%Y-%m-%d %H:%M} UTC" if after else "you rotate once more"
        found.append(Death(who, f"{who}, active now, keeps working until {until}.", after))
    return found


def _run_after(scene: _Scene) -> datetime | None:
    rotation = scene.job.rotation
    if rotation.next_rotation_at is None:
        return None
    return schedule.upcoming(rotation.next_rotation_at, rotation.rotation_interval, 2)[1]


def _guard_text(scene: _Scene) -> str:
    rotation = scene.job.rotation
    return {
        guard.OFF: "Nobody looks: the guard is off.",
        guard.WARN: "If somebody does, they are named and the run goes on.",
        guard.WAIT: f"If somebody does, the run waits up to {rotation.guard_wait_hours} h, then goes on.",
    }.get(rotation.guard, rotation.guard)
