"""What is about to die is not killed unseen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from app.errors import Postponed
from app.service import Service
from app.views import Status
from providers.base import Use
from tests.rotation.conftest import Clock, Ground, published
from tests.rotation.model import World, forbidden, unreachable

DUE = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
WORKER = Use("billing-worker", "10.0.0.7", 3)


def waiting(hours: int = 2) -> dict[str, Any]:
    return {"guard": {"policy": "wait", "waitHours": hours}}


async def events(service: Service) -> list[tuple[str, str]]:
    found = await service.history.recent()
    return [(e.result, e.message) for e in reversed(found) if e.action == "secret-rotation-guard"]


async def test_by_default_it_warns_by_name_and_goes_on(ground: Ground, service: Service, world: World) -> None:
    await ground.create(service)
    world.uses = [WORKER]
    await service.rotations.rotate("app")
    assert (await published(service))["username"] == "app_2"
    sentence = "app_2 is still in use by billing-worker from 10.0.0.7 (3 sessions)"
    assert await events(service) == [("warning", sentence)]


async def test_nobody_is_told_when_nobody_uses_it(ground: Ground, service: Service) -> None:
    await ground.create(service)
    await service.rotations.rotate("app")
    assert await events(service) == []


async def test_waiting_postpones_until_they_are_gone(
    ground: Ground, service: Service, world: World, clock: Clock
) -> None:
    await ground.create(service, **waiting())
    before = await published(service)
    world.uses = [WORKER]
    clock.now = DUE
    issued = world.count("issue")
    assert await service.scheduler().run_once() == 0
    assert world.count("issue") == issued
    assert await published(service) == before
    assert (await service.rotations.detail("app")).row.status is not Status.FAILING
    clock.advance(minutes=16)
    assert await service.scheduler().run_once() == 0
    assert world.count("issue") == issued
    world.uses = []
    clock.advance(minutes=16)
    assert await service.scheduler().run_once() == 0
    assert (await published(service))["username"] == "app_2"
    assert [result for result, _ in await events(service)] == ["postponed"]
    assert (await service.rotations.document("app")).next_rotation_at == datetime(2026, 4, 30, 12, 0, tzinfo=UTC)


async def test_waiting_ends_at_its_limit_with_a_warning(
    ground: Ground, service: Service, world: World, clock: Clock
) -> None:
    await ground.create(service, **waiting(hours=2))
    world.uses = [WORKER]
    clock.now = DUE
    await service.scheduler().run_once()
    clock.advance(hours=2, minutes=1)
    await service.scheduler().run_once()
    assert (await published(service))["username"] == "app_2"
    assert [result for result, _ in await events(service)] == ["postponed", "warning"]


async def test_by_hand_it_says_who_and_force_overrules_it(ground: Ground, service: Service, world: World) -> None:
    await ground.create(service, **waiting())
    world.uses = [WORKER]
    with pytest.raises(Postponed, match="billing-worker") as held:
        await service.rotations.rotate("app")
    assert "Both credentials work" in held.value.remedy
    await service.rotations.rotate("app", force=True)
    assert (await published(service))["username"] == "app_2"
    assert len([a for a in await service.rotations.history("app") if a.trigger == "manual"]) == 1


async def test_switched_off_it_does_not_look(ground: Ground, service: Service, world: World) -> None:
    await ground.create(service, guard={"policy": "off"})
    world.fail("in_use", forbidden())
    await service.rotations.rotate("app")
    assert world.faults["in_use"]


async def test_not_being_allowed_to_look_is_told_and_stops_nothing(
    ground: Ground, service: Service, world: World
) -> None:
    await ground.create(service)
    world.fail("in_use", forbidden())
    await service.rotations.rotate("app")
    assert "cannot tell" in (await events(service))[0][1]


async def test_a_target_that_does_not_answer_is_a_transient_failure(
    ground: Ground, service: Service, world: World, clock: Clock
) -> None:
    await ground.create(service)
    clock.now = DUE
    world.fail("in_use", unreachable())
    assert await service.scheduler().run_once() == 1
    clock.advance(minutes=2)
    assert await service.scheduler().run_once() == 0
    assert (await published(service))["username"] == "app_2"
