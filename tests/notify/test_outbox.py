"""What is written down to be told: with what happened or not at all, and never a value."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text, update

from app.errors import RotationFailed
from app.service import Service
from providers.base import Use
from store.database import Tx
from store.tables import Credential
from tests.notify.ground import Ground, add_hook, deliver, on_both_stores, outbox
from tests.rotation.conftest import Clock, published
from tests.rotation.model import World, forbidden, unreachable


async def test_each_change_of_what_is_published_is_told_once_by_hand_as_well(ground: Ground, service: Service) -> None:
    await add_hook(service, "published")
    created = await ground.create(service)
    await service.rotations.rotate("app")
    rows = await outbox(service)
    assert [(row.event, row.rotation, row.changed) for row in rows] == [
        ("published", "app", ("DB_PASSWORD", "DB_USER")),
        ("published", "app", ("DB_PASSWORD", "DB_USER")),
    ]
    assert {row.rotation_id for row in rows} == {str(created.id)}
    assert len({row.event_id for row in rows}) == 2


async def test_no_value_is_in_the_outbox_and_all_names_are(ground: Ground, service: Service) -> None:
    await add_hook(service, "published,failed,guard,drift")
    await ground.create(service)
    await service.rotations.rotate("app")
    values = await published(service)

    def everything(tx: Tx) -> str:
        return str(tx.connection.execute(text("SELECT * FROM delivery")).all())

    written = service.store.read(everything)
    assert "DB_PASSWORD" in written
    assert values["password"] not in written


async def test_what_does_not_commit_is_not_told(ground: Ground, service: Service, world: World) -> None:
    await ground.create(service)
    await add_hook(service, "published")
    world.fail("issue", forbidden())
    with pytest.raises(RotationFailed):
        await service.rotations.rotate("app")
    assert await outbox(service) == []


async def test_a_failure_and_the_recovery_from_it_are_told(ground: Ground, service: Service, world: World) -> None:
    await ground.create(service)
    await add_hook(service, "failed,recovered")
    world.fail("issue", forbidden())
    with pytest.raises(RotationFailed):
        await service.rotations.rotate("app")
    await service.rotations.rotate("app")
    await service.rotations.rotate("app")
    assert [row.event for row in await outbox(service)] == ["failed", "recovered"]


@on_both_stores
async def test_a_burst_of_the_same_failure_is_told_at_once_and_then_counted(
    ground: Ground, service: Service, world: World, clock: Clock
) -> None:
    await ground.create(service)
    await add_hook(service, "failed")

    async def fail(error: BaseException) -> None:
        world.fail("issue", error)
        with pytest.raises(RotationFailed):
            await service.rotations.rotate("app")
        await deliver(service)

    await fail(forbidden())
    for _ in range(3):
        clock.advance(minutes=1)
        await fail(forbidden())
    assert [(row.state, row.count) for row in await outbox(service)] == [("done", 1), ("waiting", 3)]
    clock.advance(minutes=15)
    await deliver(service)
    assert [row.state for row in await outbox(service)] == ["done", "done"]
    await fail(unreachable())
    assert [(row.state, row.count) for row in await outbox(service)] == [("done", 1), ("done", 3), ("done", 1)]


async def test_what_is_held_back_comes_before_what_ends_it(
    ground: Ground, service: Service, world: World, clock: Clock
) -> None:
    await ground.create(service)
    await add_hook(service, "failed,recovered")
    for _ in range(2):
        world.fail("issue", forbidden())
        with pytest.raises(RotationFailed):
            await service.rotations.rotate("app")
        await deliver(service)
        clock.advance(minutes=1)
    await service.rotations.rotate("app")
    await deliver(service)
    assert [(row.event, row.state) for row in await outbox(service)] == [
        ("failed", "done"),
        ("failed", "done"),
        ("recovered", "done"),
    ]


async def test_a_hook_is_told_of_what_it_is_for_alone(ground: Ground, service: Service) -> None:
    await ground.create(service)
    other = {"username": "OTHER_USER", "password": "OTHER_PASSWORD"}
    users = {"username1": "other_1", "username2": "other_2"}
    await ground.create(service, name="other", secretsMapping=other, parameters=users, environment="prod")
    await add_hook(service, "published", name="one", rotation="other")
    await add_hook(service, "published", name="dev", environment="dev", path="/")
    await add_hook(service, "published", name="elsewhere", environment="dev", path="/billing")
    await add_hook(service, "published", name="all", project="default")
    await add_hook(service, "failed", name="failures")
    await service.rotations.rotate("app")
    await service.rotations.rotate("other")
    told = sorted((row.hook, row.rotation) for row in await outbox(service))
    assert told == [("all", "app"), ("all", "other"), ("dev", "app"), ("one", "other")]


async def test_a_heal_is_told_as_one_and_publishes_nothing(ground: Ground, service: Service, world: World) -> None:
    created = await ground.create(service)
    await add_hook(service, "published,drift")
    inactive = "app_1" if created.active_index else "app_2"
    world.logins[inactive] = {"somebody's"}
    await service.context.engine.checkup(str(created.id), "scheduler")
    rows = await outbox(service)
    assert [row.event for row in rows] == ["drift"]
    assert "set back" in rows[0].message
    assert rows[0].changed == ()


@on_both_stores
async def test_a_late_run_is_told_once(ground: Ground, service: Service, clock: Clock) -> None:
    await ground.create(service)
    await add_hook(service, "overdue")
    clock.advance(days=60)
    for _ in range(2):
        await deliver(service)
    assert [(row.event, row.state) for row in await outbox(service)] == [("overdue", "done")]


async def test_who_still_uses_what_is_replaced_is_told(ground: Ground, service: Service, world: World) -> None:
    await ground.create(service)
    await add_hook(service, "guard")
    world.uses = [Use("billing-worker", "10.0.0.7", 3)]
    await service.rotations.rotate("app")
    (row,) = await outbox(service)
    assert (row.event, row.changed) == ("guard", ())
    assert "billing-worker from 10.0.0.7 (3 sessions)" in row.message


async def test_a_credential_that_expires_is_told_once(ground: Ground, service: Service, clock: Clock) -> None:
    await ground.create(service)
    await service.rotations.pause("app")
    await add_hook(service, "expiring")
    expires_at = clock.now + timedelta(days=3)
    service.store.write(lambda tx: tx.connection.execute(update(Credential).values(expires_at=expires_at)))
    for _ in range(2):
        clock.advance(hours=7)
        assert await service.context.engine.next_unchecked(timedelta(hours=6)) is not None
    (row,) = await outbox(service)
    assert row.event == "expiring"
    assert "2026-03-04" in row.message
