"""The journal of attempts and the lease that guards it.

A lease is (owner, fence, expiry by the database's clock). Every write of an attempt names its lease and happens only
while that still stands in the row, so a process that was stopped and woke up late cannot overwrite a successor.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, exists, func, insert, not_, or_, select, update
from sqlmodel import SQLModel, col

from store import events, rotations, secrets
from store.database import Tx, db_epoch
from store.errors import LeaseBusy, LeaseLost
from store.tables import Attempt, Connection, Rotation

# The statements that every attempt runs through are made once, below the ORM: that is half the time of a rotation.
_ROTATION, _ATTEMPT, _CREDENTIAL = (SQLModel.metadata.tables[name] for name in ("rotation", "attempt", "credential"))


LONGEST_LEASE = 3660.0
"""Seconds; no process takes one for longer. What ends later was taken before the clock was set back."""
_FREE = or_(_ROTATION.c.lease_until < db_epoch(), _ROTATION.c.lease_until > db_epoch() + LONGEST_LEASE)


@dataclass(frozen=True)
class Lease:
    rotation_id: str
    owner: str
    fence: int


@dataclass(frozen=True)
class StoredCredential:
    values: Mapping[str, str] = field(repr=False)
    expires_at: datetime | None = None


@dataclass(frozen=True)
class OpenAttempt:
    """A journaled attempt with its sealed parts opened."""

    row: Attempt
    candidate: StoredCredential
    issued: StoredCredential | None
    previous: StoredCredential | None


@dataclass(frozen=True)
class Job:
    """All that carrying out a rotation needs to know, read in one transaction."""

    rotation: Rotation
    connection: Connection
    connection_secrets: Mapping[str, str] = field(repr=False)
    credentials: Mapping[int, StoredCredential]
    credential_parameters: Mapping[int, Mapping[str, Any]]
    """The parameters each slot's credential was issued with."""
    open: OpenAttempt | None
    retiring: tuple[OpenAttempt, ...]


@dataclass(frozen=True)
class StepDone:
    """One finished step, as the history shows it."""

    step: str
    started_at: datetime
    ms: float
    tries: int = 1
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "started_at": self.started_at.isoformat(),
            "ms": round(self.ms, 2),
            "tries": self.tries,
            **({"note": self.note} if self.note else {}),
        }


def claim(tx: Tx, rotation_id: str, owner: str, seconds: float) -> Lease:
    """Take the lease of one rotation. Raises LeaseBusy while somebody else holds it."""
    lease = _take(tx, rotation_id, owner, seconds)
    if lease is None:
        raise LeaseBusy(
            "Another process is working on this rotation; nothing was done.",
            remedy="Wait for it to finish (at most a minute if it has died) and try again.",
        )
    return lease


def claim_due(tx: Tx, owner: str, now: datetime, seconds: float, limit: int) -> list[Lease]:
    """Take the leases of rotations that are due at `now` and free, the longest waiting first."""
    due = (
        select(col(Rotation.id))
        .where(col(Rotation.due_at) <= now, _FREE)
        .order_by(col(Rotation.due_at))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list(tx.session.scalars(due))
    taken = (_take(tx, rotation_id, owner, seconds) for rotation_id in ids)
    return [lease for lease in taken if lease]


def next_unchecked(tx: Tx, checked_before: datetime, now: datetime) -> str | None:
    """The published rotation whose credentials nobody has tried for longest, if that is too long; it counts as tried.

    It takes no lease: a look must not keep a person waiting. What is failing or being deleted is left to others.
    """
    found = tx.session.scalars(
        select(Rotation)
        .where(
            col(Rotation.last_rotated_at).is_not(None),
            col(Rotation.deletion).is_(None),
            col(Rotation.failures) == 0,
            col(Rotation.checked_at) < checked_before,
        )
        .order_by(col(Rotation.checked_at))
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if found is None:
        return None
    found.checked_at = now
    return found.id


def checked(tx: Tx, lease: Lease, *, drift: str | None, healed: list[str], actor: str, now: datetime) -> None:
    """What a look at both credentials found. Only what changed makes an event."""
    rotation = hold(tx, lease)
    news = [("failed", drift)] if drift and drift != rotation.drift else []
    news += [("success", text) for text in healed]
    if rotation.drift and not drift:
        news.append(("success", "The published credential logs in again."))
    rotation.drift, rotation.updated_at = drift, now
    if healed:
        settle_due(tx, rotation)
    for result, message in news:
        events.append(
            tx,
            at=now,
            actor=actor,
            action="secret-rotation-check-credentials",
            result=result,
            subject=rotation.name,
            rotation_id=rotation.id,
            message=message,
        )


def seconds_to_next(tx: Tx, now: datetime) -> float | None:
    """How long until `claim_due` finds something: a due time comes, or the lease of something due runs out."""
    free = tx.session.scalar(select(func.min(Rotation.due_at)).where(_FREE))
    leased = tx.session.scalar(
        select(func.min(Rotation.lease_until) - db_epoch()).where(not_(_FREE), col(Rotation.due_at) <= now)
    )
    waits = [(free - now).total_seconds()] if free else []
    return min(waits + ([float(leased)] if leased is not None else []), default=None)


_TAKE = (
    update(_ROTATION)
    .where(_ROTATION.c.id == bindparam("rotation"), _FREE)
    .values(
        lease_owner=bindparam("owner"),
        fence=_ROTATION.c.fence + 1,
        lease_until=db_epoch() + bindparam("seconds"),
    )
    .returning(_ROTATION.c.fence)
)


def _take(tx: Tx, rotation_id: str, owner: str, seconds: float) -> Lease | None:
    fence = tx.connection.scalar(_TAKE, {"rotation": rotation_id, "owner": owner, "seconds": seconds})
    return None if fence is None else Lease(rotation_id, owner, fence)


def renew(tx: Tx, lease: Lease, seconds: float) -> None:
    """Raises LeaseLost when somebody else has taken over."""
    if tx.connection.scalar(_RENEW, {**_marks(lease), "seconds": seconds}) is None:
        raise _lost()


def release(tx: Tx, lease: Lease) -> None:
    """Give the lease back; one that is lost already stays with its new owner."""
    _update(tx, lease, lease_owner=None, lease_until=0.0)


def taken_over(tx: Tx, lease: Lease) -> bool:
    """Whether somebody else has had the lease since; otherwise it was given back, or the rotation was deleted."""
    fence = tx.session.scalar(select(_ROTATION.c.fence).where(_ROTATION.c.id == lease.rotation_id))
    return fence is not None and fence != lease.fence


def hold(tx: Tx, lease: Lease) -> Rotation:
    """The rotation's row, locked for this transaction. Raises LeaseLost."""
    row = tx.session.get(Rotation, lease.rotation_id, populate_existing=True, with_for_update=True)
    if row is None or row.fence != lease.fence or row.lease_owner != lease.owner:
        raise _lost()
    return row


_HELD = and_(
    _ROTATION.c.id == bindparam("held_rotation"),
    _ROTATION.c.fence == bindparam("held_fence"),
    _ROTATION.c.lease_owner == bindparam("held_owner"),
)
_CHECK = select(_ROTATION.c.id).where(_HELD).with_for_update()
_UPDATE = update(_ROTATION).where(_HELD).returning(_ROTATION.c.id)
_RENEW = _UPDATE.values(lease_until=db_epoch() + bindparam("seconds"))


def _marks(lease: Lease) -> dict[str, Any]:
    return {"held_rotation": lease.rotation_id, "held_fence": lease.fence, "held_owner": lease.owner}


def _lost() -> LeaseLost:
    return LeaseLost("The lease on this rotation ran out and somebody else took over; nothing was written.")


def _check(tx: Tx, lease: Lease) -> None:
    """Lock the rotation's row for this transaction, like `hold`, without reading it."""
    if tx.connection.scalar(_CHECK, _marks(lease)) is None:
        raise _lost()


def _update(tx: Tx, lease: Lease, **values: Any) -> bool:
    return tx.connection.scalar(_UPDATE, {**_marks(lease), **values}) is not None


def _fenced(tx: Tx, lease: Lease, **values: Any) -> None:
    if not _update(tx, lease, **values):
        raise _lost()


_OF_ROTATION = and_(_ATTEMPT.c.rotation_id == bindparam("rotation"), _ATTEMPT.c.state.in_(("open", "retiring")))
_JOB = (
    select(Rotation, Connection, exists().where(_OF_ROTATION))
    .join(Connection, col(Connection.id) == col(Rotation.connection_id))
    .where(col(Rotation.id) == bindparam("rotation"))
)
_PENDING = select(Attempt).where(_OF_ROTATION).order_by(col(Attempt.started_at))
_STORED = (
    select(
        _CREDENTIAL.c.slot,
        _CREDENTIAL.c.id,
        _CREDENTIAL.c.sealed_values,
        _CREDENTIAL.c.expires_at,
        _ATTEMPT.c.parameters,
    )
    .outerjoin(_ATTEMPT, _ATTEMPT.c.id == _CREDENTIAL.c.attempt_id)
    .where(_CREDENTIAL.c.rotation_id == bindparam("rotation"))
)


def load(tx: Tx, rotation_id: str) -> Job:
    rotation, connection, pending = tx.session.execute(_JOB, {"rotation": rotation_id}).one()
    secret_part = tx.unseal(connection.sealed_credentials, "connection", connection.id, "sealed_credentials")
    rows = tx.session.scalars(_PENDING, {"rotation": rotation_id}).all() if pending else []
    opened = [_opened(tx, row) for row in rows]
    stored = tx.connection.execute(_STORED, {"rotation": rotation_id}).all()
    return Job(
        rotation=rotation,
        connection=connection,
        connection_secrets=json.loads(secret_part),
        credentials={
            row.slot: StoredCredential(rotations.opened_values(tx, row.id, row.sealed_values), row.expires_at)
            for row in stored
        },
        credential_parameters={row.slot: row.parameters or rotation.parameters for row in stored},
        open=next((a for a in opened if a.row.state == "open"), None),
        retiring=tuple(a for a in opened if a.row.state == "retiring"),
    )


def _opened(tx: Tx, row: Attempt) -> OpenAttempt:
    def part(sealed: bytes | None, name: str) -> StoredCredential | None:
        return _unpack(tx.unseal(sealed, "attempt", row.id, name)) if sealed else None

    candidate = part(row.sealed_candidate, "sealed_candidate")
    assert candidate is not None
    return OpenAttempt(
        row, candidate, part(row.sealed_issued, "sealed_issued"), part(row.sealed_previous, "sealed_previous")
    )


def _pack(credential: StoredCredential) -> str:
    expires = credential.expires_at.isoformat() if credential.expires_at else None
    return json.dumps({"values": dict(credential.values), "expires_at": expires})


def _unpack(text: str) -> StoredCredential:
    data = json.loads(text)
    expires = data["expires_at"]
    return StoredCredential(data["values"], datetime.fromisoformat(expires) if expires else None)


def plan(tx: Tx, lease: Lease, attempt: Attempt, candidate: StoredCredential, done: StepDone) -> None:
    """The intent. From here on the loop resumes the attempt, whoever planned it, as soon as the lease is free."""
    attempt.steps = [done.as_json()]
    attempt.sealed_candidate = tx.seal(_pack(candidate), "attempt", attempt.id, "sealed_candidate")
    _fenced(tx, lease, due_at=attempt.started_at, retry_at=None, last_rotation_attempted_at=attempt.started_at)
    tx.connection.execute(_PLAN, {column.name: getattr(attempt, column.name) for column in _ATTEMPT.columns})


def guarded(tx: Tx, lease: Lease, attempt: Attempt, done: StepDone, now: datetime) -> Steps:
    """The slot may be replaced; when `done` carries a note, somebody still uses it and is about to notice."""
    _fenced(tx, lease, guard_since=None)
    steps = _write_steps(tx, attempt, [done], now, step="issue")
    if done.note:
        _guard_event(tx, hold(tx, lease), "warning", done.note, attempt.actor, now)
    return steps


def postpone(tx: Tx, lease: Lease, attempt_id: str, *, note: str, due_at: datetime, actor: str, now: datetime) -> None:
    """Somebody still uses what is about to die: look again at `due_at`. Gives the lease back."""
    rotation = hold(tx, lease)
    attempt = tx.session.get_one(Attempt, attempt_id)
    attempt.message, attempt.updated_at = note[:1024], now
    if rotation.guard_since is None:
        rotation.guard_since = now
        _guard_event(tx, rotation, "postponed", note, actor, now)
    rotation.due_at, rotation.updated_at = _next_moment(tx, rotation, due_at), now
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


_RETIRING = select(func.min(_ATTEMPT.c.retire_after)).where(
    _ATTEMPT.c.rotation_id == bindparam("rotation"), _ATTEMPT.c.state == "retiring"
)


def _next_moment(tx: Tx, rotation: Rotation, due_at: datetime | None) -> datetime | None:
    """`due_at`, or earlier when something waits to be retired."""
    retiring = tx.connection.scalar(_RETIRING, {"rotation": rotation.id})
    return min((moment for moment in (due_at, retiring) if moment), default=None)


def issued(
    tx: Tx, lease: Lease, attempt: Attempt, credential: StoredCredential, done: StepDone, now: datetime
) -> Steps:
    """What came back from the target, sealed into the attempt at once."""
    sealed = tx.seal(_pack(credential), "attempt", attempt.id, "sealed_issued")
    return _advance(tx, lease, attempt, done, now, step="verify", sealed_issued=sealed)


_PLAN = insert(_ATTEMPT)
_ADVANCE = update(_ATTEMPT).where(_ATTEMPT.c.id == bindparam("attempt"))
Steps = list[dict[str, Any]]
"""What an attempt has behind it; each write returns them, to be kept for the next."""


def _advance(tx: Tx, lease: Lease, attempt: Attempt, done: StepDone, now: datetime, **columns: Any) -> Steps:
    """Write under the lease that a step is done."""
    _check(tx, lease)
    return _write_steps(tx, attempt, [done], now, **columns)


def _write_steps(tx: Tx, attempt: Attempt, done: Sequence[StepDone], now: datetime, **columns: Any) -> Steps:
    """`attempt` has the steps that were read or written last, which is how they stand while the lease holds."""
    steps = [*attempt.steps, *(step.as_json() for step in done)]
    tx.connection.execute(_ADVANCE, {"attempt": attempt.id, "steps": steps, "updated_at": now, **columns})
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
    others_retire_at: datetime | None
    """When the next of those that earlier attempts left is to be retired."""
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
    if p.active:
        changes |= _published(p)
    if p.succeeds is not None:
        changes |= {"parameters": dict(p.succeeds), "succession": None}
    if p.last:
        next_at = p.next_rotation_at if p.active else rotation.next_rotation_at
        mine = p.retire_after if p.previous else None
        changes["due_at"] = min(filter(None, (next_at, p.others_retire_at, mine)), default=None)
    if p.release:
        changes |= {"lease_owner": None, "lease_until": 0.0}
    _fenced(tx, lease, **changes)
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
        secrets.put_values(tx, rotation.id, p.mapped, attempt.id, p.now, new_id=p.new_id)
        _tell_published(tx, p)
    return _write_steps(tx, attempt, p.done(), p.now, error=None, message=None, **_end_of_attempt(tx, p))


def _end_of_attempt(tx: Tx, p: Publication) -> dict[str, Any]:
    if p.previous is None:
        return {"step": "done", "state": "done", "finished_at": p.now}
    return {
        "step": "retire",
        "state": "retiring",
        "retire_after": p.retire_after,
        "previous_parameters": dict(p.previous_parameters) if p.previous_parameters is not None else None,
        "sealed_previous": tx.seal(_pack(p.previous), "attempt", p.attempt.id, "sealed_previous"),
    }


def _tell_published(tx: Tx, p: Publication) -> None:
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
    rotation = hold(tx, lease)
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
        sealed_candidate=tx.seal(_pack(credential), "attempt", attempt_id, "sealed_candidate"),
        sealed_previous=tx.seal(_pack(credential), "attempt", attempt_id, "sealed_previous"),
        parameters=dict(parameters),
        previous_parameters=dict(parameters),
        retire_after=retire_after,
    )
    tx.session.add(attempt)
    rotations.empty_slot(tx, rotation.id, slot)
    tx.session.flush()
    rotation.due_at = _next_moment(tx, rotation, rotation.next_rotation_at)


def abandon(tx: Tx, attempt_id: str, now: datetime) -> None:
    """An open attempt for somebody who is no longer rotated: whatever it issued is to be retired."""
    row = tx.session.get_one(Attempt, attempt_id)
    opened = _opened(tx, row)
    held = opened.issued or opened.candidate
    row.sealed_previous = tx.seal(_pack(held), "attempt", row.id, "sealed_previous")
    row.previous_parameters = dict(row.parameters)
    row.state, row.step, row.retire_after, row.updated_at = "retiring", "retire", now, now
    row.message = "Abandoned: an edit changed who is rotated."


def retired(tx: Tx, lease: Lease, attempt: Attempt, done: StepDone, now: datetime) -> None:
    """The last trace of what the slot held before is gone from the target, and from here."""
    _advance(
        tx,
        lease,
        attempt,
        done,
        now,
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
    rotation = hold(tx, lease)
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
    rotation.due_at, rotation.retry_at = _next_moment(tx, rotation, f.due_at), f.retry_at
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
    rotation = hold(tx, lease)
    rotation.due_at, rotation.updated_at = due_at(rotation.failures + 1), now
    rotation.lease_owner, rotation.lease_until = None, 0.0
    if unless_published and not _unfinished(tx, rotation, now):
        return
    rotation.rotation_status, rotation.last_rotation_message = "failed", message[:1024]
    rotation.failures += 1
    _tell_failure(tx, rotation, message, actor, now)


def _unfinished(tx: Tx, rotation: Rotation, now: datetime) -> bool:
    asked = rotation.deletion is not None or rotation.succession is not None or rotation.last_rotated_at is None
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


def retire_failed(tx: Tx, lease: Lease, attempt_id: str, message: str, retry_at: datetime, now: datetime) -> None:
    """Not a failed rotation: the new credential is published; only the clean-up is tried again."""
    hold(tx, lease)
    attempt = tx.session.get_one(Attempt, attempt_id)
    attempt.tries += 1
    attempt.message, attempt.updated_at, attempt.retire_after = message[:1024], now, retry_at


def withdraw_creation(tx: Tx, rotation_id: str) -> bool:
    """Forget a rotation whose creation failed before the target changed; False when there is something to keep."""
    rotation = rotations.get(tx, rotation_id, lock=True)
    if rotation is None or rotation.last_rotated_at is not None or rotation.lease_owner is not None:
        return False
    if rotations.credentials(tx, rotation_id) or rotations.open_attempt(tx, rotation_id):
        return False
    secrets.remove(tx, rotation_id)
    rotations.delete(tx, rotation_id)
    return True


def reschedule(tx: Tx, lease: Lease) -> None:
    """Nothing is left to do before the next scheduled run, but perhaps something to retire. Gives the lease back."""
    rotation = hold(tx, lease)
    rotation.due_at = _next_moment(tx, rotation, rotation.next_rotation_at)
    rotation.lease_owner, rotation.lease_until = None, 0.0


def ask_deletion(tx: Tx, lease: Lease, *, revoke: bool, delete_secrets: bool, now: datetime) -> None:
    """The intent to delete; the loop carries it out when this process dies."""
    _fenced(tx, lease, deletion={"revoke": revoke, "delete_secrets": delete_secrets}, due_at=now)


def deletion_failed(
    tx: Tx, lease: Lease, *, message: str, retry_at: datetime | None, actor: str, now: datetime
) -> None:
    """Keep the intent when `retry_at` is given, withdraw it otherwise; give the lease back."""
    rotation = hold(tx, lease)
    rotation.failures += 1
    rotation.last_rotation_message, rotation.updated_at = message[:1024], now
    rotation.retry_at, rotation.due_at = retry_at, retry_at
    if retry_at is None:
        rotation.deletion = None
        unfinished = rotations.open_attempt(tx, rotation.id) is not None
        rotation.due_at = _next_moment(tx, rotation, now if unfinished else rotation.next_rotation_at)
    rotation.lease_owner, rotation.lease_until = None, 0.0
    events.append(
        tx,
        at=now,
        actor=actor,
        action="delete-secret-rotation",
        result="failed",
        subject=rotation.name,
        rotation_id=rotation.id,
        message=message,
    )


def delete(tx: Tx, lease: Lease, *, delete_secrets: bool, actor: str, now: datetime) -> None:
    """The rotation with its credentials and attempts; mapped secrets go too, or become plain ones."""
    rotation = hold(tx, lease)
    if delete_secrets:
        secrets.remove(tx, rotation.id)
    else:
        secrets.detach(tx, rotation.id)
    events.append(
        tx,
        at=now,
        actor=actor,
        action="delete-secret-rotation",
        result="success",
        subject=rotation.name,
        rotation_id=rotation.id,
    )
    rotations.delete(tx, rotation.id)


def settle_due(tx: Tx, rotation: Rotation) -> None:
    """After an edit of the schedule: what is unfinished goes on as it was, everything else as scheduled."""
    unfinished = rotation.last_rotated_at is None or rotation.succession is not None
    if not unfinished and rotations.open_attempt(tx, rotation.id) is None:
        rotation.due_at = _next_moment(tx, rotation, rotation.next_rotation_at)


def succeed(tx: Tx, lease: Lease) -> None:
    """An edit of who is rotated has nothing left to issue."""
    rotation = hold(tx, lease)
    if rotation.succession is not None:
        rotation.parameters, rotation.succession = rotation.succession, None
