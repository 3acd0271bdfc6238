"""The journal of attempts: each step is written under the rotation's lease before the next one begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update
from sqlmodel import SQLModel

from store import events, jobs, leases, outbox, rotations, secrets
from store.database import Tx
from store.jobs import StoredCredential
from store.leases import Lease
from store.steps import StepDone
from store.tables import Attempt, Rotation

_ATTEMPT = SQLModel.metadata.tables["attempt"]


def plan(tx: Tx, lease: Lease, attempt: Attempt, candidate: StoredCredential, done: StepDone) -> None:
    """The intent. From here on the loop resumes the attempt, whoever planned it, as soon as the lease is free."""
    attempt.steps = [done.as_json()]
    attempt.sealed_candidate = tx.seal(jobs.pack(candidate), "attempt", attempt.id, "sealed_candidate")
    leases.write(tx, lease, due_at=attempt.started_at, retry_at=None, last_rotation_attempted_at=attempt.started_at)
    tx.connection.execute(_PLAN, {column.name: getattr(attempt, column.name) for column in _ATTEMPT.columns})


def guarded(tx: Tx, lease: Lease, attempt: Attempt, done: StepDone, now: datetime) -> Steps:
    """The slot may be replaced; when `done` carries a note, somebody still uses it and is about to notice."""
    leases.write(tx, lease, guard_since=None)
    steps = _write_steps(tx, attempt, [done], now, step="issue")
    if done.note:
        _guard_event(tx, leases.hold(tx, lease), "warning", done.note, attempt.actor, now)
    return steps


def postpone(tx: Tx, lease: Lease, attempt_id: str, *, note: str, due_at: datetime, actor: str, now: datetime) -> None:
    """Somebody still uses what is about to die: look again at `due_at`. Gives the lease back."""
    rotation = leases.hold(tx, lease)
    attempt = tx.session.get_one(Attempt, attempt_id)
    attempt.message, attempt.updated_at = note[:1024], now
    if rotation.guard_since is None:
        rotation.guard_since = now
        _guard_event(tx, rotation, "postponed", note, actor, now)
    rotation.due_at, rotation.updated_at = next_moment(tx, rotation, due_at), now
    rotation.lease_owner, rotation.lease_until = None, 0.0


def _guard_event(tx: Tx, rotation: Rotation, result: str, note: str, actor: str, now: datetime) -> None:
    events.append(
        tx,
        at=now,
        actor=actor,
        action="secret-rotation-guard",
        result=result,
        subject=rotation.name,
        rotation_id=rotation.id,
        message=note,
    )
    outbox.tell(tx, outbox.GUARD, rotation, at=now, actor=actor, message=note)


_RETIRING = select(func.min(_ATTEMPT.c.retire_after)).where(
    _ATTEMPT.c.rotation_id == bindparam("rotation"), _ATTEMPT.c.state == "retiring"
)


def next_moment(tx: Tx, rotation: Rotation, due_at: datetime | None) -> datetime | None:
    """`due_at`, or earlier when something waits to be retired."""
    retiring = tx.connection.scalar(_RETIRING, {"rotation": rotation.id})
    return min((moment for moment in (due_at, retiring) if moment), default=None)


def issued(
    tx: Tx, lease: Lease, attempt: Attempt, credential: StoredCredential, done: StepDone, now: datetime
) -> Steps:
    """What came back from the target, sealed into the attempt at once."""
    sealed = tx.seal(jobs.pack(credential), "attempt", attempt.id, "sealed_issued")
    return _write_steps(tx, attempt, [done], now, lease=lease, step="verify", sealed_issued=sealed)


_PLAN = insert(_ATTEMPT)
_ADVANCE = update(_ATTEMPT).where(_ATTEMPT.c.id == bindparam("attempt"))
_ADVANCE_HELD = _ADVANCE.where(leases.HELD_ROW.exists())
"""While the lease holds, whose row it locks."""
Steps = list[dict[str, Any]]
"""What an attempt has behind it; each write returns them, to be kept for the next."""


def _write_steps(
    tx: Tx, attempt: Attempt, done: Sequence[StepDone], now: datetime, *, lease: Lease | None = None, **columns: Any
) -> Steps:
    """`attempt` has the steps that were read or written last, which is how they stand while the lease holds.

    `lease` is left out where this transaction wrote under it already. Raises LeaseLost.
    """
    steps = [*attempt.steps, *(step.as_json() for step in done)]
    row = {"attempt": attempt.id, "steps": steps, "updated_at": now, **columns}
    if lease is None:
        tx.connection.execute(_ADVANCE, row)
    elif tx.connection.execute(_ADVANCE_HELD, {**row, **leases.marks(lease)}).rowcount != 1:
        raise leases.lost()
    return steps


@dataclass(frozen=True)
class Publication:
    """What changes hands when a slot becomes current. `active` False: a slot filled at creation, not published."""

    rotation: Rotation
    attempt: Attempt
    credential: StoredCredential
    public: Mapping[str, str]
    previous: StoredCredential | None
    """To be retired at the target afterwards; None when there is nothing to retire."""
    previous_parameters: Mapping[str, Any] | None
    """Given when `previous` belonged to another principal."""
    retire_after: datetime
    others_retire: bool
    """Whether earlier attempts, of this work or before, may have left something to be retired."""
    succeeds: Mapping[str, Any] | None
    """The rotation's new parameters, when this ends an edit that changed who is rotated."""
    active: bool
    mapped: Mapping[str, str] = field(repr=False)
    """Credential field -> value, for the mapped secrets."""
    manual: bool
    next_rotation_at: datetime | None
    now: datetime
    done: Callable[[], Sequence[StepDone]]
    """The steps not written yet. Asked as late as possible, so that the last one's time holds most of this writing."""
    new_id: Callable[[], str]
    last: bool
    """Whether this is the last slot of the work."""
    release: bool
    """Whether the lease goes back in the same transaction."""


def publish(tx: Tx, lease: Lease, p: Publication) -> Steps:
    """One transaction: the slot's credential, activeIndex, the mapped secrets, the schedule, the event."""
    rotation, attempt = p.rotation, p.attempt
    changes: dict[str, Any] = {"failures": 0, "retry_at": None, "updated_at": p.now}
    failed, made_good = rotation.rotation_status == "failed" or (p.active and rotation.drift), p.active
    if p.active:
        changes |= _published(p)
    elif made_good := _made_good(tx, rotation, attempt):
        changes |= {"rotation_status": "success", "last_rotation_message": None}
    if p.succeeds is not None:
        changes |= {"parameters": dict(p.succeeds), "succession": None}
    if p.last:
        next_at = p.next_rotation_at if p.active else rotation.next_rotation_at
        due_at = next_moment(tx, rotation, next_at) if p.others_retire else next_at
        changes["due_at"] = min(filter(None, (due_at, p.retire_after if p.previous else None)), default=None)
    if p.release:
        changes |= {"lease_owner": None, "lease_until": 0.0}
    leases.write(tx, lease, **changes)
    rotations.put_credential(
        tx,
        id=p.new_id(),
        rotation_id=rotation.id,
        slot=attempt.slot,
        public=p.public,
        values=p.credential.values,
        issued_at=p.now,
        expires_at=p.credential.expires_at,
        attempt_id=attempt.id,
    )
    if p.active:
        changed = secrets.put_values(tx, rotation.id, p.mapped, attempt.id, p.now, new_id=p.new_id)
        _tell_published(tx, p, changed)
    if failed and made_good:
        said = "It works again." if p.active else "It works again; no published value was changed."
        outbox.tell(tx, outbox.RECOVERED, rotation, at=p.now, actor=attempt.actor, message=said)
    return _write_steps(tx, attempt, p.done(), p.now, error=None, message=None, **_end_of_attempt(tx, p))


def _made_good(tx: Tx, rotation: Rotation, attempt: Attempt) -> bool:
    """Whether what failed last was the same work, such as setting a password back: then nothing is amiss any more."""
    if rotation.rotation_status != "failed" or rotation.last_rotated_at is None or not rotation.last_rotation_job_id:
        return False
    failed = tx.session.get(Attempt, rotation.last_rotation_job_id)
    return failed is not None and failed.trigger == attempt.trigger


def _end_of_attempt(tx: Tx, p: Publication) -> dict[str, Any]:
    if p.previous is None:
        return {"step": "done", "state": "done", "finished_at": p.now}
    return {
        "step": "retire",
        "state": "retiring",
        "retire_after": p.retire_after,
        "previous_parameters": dict(p.previous_parameters) if p.previous_parameters is not None else None,
        "sealed_previous": tx.seal(jobs.pack(p.previous), "attempt", p.attempt.id, "sealed_previous"),
    }


def _tell_published(tx: Tx, p: Publication, changed: Sequence[str]) -> None:
    first = p.rotation.last_rotated_at is None
    events.append(
        tx,
        at=p.now,
        actor=p.attempt.actor,
        action="create-secret-rotation" if first else "secret-rotation-rotate-secrets",
        result="success",
        subject=p.rotation.name,
        rotation_id=p.rotation.id,
        message=f"slot {p.attempt.slot} published",
    )
    if changed:
        outbox.tell(
            tx,
            outbox.PUBLISHED,
            p.rotation,
            at=p.now,
            actor=p.attempt.actor,
            message=f"slot {p.attempt.slot} published",
            changed=changed,
            trigger=p.attempt.trigger,
        )


def _published(p: Publication) -> dict[str, Any]:
    return {
        "active_index": p.attempt.slot,
        "rotation_status": "success",
        "last_rotation_message": None,
        "last_rotated_at": p.now,
        "last_rotation_job_id": p.attempt.id,
        "is_last_rotation_manual": p.manual,
        "next_rotation_at": p.next_rotation_at,
        "checked_at": p.now,
        "drift": None,
    }


def drop_slot(
    tx: Tx,
    lease: Lease,
    slot: int,
    credential: StoredCredential,
    *,
    parameters: Mapping[str, Any],
    attempt_id: str,
    retire_after: datetime,
    actor: str,
    now: datetime,
) -> None:
    """A slot whose credential belongs to a former principal: empty it, and journal the credential for retirement."""
    rotation = leases.hold(tx, lease)
    attempt = Attempt(
        id=attempt_id,
        rotation_id=rotation.id,
        slot=slot,
        trigger="edit",
        actor=actor,
        state="retiring",
        step="retire",
        started_at=now,
        updated_at=now,
        sealed_candidate=tx.seal(jobs.pack(credential), "attempt", attempt_id, "sealed_candidate"),
        sealed_previous=tx.seal(jobs.pack(credential), "attempt", attempt_id, "sealed_previous"),
        parameters=dict(parameters),
        previous_parameters=dict(parameters),
        retire_after=retire_after,
    )
    tx.session.add(attempt)
    rotations.empty_slot(tx, rotation.id, slot)
    tx.session.flush()
    rotation.due_at = next_moment(tx, rotation, rotation.next_rotation_at)


def abandon(tx: Tx, attempt_id: str, now: datetime) -> None:
    """An open attempt for somebody who is no longer rotated: whatever it issued is to be retired."""
    row = tx.session.get_one(Attempt, attempt_id)
    opened = jobs.opened(tx, row)
    held = opened.issued or opened.candidate
    row.sealed_previous = tx.seal(jobs.pack(held), "attempt", row.id, "sealed_previous")
    row.previous_parameters = dict(row.parameters)
    row.state, row.step, row.retire_after, row.updated_at = "retiring", "retire", now, now
    row.message = "Abandoned: an edit changed who is rotated."


def retired(tx: Tx, lease: Lease, attempt: Attempt, done: StepDone, now: datetime) -> None:
    """The last trace of what the slot held before is gone from the target, and from here."""
    _write_steps(
        tx,
        attempt,
        [done],
        now,
        lease=lease,
        step="done",
        state="done",
        finished_at=now,
        sealed_previous=None,
        retire_after=None,
        message=None,
    )


@dataclass(frozen=True)
class Failure:
    """How an attempt ended or was parked. `closed`: the target certainly did not change."""

    attempt_id: str
    closed: bool
    kind: str
    """"transient", "permanent" or "defect"."""
    message: str
    due_at: datetime | None
    retry_at: datetime | None
    next_rotation_at: datetime | None
    actor: str
    now: datetime


def fail(tx: Tx, lease: Lease, f: Failure) -> None:
    """Record a failure and give the lease back; the published credential is untouched."""
    rotation = leases.hold(tx, lease)
    attempt = tx.session.get_one(Attempt, f.attempt_id)
    attempt.error, attempt.message = f.kind, f.message[:1024]
    attempt.tries += 1
    attempt.updated_at = f.now
    if f.closed:
        attempt.state, attempt.finished_at = "failed", f.now
    rotation.rotation_status = "failed"
    rotation.last_rotation_message = f.message[:1024]
    rotation.last_rotation_job_id = f.attempt_id
    rotation.failures += 1
    rotation.due_at, rotation.retry_at = next_moment(tx, rotation, f.due_at), f.retry_at
    rotation.next_rotation_at = f.next_rotation_at
    rotation.updated_at = f.now
    rotation.lease_owner, rotation.lease_until = None, 0.0
    _tell_failure(tx, rotation, f.message, f.actor, f.now)


def defer(
    tx: Tx,
    lease: Lease,
    *,
    message: str,
    due_at: Callable[[int], datetime],
    actor: str,
    now: datetime,
    unless_published: bool,
) -> None:
    """The work could not even begin (a sealed value does not open, a provider is not installed), or what came of it
    could not be recorded: try again later. `due_at` gets the number of failures in a row.

    `unless_published`: it is no failure when nothing but clean-up is left to be done.
    """
    rotation = leases.hold(tx, lease)
    rotation.due_at, rotation.updated_at = due_at(rotation.failures + 1), now
    rotation.lease_owner, rotation.lease_until = None, 0.0
    if unless_published and not _unfinished(tx, rotation, now):
        return
    rotation.rotation_status, rotation.last_rotation_message = "failed", message[:1024]
    rotation.failures += 1
    _tell_failure(tx, rotation, message, actor, now)


def _unfinished(tx: Tx, rotation: Rotation, now: datetime) -> bool:
    asked = rotation.deletion is not None or rotation.succession is not None or rotation.last_rotated_at is None
    asked = asked or rotation.emergency_since is not None
    due = rotation.next_rotation_at is not None and rotation.next_rotation_at <= now
    return asked or due or rotations.open_attempt(tx, rotation.id) is not None


def _tell_failure(tx: Tx, rotation: Rotation, message: str, actor: str, now: datetime) -> None:
    events.append(
        tx,
        at=now,
        actor=actor,
        action="secret-rotation-rotate-secrets" if rotation.last_rotated_at else "create-secret-rotation",
        result="failed",
        subject=rotation.name,
        rotation_id=rotation.id,
        message=message,
    )
    outbox.tell(tx, outbox.FAILED, rotation, at=now, actor=actor, message=message)


def retire_failed(tx: Tx, lease: Lease, attempt_id: str, message: str, retry_at: datetime, now: datetime) -> None:
    """Not a failed rotation: the new credential is published; only the clean-up is tried again."""
    leases.hold(tx, lease)
    attempt = tx.session.get_one(Attempt, attempt_id)
    attempt.tries += 1
    attempt.message, attempt.updated_at, attempt.retire_after = message[:1024], now, retry_at
