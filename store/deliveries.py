"""The outbox on its way: who takes a delivery, what came of it, and what is tried again when.

One process delivers a row, by a lease. What is told of one rotation to one hook keeps its order: a later row is
taken only when no earlier one waits.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, not_, select, update
from sqlmodel import SQLModel

from store import events
from store.database import Tx, db_epoch
from store.leases import LONGEST_LEASE
from store.outbox import WAITING
from store.tables import Delivery, Hook

DONE, GIVEN_UP, DROPPED = "done", "given up", "dropped"
ACTION = "hook-delivery"
ANSWER_MAX = 1024
_AT_ONCE = 100

_HOOK, _DELIVERY = (SQLModel.metadata.tables[name] for name in ("hook", "delivery"))
_EARLIER = _DELIVERY.alias("earlier")
_FREE = (_DELIVERY.c.lease_until < db_epoch()) | (_DELIVERY.c.lease_until > db_epoch() + LONGEST_LEASE)
_WAITS_FOR_ANOTHER = (
    select(_EARLIER.c.id)
    .where(
        _EARLIER.c.state == WAITING,
        _EARLIER.c.hook_id == _DELIVERY.c.hook_id,
        _EARLIER.c.rotation_id == _DELIVERY.c.rotation_id,
        _EARLIER.c.id < _DELIVERY.c.id,
    )
    .exists()
)
_NEXT = (
    _DELIVERY.c.state == WAITING,
    not_(_WAITS_FOR_ANOTHER),
    _HOOK.c.id == _DELIVERY.c.hook_id,
    not_(_HOOK.c.paused),
)
_TAKE = (
    update(_DELIVERY)
    .where(_DELIVERY.c.id == bindparam("delivery"), _DELIVERY.c.state == WAITING, _FREE)
    .values(
        lease_owner=bindparam("owner"),
        attempts=_DELIVERY.c.attempts + 1,
        lease_until=db_epoch() + bindparam("seconds"),
    )
    .returning(_DELIVERY.c.attempts, _DELIVERY.c.facts, _DELIVERY.c.since)
)
_HELD = (
    update(_DELIVERY)
    .where(
        _DELIVERY.c.id == bindparam("delivery"),
        _DELIVERY.c.lease_owner == bindparam("owner"),
        _DELIVERY.c.attempts == bindparam("attempt"),
        _DELIVERY.c.state == WAITING,
    )
    .returning(_DELIVERY.c.id)
)


@dataclass(frozen=True)
class Taken:
    """A delivery under our lease. `attempt` counts its tries, this one included."""

    id: int
    hook_id: str
    hook: str
    rotation_id: str
    owner: str
    attempt: int
    since: datetime
    facts: dict[str, Any]


def due(tx: Tx, now: datetime, *, busy: Collection[str] = ()) -> list[tuple[int, str]]:
    """Deliveries that could be taken now, with their hooks, the longest waiting first. None of the hooks in `busy`."""
    query = (
        select(_DELIVERY.c.id, _DELIVERY.c.hook_id)
        .where(*_NEXT, _FREE, _DELIVERY.c.due_at <= now, _DELIVERY.c.hook_id.not_in(busy))
        .order_by(_DELIVERY.c.due_at, _DELIVERY.c.id)
        .limit(_AT_ONCE)
    )
    return [(row.id, row.hook_id) for row in tx.connection.execute(query)]


def next_due(tx: Tx) -> datetime | None:
    """When the next one comes that nobody holds."""
    found: datetime | None = tx.connection.scalar(select(func.min(_DELIVERY.c.due_at)).where(*_NEXT, _FREE))
    return found


def take(tx: Tx, delivery_id: int, owner: str, grace: float) -> tuple[Taken, Hook] | None:
    """The delivery and its hook, unless somebody else was faster. `grace`: seconds beyond the hook's time-out."""
    found = tx.connection.execute(
        select(_DELIVERY.c.hook_id, _DELIVERY.c.rotation_id).where(_DELIVERY.c.id == delivery_id)
    ).first()
    hook = tx.session.get(Hook, found.hook_id) if found else None
    if found is None or hook is None:
        return None
    marks = {"delivery": delivery_id, "owner": owner, "seconds": hook.time_out + grace}
    row = tx.connection.execute(_TAKE, marks).first()
    if row is None:
        return None
    taken = Taken(delivery_id, hook.id, hook.name, found.rotation_id, owner, row.attempts, row.since, row.facts)
    return taken, hook


def over(tx: Tx, taken: Taken, state: str, answer: str, now: datetime) -> bool:
    """It is done or given up; False when somebody else has it by now. Giving up is told in the history."""
    done = _write(tx, taken, state=state, answer=answer[:ANSWER_MAX], finished_at=now)
    if done and state == GIVEN_UP:
        about = taken.facts
        events.append(
            tx,
            at=now,
            actor="scheduler",
            action=ACTION,
            result="failed",
            subject=taken.hook,
            rotation_id=taken.rotation_id,
            message=f"Delivery {taken.id} ({about['event']} of {about['rotation']['name']}) is given up after "
            f"{taken.attempt} tries: {answer}",
        )
    return done


def again(tx: Tx, taken: Taken, answer: str, due_at: datetime) -> None:
    _write(tx, taken, answer=answer[:ANSWER_MAX], due_at=due_at)


def _write(tx: Tx, taken: Taken, **values: Any) -> bool:
    marks = {"delivery": taken.id, "owner": taken.owner, "attempt": taken.attempt}
    values |= {"lease_owner": None, "lease_until": 0.0}
    return tx.connection.scalar(_HELD.values(**values), marks) is not None


def retry(tx: Tx, delivery_id: int, now: datetime) -> bool:
    """Try it now, and for a day; False when it is done, or is being delivered."""
    return _touch(tx, delivery_id, (WAITING, GIVEN_UP, DROPPED), state=WAITING, since=now, due_at=now, finished_at=None)


def drop(tx: Tx, delivery_id: int, now: datetime) -> bool:
    """Deliver it never; False when it is over already, or is being delivered."""
    return _touch(tx, delivery_id, (WAITING,), state=DROPPED, finished_at=now)


def _touch(tx: Tx, delivery_id: int, states: Collection[str], **values: Any) -> bool:
    query = update(_DELIVERY).where(_DELIVERY.c.id == delivery_id, _DELIVERY.c.state.in_(states), _FREE)
    return tx.connection.scalar(query.values(**values).returning(_DELIVERY.c.id)) is not None


def resumed(tx: Tx, hook_id: str, now: datetime) -> None:
    """What waited while the hook was paused has its whole day from now on."""
    mine = update(_DELIVERY).where(_DELIVERY.c.hook_id == hook_id, _DELIVERY.c.state == WAITING)
    tx.connection.execute(mine.where(_DELIVERY.c.since < now).values(since=now, due_at=now))


def remove_old(tx: Tx, before: datetime, limit: int) -> int:
    """Forget deliveries that were over before then, at most so many; how many."""
    old = select(_DELIVERY.c.id).where(_DELIVERY.c.finished_at < before).limit(limit)
    return tx.connection.execute(delete(_DELIVERY).where(_DELIVERY.c.id.in_(old))).rowcount


def listed(
    tx: Tx, limit: int, *, hook_id: str = "", failed: bool = False, before_id: int | None = None
) -> list[tuple[Delivery, Hook]]:
    """Newest first. `failed`: those given up, and those that wait for another try. `before_id`: for the next page."""
    query = select(Delivery, Hook).where(_HOOK.c.id == _DELIVERY.c.hook_id)
    if hook_id:
        query = query.where(_DELIVERY.c.hook_id == hook_id)
    if before_id is not None:
        query = query.where(_DELIVERY.c.id < before_id)
    if failed:
        tried = (_DELIVERY.c.state == WAITING) & (_DELIVERY.c.answer != "")
        query = query.where((_DELIVERY.c.state == GIVEN_UP) | tried)
    return [(row[0], row[1]) for row in tx.session.execute(query.order_by(_DELIVERY.c.id.desc()).limit(limit))]


def given_up(tx: Tx, after: datetime) -> list[tuple[Delivery, Hook]]:
    """Since then, oldest first."""
    query = select(Delivery, Hook).where(_HOOK.c.id == _DELIVERY.c.hook_id, _DELIVERY.c.state == GIVEN_UP)
    query = query.where(_DELIVERY.c.finished_at > after).order_by(_DELIVERY.c.finished_at, _DELIVERY.c.id)
    return [(row[0], row[1]) for row in tx.session.execute(query)]


def get(tx: Tx, delivery_id: int) -> Delivery | None:
    return tx.session.get(Delivery, delivery_id)


def waiting(tx: Tx) -> dict[str, int]:
    """How many wait, by hook."""
    query = select(_DELIVERY.c.hook_id, func.count()).where(_DELIVERY.c.state == WAITING).group_by(_DELIVERY.c.hook_id)
    return {row[0]: row[1] for row in tx.connection.execute(query)}
