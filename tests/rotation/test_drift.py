"""Somebody changed a password behind Keyturn's back."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from app.service import Service
from app.views import Status
from tests.rotation.conftest import Clock, Ground, published
from tests.rotation.model import World, unreachable

ACTION = "secret-rotation-check-credentials"


async def look_after(service: Service) -> None:
    """What the loop does when it is time."""
    engine = service.context.engine
    rotation_id = await engine.next_unchecked(timedelta(hours=6))
    assert rotation_id is not None
    await engine.checkup(rotation_id, "scheduler")


async def told(service: Service) -> list[tuple[str, str]]:
    return [(e.result, e.message) for e in reversed(await service.history.recent()) if e.action == ACTION]


async def test_the_loop_finds_it_and_sets_the_inactive_one_back(
    ground: Ground, service: Service, world: World, clock: Clock
) -> None:
    await ground.create(service)
    before = (await service.rotations.credentials("app")).generated_credentials
    world.logins["app_2"] = {"changed by hand"}
    clock.advance(hours=7)
    stop = asyncio.Event()
    running = asyncio.create_task(service.scheduler().run(stop))
    async with asyncio.timeout(20):
        while not await told(service):
            await asyncio.sleep(0.02)
    stop.set()
    await asyncio.wait_for(running, 20)
    assert all(world.works(c) for c in before)
    assert (await service.rotations.credentials("app")).generated_credentials == before
    assert await told(service) == [("success", "app_2's password had been changed by somebody; it was set back.")]
    assert (await service.rotations.document("app")).active_index == 0


async def test_the_published_one_is_reported_once_and_set_back_when_asked(
    ground: Ground, service: Service, world: World, clock: Clock
) -> None:
    await ground.create(service)
    world.logins["app_1"] = {"changed by hand"}
    for _ in range(2):
        clock.advance(hours=7)
        await look_after(service)
    row = (await service.rotations.detail("app")).row
    assert row.status is Status.FAILING
    assert row.last_message == "The published credential of app_1 no longer logs in: Login as app_1 refused."
    assert world.logins["app_1"] == {"changed by hand"}
    assert [result for result, _ in await told(service)] == ["failed"]
    assert [c.ok for c in await service.rotations.heal("app")] == [True, True]
    assert world.works(await published(service))
    assert (await service.rotations.detail("app")).row.status is Status.HEALTHY


async def test_rotating_mends_it_too(ground: Ground, service: Service, world: World, clock: Clock) -> None:
    await ground.create(service)
    world.logins["app_1"] = {"changed by hand"}
    clock.advance(hours=7)
    await look_after(service)
    await service.rotations.rotate("app")
    assert (await service.rotations.detail("app")).row.status is Status.HEALTHY
    assert world.works(await published(service))


async def test_a_key_that_was_deleted_cannot_be_set_back(
    ground: Ground, service: Service, world: World, clock: Clock
) -> None:
    await ground.create(service, "model-keys")
    world.logins["app_1"].clear()
    clock.advance(hours=7)
    issued = world.count("issue")
    world.fail("verify", unreachable())
    await look_after(service)
    assert (await service.rotations.detail("app")).row.status is Status.HEALTHY
    clock.advance(hours=7)
    await look_after(service)
    assert (await service.rotations.detail("app")).row.status is Status.FAILING
    assert world.count("issue") == issued


async def test_healthy_credentials_are_tried_every_six_hours_and_make_no_noise(
    ground: Ground, service: Service, clock: Clock
) -> None:
    await ground.create(service)
    engine = service.context.engine
    assert await engine.next_unchecked(timedelta(hours=6)) is None
    clock.advance(hours=7)
    await look_after(service)
    assert await engine.next_unchecked(timedelta(hours=6)) is None
    assert await told(service) == []
