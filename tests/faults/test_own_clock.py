"""The clock jumps, a machine was off, a night has twenty-three or twenty-five hours: each run happens once, on time."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, select, update

from app.errors import Busy
from app.service import Service
from screens import look
from screens.wizard import clock as wizard_clock
from store import leases
from store.database import Tx, db_epoch
from store.tables import Attempt, Rotation
from tests.faults.story import assert_whole, job_of, make_due, runs_for
from tests.rotation.conftest import Clock, Ground, published
from tests.rotation.model import World
from tests.variants import few

DAILY: dict[str, Any] = {"rotationInterval": 1}
GRID = timedelta(days=30)


def due_times(service: Service, rotation_id: str) -> list[datetime]:
    """Of every scheduled run, the oldest first."""

    def look_up(tx: Tx) -> list[datetime]:
        query = select(Attempt).where(Attempt.rotation_id == rotation_id, Attempt.trigger == "schedule")
        return sorted(row.scheduled_for for row in tx.session.exec(query) if row.scheduled_for is not None)

    return service.store.read(look_up)


@pytest.mark.parametrize("hours", [1, 3, 11, 26])
async def test_a_jump_ahead_runs_what_became_due_once_and_a_jump_back_runs_nothing_again(
    ground: Ground, service: Service, world: World, clock: Clock, hours: int
) -> None:
    created = await ground.create(service)
    due = make_due(service, created.id, clock)
    clock.advance(hours=-1)
    await service.scheduler().run_once()
    assert due_times(service, created.id) == []
    clock.advance(hours=1 + hours)  # ahead: it is due now
    await service.scheduler().run_once()
    after = await assert_whole(service, world, created.id)
    for _ in range(3):  # and back and forth over the due time
        clock.advance(hours=-2 * hours)
        await service.scheduler().run_once()
        clock.advance(hours=2 * hours)
        await service.scheduler().run_once()
    assert await published(service) == after
    assert due_times(service, created.id) == [due]
    assert job_of(service, created.id).rotation.next_rotation_at == due + GRID, "it drifted"
    clock.now = due + GRID
    await service.scheduler().run_once()
    assert due_times(service, created.id) == [due, due + GRID]


@pytest.mark.parametrize("hours", [-5, 5])
@pytest.mark.parametrize("call", ["issue", "verify", "in_use"])
async def test_a_jump_in_the_middle_of_a_run_changes_neither_its_due_time_nor_the_next(
    ground: Ground,
    service: Service,
    world: World,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    hours: int,
) -> None:
    created = await ground.create(service)
    due = make_due(service, created.id, clock)
    befall = World.befall

    def jump(self: World, name: str, when: str) -> None:
        if (name, when) == (call, "before"):
            clock.advance(hours=hours)
            monkeypatch.setattr(World, "befall", befall)
        befall(self, name, when)

    monkeypatch.setattr(World, "befall", jump)
    assert await service.scheduler().run_once() == 0
    assert await service.scheduler().run_once() == 0
    clock.now = due + timedelta(hours=1)
    assert await service.scheduler().run_once() == 0
    assert runs_for(service, created.id, due) == 1
    assert due_times(service, created.id) == [due]
    assert job_of(service, created.id).rotation.next_rotation_at == due + GRID
    await assert_whole(service, world, created.id)


async def test_the_lease_of_a_dead_process_does_not_outlive_a_jump_back_by_hours(
    ground: Ground, service: Service, clock: Clock
) -> None:
    created = await ground.create(service)
    due = make_due(service, created.id, clock)
    before = await published(service)
    service.store.write(lambda tx: leases.claim(tx, created.id, "a process that died", 30.0))
    with pytest.raises(Busy):
        await service.rotations.pause("app")
    # The machine's clock went back by three hours: so much further ahead the lease now ends.
    service.store.write(
        lambda tx: tx.session.execute(update(Rotation).values(lease_until=col(Rotation.lease_until) + 3 * 3600))
    )
    await service.scheduler().run_once()
    assert await published(service) != before
    assert runs_for(service, created.id, due) == 1


async def test_a_lease_of_any_length_that_may_be_set_is_respected(ground: Ground, service: Service) -> None:
    created = await ground.create(service)
    service.store.write(lambda tx: leases.claim(tx, created.id, "somebody", 3600.0))
    with pytest.raises(Busy):
        await service.rotations.rotate("app")
    left = service.store.read(lambda tx: tx.session.scalar(select(col(Rotation.lease_until) - db_epoch())))
    assert left is not None
    assert 3590 < left <= 3600


async def test_months_without_a_run_are_caught_up_by_one_and_the_grid_stays(
    ground: Ground, service: Service, world: World, clock: Clock
) -> None:
    created = await ground.create(service, **DAILY)
    due = make_due(service, created.id, clock)
    clock.now = due + timedelta(days=31, hours=5)
    for _ in range(3):
        assert await service.scheduler().run_once() == 0
        clock.advance(minutes=1)
    assert due_times(service, created.id) == [due]
    row = job_of(service, created.id).rotation
    assert row.next_rotation_at is not None
    assert clock.now + timedelta(hours=12) <= row.next_rotation_at <= clock.now + timedelta(hours=36)
    assert (row.next_rotation_at.hour, row.next_rotation_at.minute) == (due.hour, due.minute)
    await assert_whole(service, world, created.id)


@pytest.fixture(params=few(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"]))
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def offset(moment: datetime) -> timedelta:
    return moment.astimezone().utcoffset() or timedelta(0)


def nights(year: int) -> list[datetime]:
    """The hours at which the clocks here were changed, in UTC."""
    start = datetime(year, 1, 1, tzinfo=UTC)
    hours = [start + timedelta(hours=n) for n in range(366 * 24)]
    return [hour for hour in hours if offset(hour) != offset(hour - timedelta(hours=1))]


async def test_nights_in_which_the_clocks_change_have_one_run_each_at_the_same_utc_time(
    zone: str, ground: Ground, service: Service, clock: Clock
) -> None:
    changes = nights(2027)
    assert len(changes) >= 2, zone
    created = await ground.create(service, **DAILY, rotateAtUtc={"hours": changes[0].hour, "minutes": 30})
    for change in changes[:2]:
        clock.now = change - timedelta(days=4)
        while clock.now < change + timedelta(days=2, hours=3):
            await service.scheduler().run_once()
            clock.advance(minutes=90)
        runs = [run for run in due_times(service, created.id) if abs(run - change) < timedelta(days=2)]
        assert len(runs) == 4
        assert {(run.hour, run.minute) for run in runs} == {(changes[0].hour, 30)}
        assert {after - before for before, after in itertools.pairwise(runs)} == {timedelta(days=1)}


def test_what_people_enter_and_read_is_right_on_both_sides_of_such_a_night(zone: str) -> None:
    for change in nights(2027):
        for now in (change - timedelta(minutes=31), change - timedelta(minutes=1), change, change + timedelta(hours=2)):
            for text in ("00:00", "01:30", "02:00", "02:30", "03:00", "23:59"):
                utc = wizard_clock.to_utc(text, now)
                assert utc is not None
                assert wizard_clock.to_local(*utc, now) == text, f"{text} at {now} in {zone}"
            shown = look.in_both_zones(now)
            assert f"{now.astimezone():%Y-%m-%d %H:%M}" in shown
            assert f"{now:%H:%M} UTC" in shown
