"""Somebody may know the credentials who must not: both are renewed at once, and nobody is without one that works."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.errors import Busy, RotationFailed
from app.service import Service
from app.views import Progress
from providers.base import Use
from store.tables import Rotation
from tests.rotation.conftest import Clock, Ground, published
from tests.rotation.model import World, forbidden, unreachable


async def under_way(service: Service) -> bool:
    rotation_id = (await service.rotations.document("app")).id
    return await service.store.aread(lambda tx: tx.session.get_one(Rotation, rotation_id).emergency_since is not None)


async def events(service: Service) -> list[tuple[str, str]]:
    found = await service.history.recent()
    return [(e.result, e.actor) for e in reversed(found) if e.action == "secret-rotation-emergency"]


async def passwords(service: Service) -> list[str]:
    return [each["password"] for each in (await service.rotations.credentials("app")).generated_credentials]


async def test_the_new_one_is_published_before_the_active_one_dies(
    ground: Ground, service: Service, world: World
) -> None:
    """Whatever the guard would wait for, and while it is paused."""
    await ground.create(service, guard={"policy": "wait", "waitHours": 24}, isAutoRotationEnabled=False)
    world.uses = [Use("billing-worker")]
    before = await passwords(service)
    seen = list[tuple[str, str, bool]]()

    def listen(progress: Progress) -> None:
        if progress.state == "done":
            seen.append((progress.step, progress.identity, before[0] in world.logins["app_1"]))

    report = await service.emergencies.renew("app", listen)
    steps = ["plan", "issue", "verify", "publish"]
    assert [(step, who) for step, who, _ in seen] == [(s, who) for who in ("app_2", "app_1") for s in steps]
    assert [lives for step, _, lives in seen if step == "publish"] == [True, False]
    assert world.works(await published(service))
    assert (await published(service))["username"] == "app_2"
    after = await passwords(service)
    assert not set(before) & set(after)
    assert [world.logins[user] for user in ("app_1", "app_2")] == [{after[0]}, {after[1]}]
    assert (report.finished, report.active, report.trouble) == (True, "app_2", ())
    assert [step.step for step in report.steps] == steps * 2
    assert [(dead.identity, dict(dead.public)) for dead in report.dead] == [
        ("app_2", {"username": "app_2"}),
        ("app_1", {"username": "app_1"}),
    ]
    assert await events(service) == [("started", "test"), ("success", "test")]
    assert not await under_way(service)
    assert await service.scheduler().run_once() == 0
    assert await passwords(service) == after


async def test_what_the_target_keeps_is_removed_by_its_id(ground: Ground, service: Service, world: World) -> None:
    await ground.create(service, "model-keys")
    await service.rotations.rotate("app")
    before = await passwords(service)
    assert world.logins["app_1"] == set(before)
    report = await service.emergencies.renew("app")
    assert world.logins["app_1"] == set(await passwords(service))
    assert not world.logins["app_1"] & set(before)
    assert len(report.dead) == 2
    assert world.works(await published(service))


async def test_a_slot_that_was_never_filled_is_filled(ground: Ground, service: Service, world: World) -> None:
    await ground.create(service, "model-keys")
    (before,) = await passwords(service)
    report = await service.emergencies.renew("app")
    assert len(report.dead) == 1
    assert before not in world.logins["app_1"]
    assert len(world.logins["app_1"]) == 2


@pytest.mark.parametrize("error", [forbidden, unreachable])
async def test_what_fails_half_way_stays_recorded_and_the_loop_finishes_it(
    ground: Ground, service: Service, world: World, clock: Clock, error: type
) -> None:
    """A person mends what hinders it: a refusal is tried again as well, and soon."""
    await ground.create(service, isAutoRotationEnabled=False)
    before = await passwords(service)

    def listen(progress: Progress) -> None:
        if (progress.step, progress.state) == ("publish", "done"):
            world.fail("issue", error())

    with pytest.raises(RotationFailed) as failed:
        await service.emergencies.renew("app", listen)
    assert "Next try" in failed.value.remedy
    assert await under_way(service)
    assert (await published(service))["username"] == "app_2"
    assert world.works(await published(service))
    clock.advance(minutes=2)
    assert await service.scheduler().run_once() == 0
    after = await passwords(service)
    assert not set(before) & set(after)
    assert world.count("issue") == 2 + 3, "what was renewed already is not renewed once more"
    assert not await under_way(service)
    assert [result for result, _ in await events(service)] == ["started", "success"]
    assert (await service.emergencies.report("app")).finished


async def test_what_is_not_removed_keeps_it_open(ground: Ground, service: Service, world: World, clock: Clock) -> None:
    await ground.create(service, "model-keys")
    (before,) = await passwords(service)
    for _ in range(2):
        world.fail("retire", unreachable())
    with pytest.raises(RotationFailed, match="Both credentials are new"):
        await service.emergencies.renew("app")
    assert before in world.logins["app_1"]
    assert not (await service.emergencies.report("app")).finished
    issued = world.count("issue")
    clock.advance(minutes=5)
    assert await service.scheduler().run_once() == 0
    assert before not in world.logins["app_1"]
    assert world.count("issue") == issued
    assert (await service.emergencies.report("app")).finished


async def test_what_was_interrupted_before_is_resumed_first(ground: Ground, service: Service, world: World) -> None:
    await ground.create(service)
    world.fail("verify", unreachable())
    with pytest.raises(RotationFailed):
        await service.rotations.rotate("app")
    before = [*await passwords(service), *world.logins["app_2"]]
    await service.emergencies.renew("app")
    assert not set(before) & set(await passwords(service))
    assert world.works(await published(service))


async def test_it_does_not_move_the_schedule_of_later(ground: Ground, service: Service, clock: Clock) -> None:
    await ground.create(service)
    asked = clock.now
    await service.emergencies.renew("app")
    document = await service.rotations.document("app")
    assert document.next_rotation_at is not None
    assert timedelta(days=29) < document.next_rotation_at - asked < timedelta(days=32)
    assert await service.scheduler().run_once() == 0


async def test_busy_is_told_and_nothing_is_begun(ground: Ground, service: Service) -> None:
    await ground.create(service)
    rotation_id = (await service.rotations.document("app")).id
    await service.context.engine.claim(rotation_id)
    with pytest.raises(Busy):
        await service.emergencies.renew("app")
    assert not await under_way(service)


async def test_asked_twice_it_renews_twice(ground: Ground, service: Service) -> None:
    await ground.create(service)
    await service.emergencies.renew("app")
    between = await passwords(service)
    await service.emergencies.renew("app")
    assert not set(between) & set(await passwords(service))
