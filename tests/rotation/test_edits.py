"""Changing a rotation: settings, whom it rotates, and where its secrets live."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime

import pytest

from app.errors import Busy, InvalidInput, NotFound, RotationFailed
from app.service import Service
from app.views import Place, Status
from store import leases
from tests.rotation.conftest import PLACE, Clock, Ground, published
from tests.rotation.model import World, lost_answer, unreachable

NEW = {"parameters": {"username1": "new_1", "username2": "new_2"}}
OLD = {"parameters": {"username1": "app_1", "username2": "app_2"}}


class Died(BaseException):
    """Nothing of ours catches it, as nothing catches SIGKILL."""


def die(point: str) -> None:
    if point == "edit.recorded":
        raise Died


async def held(service: Service) -> list[dict[str, str]]:
    return (await service.rotations.credentials("app")).generated_credentials


async def test_what_is_given_replaces_and_what_is_left_out_stays(ground: Ground, service: Service) -> None:
    before = await ground.create(service, description="the app's")
    after = (await service.edits.edit("app", {"rotationInterval": 7, "color": "red"})).rotation
    assert after.rotation_interval == 7
    assert after.description == "the app's"
    assert before.next_rotation_at is not None
    assert after.next_rotation_at == datetime(2026, 3, 8, 12, 0, tzinfo=UTC)


async def test_an_edit_renames_secrets_and_keeps_their_history(ground: Ground, service: Service) -> None:
    await ground.create(service)
    value = (await published(service))["password"]
    swapped = {"username": "DB_PASSWORD", "password": "DB_USER"}
    await service.edits.edit("app", {"secretsMapping": swapped, "name": "renamed"})
    assert (await service.secrets.values(PLACE))["DB_USER"] == value
    assert (await service.rotations.document("renamed")).secrets_mapping == swapped


async def test_new_users_are_issued_and_published_and_the_old_ones_live_on_for_an_interval(
    ground: Ground, service: Service, world: World, clock: Clock
) -> None:
    await ground.create(service)
    old = await held(service)
    await service.edits.edit("app", NEW)
    new = await held(service)
    assert [c["username"] for c in new] == ["new_1", "new_2"]
    assert (await published(service))["username"] == "new_1"
    assert all(world.works(c) for c in (*old, *new))
    assert (await service.rotations.document("app")).parameters == NEW["parameters"]
    clock.advance(days=29)
    await service.scheduler().run_once()
    assert all(world.works(c) for c in old)
    clock.advance(days=3)
    await service.scheduler().run_once()
    await service.scheduler().run_once()
    assert not any(world.works(c) for c in old)
    assert world.works(await published(service))
    assert await service.rotations.history("app")


async def test_only_the_inactive_user_changes(ground: Ground, service: Service, world: World) -> None:
    before = await ground.create(service)
    value = await published(service)
    await service.edits.edit("app", {"parameters": {"username1": "app_1", "username2": "new_2"}})
    after = await service.rotations.document("app")
    assert await published(service) == value
    assert after.next_rotation_at == before.next_rotation_at
    assert after.parameters["username2"] == "new_2"
    assert [c["username"] for c in await held(service)] == ["app_1", "new_2"]
    await service.rotations.rotate("app")
    assert (await published(service))["username"] == "new_2"
    assert world.works(await published(service))


async def test_keys_move_to_another_user_and_the_old_ones_are_removed_later(
    ground: Ground, service: Service, world: World, clock: Clock
) -> None:
    await ground.create(service, "model-keys")
    await service.rotations.rotate("app")
    await service.edits.edit("app", NEW)
    assert (await published(service))["username"] == "new_1"
    assert len(world.logins["app_1"]) == 2
    clock.advance(days=32)
    await service.scheduler().run_once()
    assert world.logins["app_1"] == set()
    assert world.works(await published(service))


async def test_what_is_retired_on_the_way_to_a_rotation_is_not_due_any_more(
    ground: Ground, service: Service, clock: Clock
) -> None:
    await ground.create(service, "model-keys", isAutoRotationEnabled=False)
    await service.edits.edit("app", NEW)
    clock.advance(days=32)
    await service.rotations.rotate("app")
    assert await service.context.engine.claim_due(1) == []


async def test_an_edit_that_dies_half_way_is_finished_by_the_loop(
    ground: Ground, service: Service, world: World, clock: Clock
) -> None:
    await ground.create(service)
    old = await published(service)
    world.fail("issue", lost_answer(), when="after")
    with pytest.raises(RotationFailed):
        await service.edits.edit("app", NEW)
    assert await published(service) == old
    assert world.works(old)
    clock.advance(minutes=2)
    assert await service.scheduler().run_once() == 0
    assert (await published(service))["username"] == "new_1"
    assert world.works(await published(service))
    assert world.works(old)


async def test_an_open_attempt_for_a_user_who_leaves_is_abandoned_and_cleaned_up(
    ground: Ground, service: Service, world: World, clock: Clock
) -> None:
    await ground.create(service)
    world.fail("verify", unreachable())
    with pytest.raises(RotationFailed):
        await service.rotations.rotate("app")
    await service.edits.edit("app", NEW)
    assert (await published(service))["username"] == "new_1"
    clock.advance(days=32)
    await service.scheduler().run_once()
    assert world.logins["app_2"] == set()
    assert (await service.rotations.detail("app")).row.status is not Status.FAILING


@pytest.mark.parametrize("type_name", ["model-passwords", "model-keys"])
async def test_users_who_come_back_are_not_revoked_as_former_ones(
    ground: Ground, service: Service, world: World, clock: Clock, type_name: str
) -> None:
    await ground.create(service, type_name)
    first = await published(service)
    await service.edits.edit("app", NEW)
    clock.advance(days=1)
    await service.edits.edit("app", OLD)
    assert (await published(service))["username"] == "app_1"
    for _ in range(70):
        clock.advance(days=1)
        await service.scheduler().run_once()
        assert world.works(await published(service))
    assert not world.works(first)
    assert not world.logins["new_1"]


async def test_the_same_edit_again_finishes_the_first_one(
    ground: Ground, service: Service, world: World, clock: Clock
) -> None:
    await ground.create(service)
    old = await held(service)
    world.fail("issue", lost_answer(), when="after")
    with pytest.raises(RotationFailed):
        await service.edits.edit("app", NEW)
    await service.edits.edit("app", NEW)
    assert (await published(service))["username"] == "new_1"
    assert all(world.works(c) for c in old)
    clock.advance(days=32)
    await service.scheduler().run_once()
    assert not any(world.works(c) for c in old)


async def test_a_new_schedule_does_not_hold_up_an_edit_whose_process_died(
    ground: Ground, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ground.create(service)
    mortal = ground.start(KEYTURN_LEASE_SECONDS="0.5")
    with monkeypatch.context() as dying:
        dying.setattr("app.operations.edits.reached", die)
        with pytest.raises(Died):
            await mortal.edits.edit("app", NEW)
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(Busy):
                await service.rotations.pause("app")
                break
            await asyncio.sleep(0.02)
    await service.scheduler().run_once()
    assert (await published(service))["username"] == "new_1"


@pytest.mark.parametrize(
    "parameters",
    [
        {"username1": "app_2", "username2": "app_1"},
        {"username1": "app_2", "username2": "new"},
        {"username1": "same", "username2": "same"},
    ],
)
async def test_users_cannot_change_places_or_be_one(
    ground: Ground, service: Service, world: World, parameters: dict[str, str]
) -> None:
    await ground.create(service)
    calls = len(world.calls)
    with pytest.raises(InvalidInput):
        await service.edits.edit("app", {"parameters": parameters})
    assert len(world.calls) == calls


async def test_moving_takes_the_secrets_along_and_leaves_the_target_alone(
    ground: Ground, service: Service, world: World
) -> None:
    await ground.create(service)
    value = await published(service)
    calls = len(world.calls)
    moved = await service.edits.move("app", {"destinationEnvironment": "prod", "destinationSecretPath": "/billing"})
    assert (moved.environment.slug, moved.folder.path) == ("prod", "/billing")
    assert await service.secrets.values(PLACE) == {}
    there = await service.secrets.values(Place("default", "prod", "/billing"))
    assert there == {"DB_USER": value["username"], "DB_PASSWORD": value["password"]}
    assert len(world.calls) == calls


async def test_a_move_never_overwrites_what_another_rotation_owns(ground: Ground, service: Service) -> None:
    await ground.create(service)
    await ground.create(service, name="other", environment="prod", parameters={"username1": "a", "username2": "b"})
    there = {"destinationEnvironment": "prod", "destinationSecretPath": "/", "overwriteDestination": True}
    with pytest.raises(InvalidInput, match="DB_PASSWORD, DB_USER"):
        await service.edits.move("app", there)
    with pytest.raises(NotFound):
        await service.edits.move("app", {**there, "destinationEnvironment": "nowhere"})


async def test_edits_and_moves_are_busy_while_an_attempt_runs(ground: Ground, service: Service) -> None:
    created = await ground.create(service)
    service.store.write(lambda tx: leases.claim(tx, created.id, "somebody", 30))
    with pytest.raises(Busy):
        await service.edits.edit("app", {"rotationInterval": 7})
    with pytest.raises(Busy):
        await service.edits.move("app", {"destinationEnvironment": "prod", "destinationSecretPath": "/"})
