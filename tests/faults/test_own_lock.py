"""Another process holds the store for longer than anybody waits: a backup, a database browser, a stuck program."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any, Self, TypeVar, cast

import pytest

import app.service
from app.service import Service
from app.views import Status
from store.database import Tx, open_store
from store.errors import StoreUnavailable
from tests.cli.ground import Ground as Real
from tests.cli.ground import done, keyturn
from tests.cli.ground import make_due as make_due_in_store
from tests.faults.story import KINDS, assert_whole, job_of, leases_run_out, make_due, runs_for
from tests.faults.test_disk import run_loop
from tests.rotation.conftest import Clock, Ground
from tests.rotation.model import World

MORE_WRITES_THAN_ANY_ROTATION_HAS = 20
WAITS = 0.05
T = TypeVar("T")

HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
for line in sys.stdin:
    connection.execute(line)
    print("done", flush=True)
"""


class Holder:
    """A process of its own that takes the store's lock, and gives it back, when told."""

    def __init__(self, store: str) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-c", HOLDER, store], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._popen.kill()
        self._popen.communicate()

    def take(self) -> None:
        self._tell("BEGIN IMMEDIATE")

    def give_back(self) -> None:
        self._tell("ROLLBACK")

    def _tell(self, statement: str) -> None:
        asked, answered = cast("IO[str]", self._popen.stdin), cast("IO[str]", self._popen.stdout)
        asked.write(f"{statement}\n")
        asked.flush()
        assert answered.readline() == "done\n"


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody gives up sooner than people's ten seconds."""
    monkeypatch.setattr(app.service, "open_store", partial(open_store, busy_timeout=WAITS))


@pytest.fixture
def holder(service: Service) -> Iterator[Holder]:
    with Holder(service.store.location) as made:
        yield made


class Locked:
    """The writes of one store from `first` on meet the lock of another process, `many` of them."""

    def __init__(self, service: Service, holder: Holder, first: int, many: int = 1) -> None:
        self.seen = 0
        self._range = range(first, first + many)
        self._holder, self._store, self._write = holder, cast(Any, service.store), service.store.write
        self._store.write = self._write_locked

    def over(self) -> None:
        self._store.write = self._write

    def _write_locked(self, fn: Callable[[Tx], T], *, durable: bool = True) -> T:
        self.seen += 1
        if self.seen not in self._range:
            return self._write(fn, durable=durable)
        self._holder.take()
        try:
            return self._write(fn, durable=durable)
        finally:
            self._holder.give_back()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("many", [1, 1000], ids=["once", "until the process ends"])
async def test_a_lock_at_any_commit_delays_a_rotation_and_loses_nothing(
    ground: Ground, service: Service, world: World, clock: Clock, holder: Holder, kind: str, many: int
) -> None:
    created = await ground.create(service, kind)
    points = 0
    for first in range(1, MORE_WRITES_THAN_ANY_ROTATION_HAS):
        due = make_due(service, created.id, clock)
        before = await assert_whole(service, world, created.id)
        calls = world.count("issue")
        locked = Locked(service, holder, first, many)
        said = await run_loop(service)
        locked.over()
        if locked.seen < first:
            break
        points += 1
        after = await assert_whole(service, world, created.id)
        if after == before:
            assert "is locked" in said, f"nothing was said about write {first}"
            assert job_of(service, created.id).rotation.next_rotation_at == due
            assert runs_for(service, created.id, due) == 0
        assert world.count("issue") <= calls + 1
        leases_run_out(service)
        clock.advance(minutes=2)
        assert await run_loop(service) == ""
        assert await assert_whole(service, world, created.id) != before
        assert runs_for(service, created.id, due) == 1
        assert (await service.rotations.detail("app")).row.status is Status.HEALTHY
    assert points >= 4


async def test_people_are_told_what_to_do_and_can_go_on_reading(
    ground: Ground, service: Service, world: World, clock: Clock, holder: Holder
) -> None:
    created = await ground.create(service)
    before = await assert_whole(service, world, created.id)
    issued = world.count("issue")
    holder.take()
    for call in (
        service.rotations.rotate("app"),
        service.rotations.pause("app"),
        service.edits.move("app", {"destinationEnvironment": "prod", "destinationSecretPath": "/"}),
        service.rotations.delete("app"),
        service.drafts.save("rotation", 1, {}),
    ):
        with pytest.raises(StoreUnavailable, match="is locked") as told:
            await call
        assert "a stuck Keyturn, a backup, a database browser" in told.value.remedy
    assert [row.name for row in (await service.rotations.snapshot()).rows] == ["app"]
    assert await assert_whole(service, world, created.id) == before
    assert world.count("issue") == issued, "something was done at the target before it could be journaled"
    holder.give_back()
    await service.rotations.rotate("app")
    assert await assert_whole(service, world, created.id) != before


def test_the_command_line_says_so_and_exits_1(real: Real, ready: Path) -> None:
    make_due_in_store(real.create()["id"])
    before, verifiers = real.published(), real.verifiers()
    with Holder(str(ready / "keyturn.db")) as holder:
        holder.take()
        for words in (
            ("rotations", "rotate", "my-pg-rotation"),
            ("rotations", "pause", "my-pg-rotation"),
            ("--run-scheduler", "--once"),
        ):
            ran = keyturn(*words)
            assert ran.code == 1
            assert "is locked" in ran.err
            assert "a stuck Keyturn, a backup, a database browser" in ran.err
            assert "Traceback" not in ran.said
        holder.give_back()
    assert (real.published(), real.verifiers()) == (before, verifiers)
    done("--run-scheduler", "--once")
    assert real.published() != before
    assert real.published_logs_in()
