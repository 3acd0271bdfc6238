"""Looks at how the store is: its file, its clock, who holds leases. Nothing is changed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlmodel import col

from store.database import Tx, db_epoch
from store.failures import translated
from store.leases import LONGEST_LEASE
from store.tables import Attempt, Event, Rotation

MOST_NAMED = 5


@dataclass(frozen=True)
class LeaseLook:
    """One lease that is in somebody's name. `seconds_left` by the database's clock; below zero: it ran out."""

    rotation: str
    owner: str
    seconds_left: float


def damage(path: Path) -> list[str]:
    """What SQLite finds wrong with a database file, a line each, at most a few; empty when it is whole.

    Raises StoreUnavailable for a file that cannot be read, or is none.
    """
    with translated(str(path)), closing(looking_at(path)) as connection:
        lines = [str(line) for (line,) in connection.execute(f"PRAGMA integrity_check({MOST_NAMED})")]
        found = [] if lines == ["ok"] else lines
        orphans = connection.execute("PRAGMA foreign_key_check").fetchmany(MOST_NAMED)
        return found + [f"a row of {child} refers to one of {parent} that is gone" for child, _, parent, _ in orphans]


def looking_at(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, to a file that exists."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10.0)


def clock_ahead(tx: Tx, now: datetime) -> float:
    """By how many seconds the database's clock is ahead of `now`."""
    return float(tx.session.scalar(select(db_epoch())) or 0.0) - now.timestamp()


def newest_event(tx: Tx, action: str | None = None) -> datetime | None:
    """When the newest one is from; of one kind only, if that is given."""
    query = select(func.max(col(Event.at)))
    return tx.session.scalar(query if action is None else query.where(col(Event.action) == action))


def leases(tx: Tx) -> list[LeaseLook]:
    left = col(Rotation.lease_until) - db_epoch()
    query = select(col(Rotation.name), col(Rotation.lease_owner), left).where(col(Rotation.lease_owner).is_not(None))
    return [LeaseLook(name, str(owner), float(seconds)) for name, owner, seconds in tx.session.execute(query)]


def held(rotation: Rotation, now: datetime) -> bool:
    """Whether somebody alive works on it."""
    left = rotation.lease_until - now.timestamp()
    return rotation.lease_owner is not None and 0 < left <= LONGEST_LEASE


def silent_since(tx: Tx) -> dict[str, datetime]:
    """When the open attempt of a rotation got on last, by rotation."""
    query = select(col(Attempt.rotation_id), func.min(Attempt.updated_at)).where(col(Attempt.state) == "open")
    return {row[0]: row[1] for row in tx.session.execute(query.group_by(col(Attempt.rotation_id)))}
