"""Attempts that fail: what is published stays, and what was begun comes to its end."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from app.errors import InvalidInput, RotationFailed
from app.operations.report import report
from app.service import Service
from app.views import Status
from tests.rotation.conftest import LATER, PLACE, Clock, Ground, credentials, published, run_loop_once, status
from tests.rotation.model import World, forbidden, lost_answer, unreachable


@pytest.mark.parametrize("fault", [unreachable, forbidden])
async def test_a_refused_or_unreachable_target_leaves_everything_as_it_was(
    ground: Ground, service: Service, world: World, fault: Any
) -> None:
    before = await ground.create(service)
    held = await credentials(service)
    world.fail("issue", fault())
    with pytest.raises(RotationFailed) as failure:
        await service.rotations.rotate("app")
    assert "Nothing was changed at the target. The published credential still works." in failure.value.remedy
    after = await service.rotations.document("app")
    assert after.next_rotation_at == before.next_rotation_at
    assert after.rotation_status == "failed"
    assert await credentials(service) == held
    assert world.works(await published(service))
    assert (await service.rotations.history("app"))[0].state == "failed"
    assert await status(service) is Status.FAILING
    await service.rotations.rotate("app")
    assert await status(service) is Status.HEALTHY


async def test_a_scheduled_run_that_meets_an_unreachable_target_is_retried_with_back_off(
    ground: Ground, service: Service, world: World, clock: Clock
) -> None:
    await ground.create(service)
    clock.now = LATER
    for _ in range(3):
        world.fail("issue", unreachable())
    pauses = []
    for _ in range(3):
        assert await run_loop_once(service) == 1
        shown = (await service.rotations.document("app")).next_rotation_at
        assert shown is not None
        pauses.append(shown - clock.now)
        clock.now = shown - timedelta(milliseconds=1)
        assert await run_loop_once(service) == 0
        clock.now = shown
    assert timedelta(seconds=30) <= pauses[0] <= timedelta(seconds=60)
    assert pauses[0] < pauses[2]
    assert await run_loop_once(service) == 0
    rotated = await service.rotations.document("app")
    assert rotated.active_index == 1
    assert rotated.next_rotation_at == datetime(2026, 4, 30, 12, 0, tzinfo=UTC)


async def test_a_permanent_failure_of_a_scheduled_run_waits_until_tomorrow(
    ground: Ground, service: Service, world: World, clock: Clock
) -> None:
    await ground.create(service)
    clock.now = LATER
    world.fail("issue", forbidden())
    assert await run_loop_once(service) == 1
    failed = await service.rotations.document("app")
    assert failed.next_rotation_at == LATER + timedelta(days=1)
    assert failed.last_rotation_message == "Permission denied. GRANT it."
    assert world.works(await published(service))


async def test_a_lost_answer_keeps_the_attempt_and_the_same_candidate_is_issued_again(
    ground: Ground, service: Service, world: World, clock: Clock
) -> None:
    await ground.create(service)
    world.fail("issue", lost_answer(), when="after")
    with pytest.raises(RotationFailed, match="line dropped"):
        await service.rotations.rotate("app")
    issued = next(iter(world.logins["app_2"]))
    assert world.works(await published(service))
    clock.advance(minutes=2)
    assert await run_loop_once(service) == 0
    assert (await published(service)) == {"username": "app_2", "password": issued}


async def test_rotating_by_hand_resumes_an_open_attempt_instead_of_starting_another(
    ground: Ground, service: Service, world: World
) -> None:
    await ground.create(service)
    world.fail("issue", lost_answer(), when="after")
    with pytest.raises(RotationFailed):
        await service.rotations.rotate("app")
    await service.rotations.rotate("app")
    assert (await service.rotations.document("app")).active_index == 1
    assert len(await service.rotations.history("app")) == 3


async def test_a_verify_that_fails_publishes_nothing_and_a_later_try_goes_on(
    ground: Ground, service: Service, world: World, clock: Clock
) -> None:
    await ground.create(service)
    before = await published(service)
    world.fail("verify", unreachable())
    with pytest.raises(RotationFailed) as failure:
        await service.rotations.rotate("app")
    assert "resumed before anything new" in failure.value.remedy
    assert await published(service) == before
    assert world.works(before)
    clock.advance(minutes=2)
    await run_loop_once(service)
    assert (await published(service))["username"] == "app_2"
    assert world.count("issue") == 3


async def test_a_resumed_candidate_that_somebody_overwrote_is_issued_once_more(
    ground: Ground, service: Service, world: World
) -> None:
    await ground.create(service)
    world.fail("verify", unreachable())
    with pytest.raises(RotationFailed):
        await service.rotations.rotate("app")
    world.logins["app_2"] = {"changed by hand"}
    await service.rotations.rotate("app")
    assert world.works(await published(service))
    assert (await published(service))["username"] == "app_2"


async def test_a_creation_that_fails_before_the_target_changed_leaves_nothing(
    ground: Ground, service: Service, world: World
) -> None:
    world.fail("issue", forbidden())
    with pytest.raises(RotationFailed, match="Not created"):
        await ground.create(service)
    assert await service.rotations.documents() == []
    assert await service.secrets.values(PLACE) == {}
    await ground.create(service)


async def test_a_half_made_creation_is_kept_and_finished_by_the_loop(
    ground: Ground, service: Service, world: World, clock: Clock
) -> None:
    world.fail("issue", lost_answer(), when="after")
    with pytest.raises(RotationFailed, match="Not finished"):
        await ground.create(service)
    assert await service.secrets.values(PLACE) == {}
    clock.advance(minutes=2)
    assert await run_loop_once(service) == 0
    assert (await service.rotations.document("app")).active_index == 0
    assert all(world.works(c) for c in await credentials(service))
    assert len(await credentials(service)) == 2


async def test_a_creation_that_was_refused_half_way_tells_when_it_is_tried_again(
    ground: Ground, service: Service, world: World, clock: Clock
) -> None:
    world.fail("verify", forbidden())
    with pytest.raises(RotationFailed, match="Not finished") as failure:
        await ground.create(service)

    async def told() -> tuple[datetime | None, ...]:
        (row,), (document,) = (await service.rotations.snapshot()).rows, await service.rotations.documents()
        plan, lines = await service.plans.plan("app"), (await report(service.context)).credentials
        return row.next_at, document.next_rotation_at, plan.scheduled_at, *(line.next_run_at for line in lines)

    tomorrow = datetime.combine(clock().date() + timedelta(days=1), time(12), UTC)
    assert f"Next try: {tomorrow:%Y-%m-%d} 12:00:00 UTC." in failure.value.remedy
    assert set(await told()) == {tomorrow}
    await service.rotations.pause("app")
    assert set(await told()) == {tomorrow}, "a pause leaves nothing half done"
    clock.now = tomorrow
    await run_loop_once(service)
    assert world.works(await published(service))


async def test_creating_again_resumes_a_half_made_creation(ground: Ground, service: Service, world: World) -> None:
    world.fail("verify", unreachable())
    with pytest.raises(RotationFailed):
        await ground.create(service)
    await ground.create(service)
    assert world.works(await published(service))
    assert len(await service.rotations.documents()) == 1


async def test_a_name_that_is_taken_is_refused_before_anything_happens(
    ground: Ground, service: Service, world: World
) -> None:
    await ground.create(service)
    calls = len(world.calls)
    with pytest.raises(InvalidInput) as refused:
        await ground.create(service, parameters={"username1": "other_1", "username2": "other_2"})
    assert {p.field for p in refused.value.problems} == {"name", "secretsMapping.username", "secretsMapping.password"}
    assert len(world.calls) == calls
