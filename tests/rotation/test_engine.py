"""One rotation, step by step, and what every kind of failure leaves behind.

Throughout: what the store publishes logs in.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.errors import Busy, RotationFailed
from app.service import Service
from app.views import Progress, Status
from store import leases
from tests.rotation.conftest import LATER, Clock, Ground, credentials, published, run_loop_once, status
from tests.rotation.model import World, forbidden, lost_answer, unreachable


async def test_creation_sets_and_stores_both_credentials_and_publishes_the_first(
    ground: Ground, service: Service, world: World
) -> None:
    created = await ground.create(service)
    both = await credentials(service)
    assert [c["username"] for c in both] == ["app_1", "app_2"]
    assert all(world.works(c) for c in both)
    assert created.active_index == 0
    assert await published(service) == both[0]
    assert created.rotation_status == "success"
    assert created.next_rotation_at == datetime(2026, 3, 31, 12, 0, tzinfo=UTC)


async def test_rotating_swaps_slots_and_keeps_the_former_credential_alive(
    ground: Ground, service: Service, world: World
) -> None:
    await ground.create(service)
    first = await published(service)
    rotated = await service.rotations.rotate("app")
    second = await published(service)
    assert rotated.active_index == 1
    assert second["username"] == "app_2"
    assert world.works(first)
    assert world.works(second)
    await service.rotations.rotate("app")
    third = await published(service)
    assert third["username"] == "app_1"
    assert not world.works(first)
    assert world.works(second)


async def test_a_listener_hears_every_step_in_order(ground: Ground, service: Service) -> None:
    await ground.create(service)
    heard: list[Progress] = []
    await service.rotations.rotate("app", heard.append)
    assert [(p.step, p.state) for p in heard] == [
        (step, state) for step in ("plan", "guard", "issue", "verify", "publish") for state in ("started", "done")
    ]
    assert {p.identity for p in heard} == {"app_2"}
    assert all(p.ms > 0 for p in heard if p.state == "done")


async def test_a_scheduled_run_happens_when_due_and_counts_from_its_scheduled_time(
    ground: Ground, service: Service, clock: Clock
) -> None:
    await ground.create(service)
    assert await run_loop_once(service) == 0
    assert (await service.rotations.document("app")).active_index == 0
    clock.now = datetime(2026, 3, 31, 12, 0, 7, tzinfo=UTC)
    assert await run_loop_once(service) == 0
    rotated = await service.rotations.document("app")
    assert rotated.active_index == 1
    assert rotated.is_last_rotation_manual is False
    assert rotated.next_rotation_at == datetime(2026, 4, 30, 12, 0, tzinfo=UTC)
    attempts = await service.rotations.history("app")
    assert attempts[0].trigger == "schedule"
    assert attempts[0].scheduled_for == datetime(2026, 3, 31, 12, 0, tzinfo=UTC)


async def test_what_was_missed_for_a_month_runs_once(ground: Ground, service: Service, clock: Clock) -> None:
    await ground.create(service, rotationInterval=1)
    clock.advance(days=31)
    await run_loop_once(service)
    await run_loop_once(service)
    assert len([a for a in await service.rotations.history("app") if a.trigger == "schedule"]) == 1


async def test_without_auto_rotation_nothing_runs_by_itself(ground: Ground, service: Service, clock: Clock) -> None:
    created = await ground.create(service, isAutoRotationEnabled=False)
    assert created.next_rotation_at is None
    clock.advance(days=400)
    await run_loop_once(service)
    assert len(await service.rotations.history("app")) == 2
    assert await status(service) is Status.PAUSED


async def test_pausing_stops_the_schedule_and_resuming_runs_what_became_due(
    ground: Ground, service: Service, clock: Clock
) -> None:
    await ground.create(service)
    assert (await service.rotations.pause("app")).next_rotation_at is None
    clock.advance(days=60)
    await run_loop_once(service)
    assert (await service.rotations.document("app")).active_index == 0
    resumed = await service.rotations.resume("app")
    assert resumed.next_rotation_at is not None
    assert resumed.next_rotation_at < clock.now
    await run_loop_once(service)
    assert (await service.rotations.document("app")).active_index == 1


async def test_keys_are_verified_three_times_and_the_former_one_is_retired_by_id(
    ground: Ground, service: Service, world: World
) -> None:
    await ground.create(service, "model-keys")
    world.logins["app_1"].add("somebody else's key")
    for _ in range(3):
        calls = world.count("verify")
        await service.rotations.rotate("app")
        assert world.count("verify") == calls + 3
    held = await credentials(service)
    assert world.logins["app_1"] == {held[0]["password"], held[1]["password"], "somebody else's key"}


async def test_a_failed_retirement_is_not_a_failed_rotation_and_is_tried_again(
    ground: Ground, service: Service, world: World, clock: Clock
) -> None:
    await ground.create(service, "model-keys")
    await service.rotations.rotate("app")
    doomed = (await credentials(service))[0]["password"]
    world.fail("retire", unreachable())
    assert (await service.rotations.rotate("app")).rotation_status == "success"
    assert doomed in world.logins["app_1"]
    clock.advance(hours=2)
    assert await run_loop_once(service) == 0
    assert doomed not in world.logins["app_1"]
    assert {a.state for a in await service.rotations.history("app")} == {"done"}


async def test_a_lost_answer_when_a_key_was_made_leaves_no_orphan(
    ground: Ground, service: Service, world: World
) -> None:
    await ground.create(service, "model-keys")
    world.fail("issue", lost_answer(), when="after")
    with pytest.raises(RotationFailed):
        await service.rotations.rotate("app")
    await service.rotations.rotate("app")
    held = {c["password"] for c in await credentials(service)}
    assert world.logins["app_1"] == held


async def test_while_one_works_others_are_busy(ground: Ground, service: Service) -> None:
    created = await ground.create(service)
    store, engine = service.store, service.context.engine
    lease = store.write(lambda tx: leases.claim(tx, created.id, "somebody", 30))
    other = ground.start()
    for call in (other.rotations.rotate, other.rotations.pause, other.rotations.delete):
        with pytest.raises(Busy):
            await call("app")
    assert await status(service) is Status.ROTATING
    store.write(lambda tx: leases.release(tx, lease))
    await engine.rotate(lambda tx: engine.claim_in(tx, created.id), "test")


async def test_a_process_that_lost_its_lease_writes_nothing(ground: Ground, service: Service, world: World) -> None:
    created = await ground.create(service)
    store = service.store
    stale = store.write(lambda tx: leases.claim(tx, created.id, "sleeper", -1.0))
    store.write(lambda tx: leases.claim(tx, created.id, "successor", 30))
    from app.rotation.agenda import MANUAL
    from store.errors import LeaseLost

    with pytest.raises(LeaseLost):
        await service.context.engine.carry_out(stale, MANUAL, "test")
    assert world.works(await published(service))
    assert (await service.rotations.document("app")).active_index == 0


async def test_checking_finds_drift_in_either_slot(ground: Ground, service: Service, world: World) -> None:
    await ground.create(service)
    assert [c.ok for c in await service.rotations.check("app")] == [True, True]
    world.logins["app_2"] = {"changed by hand"}
    assert [c.ok for c in await service.rotations.check("app")] == [True, False]
    world.fail("verify", unreachable())
    assert [c.ok for c in await service.rotations.check("app")] == [None, False]


async def test_an_error_text_that_quotes_a_secret_is_redacted_everywhere(
    ground: Ground, service: Service, world: World
) -> None:
    await ground.create(service)
    leaked = (await published(service))["password"]
    world.fail("issue", type(forbidden())(f"bad password {leaked} for admin-token-1"))
    with pytest.raises(RotationFailed) as failure:
        await service.rotations.rotate("app")
    history = await service.history.recent()
    detail = await service.rotations.detail("app")
    for text in (failure.value.message, detail.row.last_message, *(e.message for e in history)):
        assert leaked not in text
        assert "admin-token-1" not in text


async def test_a_defect_in_a_provider_is_recorded_and_resumed(
    ground: Ground, service: Service, world: World, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    await ground.create(service)
    world.fail("issue", ZeroDivisionError("secret-inside"), when="after")
    with pytest.raises(RotationFailed, match="Unexpected ZeroDivisionError"):
        await service.rotations.rotate("app")
    assert "secret-inside" not in caplog.text
    assert "befall" in caplog.text
    clock.advance(minutes=2)
    assert await run_loop_once(service) == 0
    assert world.works(await published(service))


async def test_two_loops_on_one_store_run_what_is_due_once(
    ground: Ground, service: Service, world: World, clock: Clock
) -> None:
    import asyncio

    for number in range(5):
        names = {"username": f"U{number}", "password": f"P{number}"}
        users = {"username1": f"a{number}", "username2": f"b{number}"}
        await ground.create(service, name=f"app-{number}", secretsMapping=names, parameters=users)
    other = ground.start()
    clock.now = LATER
    calls = world.count("issue")
    await asyncio.gather(run_loop_once(service), run_loop_once(other))
    assert world.count("issue") == calls + 5
