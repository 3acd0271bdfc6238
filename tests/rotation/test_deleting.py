"""Deleting rotations, with and without the two switches."""

from __future__ import annotations

import pytest

from app.errors import RotationFailed
from app.service import Service
from app.views import Status
from tests.rotation.conftest import PLACE, Clock, Ground, credentials, published, run_loop_once, status
from tests.rotation.model import World, forbidden, lost_answer, unreachable


async def test_deleting_with_revocation_kills_both_credentials(ground: Ground, service: Service, world: World) -> None:
    await ground.create(service)
    both = await credentials(service)
    await service.rotations.delete("app", revoke=True, delete_secrets=True)
    assert not any(world.works(c) for c in both)
    assert await service.rotations.documents() == []
    assert await service.secrets.values(PLACE) == {}


@pytest.mark.parametrize("type_name", ["model-passwords", "model-keys"])
async def test_deleting_with_revocation_kills_what_a_lost_answer_left_behind(
    ground: Ground, service: Service, world: World, type_name: str
) -> None:
    world.fail("issue", lost_answer(), when="after")
    with pytest.raises(RotationFailed):
        await ground.create(service, type_name)
    assert any(world.logins.values())
    await service.rotations.delete("app", revoke=True)
    assert not any(world.logins.values())


async def test_deleting_without_the_switches_keeps_credentials_and_secrets(
    ground: Ground, service: Service, world: World
) -> None:
    await ground.create(service)
    before = await published(service)
    await service.rotations.delete("app")
    assert await published(service) == before
    assert world.works(before)
    assert [s.rotation for s in await service.secrets.names(PLACE)] == [None, None]


async def test_a_deletion_whose_revocation_is_refused_is_withdrawn(
    ground: Ground, service: Service, world: World
) -> None:
    await ground.create(service)
    world.fail("revoke", forbidden())
    with pytest.raises(RotationFailed, match="Not deleted"):
        await service.rotations.delete("app", revoke=True)
    assert world.works(await published(service))
    await service.rotations.rotate("app")


async def test_a_deletion_that_meets_an_unreachable_target_is_finished_by_the_loop(
    ground: Ground, service: Service, world: World, clock: Clock
) -> None:
    await ground.create(service)
    both = await credentials(service)
    world.fail("revoke", unreachable())
    with pytest.raises(RotationFailed, match="Not deleted"):
        await service.rotations.delete("app", revoke=True)
    assert await status(service) is Status.DELETING
    clock.advance(minutes=2)
    assert await run_loop_once(service) == 0
    assert not any(world.works(c) for c in both)
    assert await service.rotations.documents() == []
