"""The loop: when it wakes, and how it stops."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from app.service import Service
from app.views import Status
from store import leases
from tests.rotation.conftest import Clock, Ground, published
from tests.rotation.model import World, unreachable

DUE = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
DEADLINE = 20.0


@contextlib.asynccontextmanager
async def running(
    service: Service, outcomes: asyncio.Queue[str | None], *, park_seconds: float = 20
) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    scheduler = service.scheduler(
        park_seconds=park_seconds, on_outcome=lambda rotation_id, error: outcomes.put_nowait(error)
    )
    task = asyncio.create_task(scheduler.run(stop))
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(task, DEADLINE)


@pytest.fixture
def outcomes() -> asyncio.Queue[str | None]:
    return asyncio.Queue()


async def test_it_wakes_when_another_process_made_something_due(
    ground: Ground, service: Service, clock: Clock, outcomes: asyncio.Queue[str | None]
) -> None:
    await ground.create(service, isAutoRotationEnabled=False)
    clock.now = DUE
    other = ground.start()
    async with running(service, outcomes):
        await other.rotations.resume("app")
        assert await asyncio.wait_for(outcomes.get(), DEADLINE) is None
    assert (await service.rotations.document("app")).active_index == 1


async def test_a_hanging_target_delays_no_other(
    ground: Ground, service: Service, clock: Clock, world: World, outcomes: asyncio.Queue[str | None]
) -> None:
    await ground.create(service)
    other_names = {"username": "OTHER_USER", "password": "OTHER_PASSWORD"}
    users = {"username1": "other_1", "username2": "other_2"}
    await ground.create(service, name="other", secretsMapping=other_names, parameters=users)
    clock.now = DUE
    release = world.holds["issue"] = asyncio.Event()
    async with running(service, outcomes):
        await asyncio.wait_for(world.reached.wait(), DEADLINE)
        assert await asyncio.wait_for(outcomes.get(), DEADLINE) is None
        assert outcomes.empty()
        release.set()
        assert await asyncio.wait_for(outcomes.get(), DEADLINE) is None
    assert world.works(await published(service))


async def test_stopping_lets_a_running_attempt_finish(
    ground: Ground, service: Service, clock: Clock, world: World, outcomes: asyncio.Queue[str | None]
) -> None:
    await ground.create(service)
    clock.now = DUE
    release = world.holds["issue"] = asyncio.Event()
    async with running(service, outcomes) as stop:
        await asyncio.wait_for(world.reached.wait(), DEADLINE)
        stop.set()
        release.set()
    assert outcomes.get_nowait() is None
    assert (await published(service))["username"] == "app_2"


async def test_stopping_parks_what_does_not_finish_and_a_successor_resumes_it(
    ground: Ground,
    service: Service,
    clock: Clock,
    world: World,
    outcomes: asyncio.Queue[str | None],
) -> None:
    await ground.create(service)
    before = await published(service)
    clock.now = DUE
    world.holds["issue"] = asyncio.Event()
    async with running(service, outcomes, park_seconds=0.05) as stop:
        await asyncio.wait_for(world.reached.wait(), DEADLINE)
        stop.set()
    assert outcomes.empty()
    assert await published(service) == before
    assert world.works(before)
    assert await ground.start().scheduler().run_once() == 0
    assert (await published(service))["username"] == "app_2"
    assert world.works(await published(service))


async def test_the_lease_of_a_dead_process_is_waited_for_and_taken_over(
    ground: Ground, service: Service, clock: Clock, outcomes: asyncio.Queue[str | None]
) -> None:
    created = await ground.create(service)
    clock.now = DUE
    service.store.write(lambda tx: leases.claim(tx, created.id, "a process that died", 0.7))
    async with running(service, outcomes):
        assert await asyncio.wait_for(outcomes.get(), DEADLINE) is None
    assert (await service.rotations.document("app")).active_index == 1


async def test_a_failure_is_told_and_ends_nothing(
    ground: Ground, service: Service, clock: Clock, world: World, outcomes: asyncio.Queue[str | None]
) -> None:
    await ground.create(service)
    clock.now = DUE
    world.fail("issue", unreachable())
    async with running(service, outcomes):
        assert await asyncio.wait_for(outcomes.get(), DEADLINE) == "Nobody answers."
        clock.advance(minutes=2)
        await ground.start().drafts.save("rotation", 0, {})  # any change of the store wakes the loop
        assert await asyncio.wait_for(outcomes.get(), DEADLINE) is None
    assert (await service.rotations.document("app")).active_index == 1


async def test_a_value_that_does_not_open_is_reported_and_backed_off(
    ground: Ground, service: Service, clock: Clock
) -> None:
    created = await ground.create(service)
    from sqlalchemy import text

    service.store.write(
        lambda tx: tx.session.connection().execute(
            text("UPDATE credential SET sealed_values = x'00' WHERE rotation_id = :id"), {"id": created.id}
        )
    )
    clock.now = DUE
    assert await service.scheduler().run_once() == 1
    assert await service.scheduler().run_once() == 0
    detail = await service.rotations.detail("app")
    assert detail.row.status is Status.FAILING
    assert "credential" in detail.row.last_message
