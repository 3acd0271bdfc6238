"""What the tests of faults tell again and again: a rotation is due, something happens, and it gets well by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, cast

from sqlmodel import col, select, update

from app.service import Service
from store import jobs
from store.database import Tx
from store.jobs import Job
from store.tables import Attempt, Rotation
from tests.rotation.conftest import Clock, published
from tests.rotation.model import World


def job_of(service: Service, rotation_id: str) -> Job:
    """All of a rotation, opened: raises when a sealed value does not open."""
    return service.store.read(lambda tx: jobs.load(tx, rotation_id))


def make_due(service: Service, rotation_id: str, clock: Clock) -> datetime:
    """Set the clock a second past the next scheduled run. Returns when that was due."""
    row = job_of(service, rotation_id).rotation
    assert row.next_rotation_at is not None
    clock.now = row.next_rotation_at + timedelta(seconds=1)
    return row.next_rotation_at


def leases_run_out(service: Service) -> None:
    """What the database's clock does to the leases of those who are gone."""

    def work(tx: Tx) -> None:
        held = col(Rotation.lease_owner).is_not(None)
        tx.session.execute(update(Rotation).where(held).values(lease_until=1.0))

    service.store.write(work)


def runs_for(service: Service, rotation_id: str, due: datetime) -> int:
    """How often a rotation was published for one due time."""

    def count(tx: Tx) -> int:
        query = select(Attempt).where(Attempt.rotation_id == rotation_id, Attempt.scheduled_for == due)
        return sum(row.state in ("done", "retiring") for row in tx.session.exec(query))

    return service.store.read(count)


@contextmanager
def after_each_commit(service: Service, look: Callable[[], None]) -> Iterator[None]:
    """Something to be done after everything that is written to the store."""
    dialect = cast(Any, service.store.engine.dialect)
    commit = dialect.do_commit

    def do_commit(connection: Any) -> None:
        reading = connection.cursor().execute("PRAGMA query_only").fetchone()[0]
        commit(connection)
        if not reading:
            look()

    dialect.do_commit = do_commit
    try:
        yield
    finally:
        dialect.do_commit = commit


async def assert_whole(service: Service, world: World, rotation_id: str) -> dict[str, str]:
    """Whatever happened: what is published works and is the active slot's, and so does what was published before.

    Returns what is published.
    """
    job, now = job_of(service, rotation_id), await published(service)
    active = job.rotation.active_index
    assert dict(job.credentials[active].values) == now
    assert world.works(now), "what is published does not log in"
    other = job.credentials.get(1 - active)
    if other is not None and not (job.open and job.open.row.slot != active):
        assert world.works(other.values), "what was published before does not log in"
    return now


async def message_of(service: Service, name: str = "app") -> str:
    return (await service.rotations.detail(name)).row.last_message


KINDS = ["model-passwords", "model-keys"]
