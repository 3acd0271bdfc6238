"""Both credentials of a rotation renewed now, and the report of it: what is dead since when, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.errors import Busy, NotFound, RotationFailed
from app.operations.context import Context, place_text, rotation_by
from app.rotation.agenda import EMERGENCY
from app.rotation.engine import nobody
from app.rotation.failpoints import reached
from app.rotation.lease import claiming
from app.rotation.surroundings import Listener
from providers.base import Outlived, Provider, Use
from providers.registry import provider as provider_of
from store import emergencies, projects
from store.database import Tx
from store.emergencies import SESSIONS
from store.errors import LeaseBusy
from store.leases import Lease
from store.tables import Attempt, Rotation


@dataclass(frozen=True)
class TimedStep:
    identity: str
    step: str
    at: datetime
    ms: float
    tries: int
    note: str


@dataclass(frozen=True)
class Dead:
    """A former credential. `public`: its fields that may be shown, such as a key's id."""

    identity: str
    public: Mapping[str, str]
    since: datetime


@dataclass(frozen=True)
class EmergencyReport:
    """`finished` False: it is still under way, and goes on by itself. `ms`: from the question to the last step."""

    id: str
    name: str
    type: str
    asked_at: datetime
    ms: float
    finished: bool
    active: str
    place: str
    publishes: tuple[str, ...]
    steps: tuple[TimedStep, ...]
    dead: tuple[Dead, ...]
    ended: tuple[Use, ...]
    left: tuple[Use, ...]
    trouble: tuple[str, ...]
    """Why sessions go on, and the statement that mends it, in turns."""
    advice: tuple[str, ...]


@dataclass(frozen=True)
class Emergencies:
    """`ref` is an id, or a name where that is unambiguous."""

    context: Context

    async def renew(self, ref: str, listener: Listener = nobody) -> EmergencyReport:
        """Renew both credentials, one after another; goes on with what is under way already. The guard holds nothing
        back, and a pause does not either. Raises Busy, NotFound, UsageError, RotationFailed when it is not finished.
        """
        now, engine = self.context.clock(), self.context.engine

        def ask(tx: Tx) -> Lease:
            row = rotation_by(tx, ref)
            _refuse(row)
            lease = engine.claim_in(tx, row.id)
            emergencies.ask(tx, lease, actor=self.context.actor, now=now)
            return lease

        try:
            lease = await claiming(self.context.store, ask, lambda lease: [lease])
        except LeaseBusy as error:
            raise Busy(error.message, remedy=error.remedy) from None
        reached("emergency.asked")
        await engine.carry_out(lease, EMERGENCY, self.context.actor, listener, force=True)
        return await self.report(lease.rotation_id)

    async def report(self, ref: str) -> EmergencyReport:
        """Of the newest one, from the journal. Raises NotFound when there was none."""

        def look(tx: Tx) -> EmergencyReport:
            row = rotation_by(tx, ref)
            asked_at = row.emergency_since or emergencies.newest(tx, row.id)
            if asked_at is None:
                raise NotFound(f"{row.name} has had no emergency.")
            place = place_text(projects.place_of(tx, row.folder_id))
            return _report(row, asked_at, emergencies.attempts(tx, row.id, asked_at), place)

        return await self.context.store.aread(look)


def _refuse(row: Rotation) -> None:
    if row.deletion is not None:
        raise RotationFailed(
            f"{row.name} is being deleted; nothing was renewed.",
            remedy="To make its credentials useless, delete it once more with --revoke.",
        )
    if row.last_rotated_at is None:
        raise RotationFailed(
            f"{row.name} was never published: nobody has its credentials.",
            remedy=f"Finish its creation: keyturn rotations rotate {row.name}",
        )
    if row.succession is not None:
        raise RotationFailed(
            f"An edit of whom {row.name} rotates is not finished; nothing was renewed.",
            remedy=f"Finish it first: keyturn rotations rotate {row.name}\nThen ask for the emergency once more.",
        )


def _report(row: Rotation, asked_at: datetime, attempts: list[Attempt], place: str) -> EmergencyReport:
    provider = provider_of(row.type)
    steps = tuple(step for attempt in attempts for step in _steps(provider, attempt))
    ends = [step.at + timedelta(milliseconds=step.ms) for step in steps]
    sessions = [s.get("detail") or {} for a in attempts for s in a.steps if s["step"] == SESSIONS]
    left = tuple(use for found in sessions for use in _uses(found.get("left", ())))
    trouble = [str(found[key]) for found in sessions for key in ("reason", "remedy") if found.get(key)]
    return EmergencyReport(
        id=row.id,
        name=row.name,
        type=row.type,
        asked_at=asked_at,
        ms=(max(ends, default=asked_at) - asked_at).total_seconds() * 1000,
        finished=row.emergency_since is None,
        active=provider.identity(provider.parameters.model_validate(row.parameters), row.active_index),
        place=place,
        publishes=tuple(row.secrets_mapping.values()),
        steps=tuple(sorted(steps, key=lambda step: step.at)),
        dead=tuple(dead for attempt in attempts for dead in _dead(provider, attempt)),
        ended=tuple(use for found in sessions for use in _uses(found.get("ended", ()))),
        left=left,
        trouble=tuple(dict.fromkeys(trouble)),
        advice=tuple(_advice(row, provider, place, bool(trouble))),
    )


def _steps(provider: Provider, attempt: Attempt) -> Iterator[TimedStep]:
    identity = _identity(provider, attempt)
    for step in attempt.steps:
        at = datetime.fromisoformat(step["started_at"])
        yield TimedStep(identity, step["step"], at, step["ms"], step["tries"], step.get("note", ""))


def _dead(provider: Provider, attempt: Attempt) -> Iterator[Dead]:
    """What this attempt replaced, once it is certain."""
    deadly = "retire" if provider.retires else "issue"
    planned, *_ = [step for step in attempt.steps if step["step"] == "plan"] or [{}]
    public = (planned.get("detail") or {}).get("replaces")
    ends = [step for step in attempt.steps if step["step"] == deadly]
    if public is not None and ends:
        since = datetime.fromisoformat(ends[-1]["started_at"]) + timedelta(milliseconds=ends[-1]["ms"])
        yield Dead(_identity(provider, attempt), public, since)


def _identity(provider: Provider, attempt: Attempt) -> str:
    return provider.identity(provider.parameters.model_validate(attempt.parameters), attempt.slot)


def _uses(found: list[dict[str, Any]]) -> Iterator[Use]:
    for use in found:
        since = datetime.fromisoformat(use["since"]) if use.get("since") else None
        yield Use(use["who"], use["where"], use["count"], since)


def _advice(row: Rotation, provider: Provider, place: str, trouble: bool) -> Iterator[str]:
    if row.emergency_since is not None:
        yield "It is not finished: the loop goes on with it, and asking for it once more does so at once."
    names = ", ".join(row.secrets_mapping.values())
    yield f"Let every program read {names} in {place} anew: those that still use a former value are refused now."
    if trouble:
        yield "End what is still open: run the statement above, then ask for the emergency once more."
    if isinstance(provider, Outlived):
        yield provider.outlived_by
    yield f"Find out how it got out, and look at who read it: keyturn events --rotation {row.name}"
