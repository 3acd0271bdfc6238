"""The disk under the store: full, failing, or failing after the fact, at each commit of a rotation.

How each is made:

* I/O error: during that one COMMIT this process may not write to any file (RLIMIT_FSIZE 0), so it is SQLite's own
  write to its log that fails, and its own SQLITE_IOERR_WRITE that comes back.
* Full disk: the driver's exception with SQLITE_FULL takes the place of COMMIT. That is what SQLite answers when the
  write of a COMMIT finds no room; the transaction is not committed and is rolled back by the caller, as it is here.
  (tests/store/test_failures.py fills a database for real, which SQLite notices in a statement before the COMMIT.)
* Answer lost: COMMIT is carried out and then reported as failed, as by an fsync whose failure comes after the write,
  or by a PostgreSQL server whose connection breaks at that moment.
"""

from __future__ import annotations

import contextlib
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, cast

import pytest

from app.errors import Busy
from app.service import Service
from app.views import Status
from store.errors import StoreError, StoreUnavailable
from tests.cli.ground import Ground as Real
from tests.cli.ground import command, done, finished
from tests.cli.ground import make_due as make_due_in_store
from tests.faults.story import KINDS, assert_whole, job_of, leases_run_out, make_due, message_of, runs_for
from tests.rotation.conftest import Clock, Ground
from tests.rotation.model import World
from tests.variants import few

Fault = Literal["disk I/O error", "disk full", "answer lost"]
FAULTS: list[Fault] = ["disk I/O error", "disk full", "answer lost"]
SAID = {"disk I/O error": "disk", "disk full": "the disk is full", "answer lost": "disk"}
MORE_COMMITS_THAN_ANY_ROTATION_HAS = 20


@dataclass
class BadDisk:
    """Counts the commits of one store's writes; those from `first` on fail, `many` of them."""

    service: Service
    fault: Fault
    first: int
    many: int = 1
    seen: int = 0
    failed: int = 0

    def __post_init__(self) -> None:
        self._dialect = cast(Any, self.service.store.engine.dialect)
        self._commit: Callable[[Any], None] = self._dialect.do_commit
        self._dialect.do_commit = self._do_commit

    def replace(self) -> None:
        self._dialect.do_commit = self._commit

    def _do_commit(self, connection: Any) -> None:
        reading = connection.cursor().execute("PRAGMA query_only").fetchone()[0]
        if reading or not self._fails():
            self._commit(connection)
            return
        self.failed += 1
        match self.fault:
            case "disk I/O error":
                with no_file_may_grow():
                    self._commit(connection)
                self.failed -= 1  # a transaction that had found nothing to write
            case "disk full":
                raise _said_by_sqlite(sqlite3.SQLITE_FULL)
            case "answer lost":
                self._commit(connection)
                raise _said_by_sqlite(sqlite3.SQLITE_IOERR_FSYNC)

    def _fails(self) -> bool:
        self.seen += 1
        return self.first <= self.seen < self.first + self.many


@contextmanager
def no_file_may_grow() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _said_by_sqlite(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk")
    error.sqlite_errorcode = code
    error.sqlite_errorname = {sqlite3.SQLITE_FULL: "SQLITE_FULL"}.get(code, "SQLITE_IOERR_FSYNC")
    return error


async def run_loop(service: Service) -> str:
    """What the loop had to say, if anything."""
    said: list[str] = []
    scheduler = service.scheduler(on_outcome=lambda rotation_id, error: said.append(error or ""))
    try:
        await scheduler.run_once()
    except StoreUnavailable as error:
        said.append(error.message)
    return " ".join(said)


@pytest.mark.parametrize("kind", few(KINDS))
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_disk_that_fails_once_delays_a_rotation_and_harms_nothing(
    ground: Ground, service: Service, world: World, clock: Clock, fault: Fault, kind: str
) -> None:
    created = await ground.create(service, kind)
    points = 0
    for first in range(1, MORE_COMMITS_THAN_ANY_ROTATION_HAS):
        due = make_due(service, created.id, clock)
        before = await assert_whole(service, world, created.id)
        calls = world.count("issue")
        disk = BadDisk(service, fault, first)
        said = await run_loop(service)
        disk.replace()
        if disk.seen < first:
            break
        if not disk.failed:
            continue
        points += 1
        assert SAID[fault] in said, f"nothing was said about commit {first}"
        assert world.count("issue") <= calls + 1, "it went round in circles"
        after = await assert_whole(service, world, created.id)
        if after == before:
            assert runs_for(service, created.id, due) == 0
            assert job_of(service, created.id).rotation.next_rotation_at == due
        leases_run_out(service)
        clock.advance(minutes=2)
        assert "disk" not in await run_loop(service)
        assert await assert_whole(service, world, created.id) != before
        assert runs_for(service, created.id, due) == 1
        assert (await service.rotations.detail("app")).row.status is Status.HEALTHY
        row = job_of(service, created.id).rotation
        assert (row.lease_owner, row.failures) == (None, 0)
    assert points >= 5, "the rotation has fewer commits than steps"


@pytest.mark.parametrize("fault", FAULTS[:2])
async def test_a_failure_that_can_be_recorded_is_shown_and_tried_again_with_back_off(
    ground: Ground, service: Service, world: World, clock: Clock, fault: Fault
) -> None:
    created = await ground.create(service)
    due = make_due(service, created.id, clock)
    disk = BadDisk(service, fault, first=4)
    assert SAID[fault] in await run_loop(service)
    disk.replace()
    row = job_of(service, created.id).rotation
    assert SAID[fault] in await message_of(service)
    assert (await service.rotations.detail("app")).row.status is Status.FAILING
    assert row.lease_owner is None
    assert row.next_rotation_at == due
    assert row.due_at is not None
    assert timedelta(seconds=29) <= row.due_at - clock.now <= timedelta(seconds=61)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", FAULTS[:2])
async def test_a_disk_that_stays_full_stops_the_loop_from_doing_more(
    ground: Ground, service: Service, world: World, clock: Clock, fault: Fault, kind: str
) -> None:
    created = await ground.create(service, kind)
    for first in range(1, 6):
        due = make_due(service, created.id, clock)
        before = await assert_whole(service, world, created.id)
        calls = world.count("issue")
        disk = BadDisk(service, fault, first, many=10_000)
        assert SAID[fault] in await run_loop(service)
        for _ in range(4):  # it comes by again and again, minutes apart
            clock.advance(minutes=1)
            await run_loop(service)
        # Whose lease could not even be given back is busy until that runs out.
        with pytest.raises(StoreUnavailable if first == 1 else Busy):
            await service.rotations.rotate("app")
        disk.replace()
        assert world.count("issue") <= calls + 1, "it went on at the target without being able to record it"
        assert await assert_whole(service, world, created.id) == before
        leases_run_out(service)
        clock.advance(hours=1)
        await run_loop(service)
        assert await assert_whole(service, world, created.id) != before
        assert runs_for(service, created.id, due) == 1


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_creation_that_the_disk_interrupts_is_finished_or_leaves_nothing(
    ground: Ground, service: Service, world: World, clock: Clock, fault: Fault
) -> None:
    for first in range(1, MORE_COMMITS_THAN_ANY_ROTATION_HAS):
        disk = BadDisk(service, fault, first)
        with contextlib.suppress(StoreError):
            await ground.create(service)
        disk.replace()
        leases_run_out(service)
        clock.advance(minutes=2)
        await run_loop(service)
        left = await service.rotations.documents()
        if left:
            await assert_whole(service, world, left[0].id)
            await service.rotations.delete("app", revoke=True, delete_secrets=True)
        assert not any(world.logins.values())
        if disk.seen < first:
            break
    assert first > 8


def test_the_real_loop_on_a_disk_without_room_exits_1_and_goes_on_later(real: Real) -> None:
    make_due_in_store(real.create()["id"])
    before = real.published()
    # No file of the process may grow beyond this: less than one transaction of the store's log.
    ran = finished(["prlimit", "--fsize=6000:6000", *command("--run-scheduler", "--once")])
    assert ran.code == 1, ran.said
    assert "disk" in ran.err
    assert "Traceback" not in ran.err
    assert real.published() == before
    assert real.published_logs_in()
    done("--run-scheduler", "--once")
    assert real.published() != before
    assert real.published_logs_in()
