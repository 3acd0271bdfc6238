"""Eight processes at once on one store, of either kind: nothing runs twice or is lost, nobody is told of locks."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.errors import EXIT_BUSY
from app.service import Service, open_service
from app.settings import load_settings
from tests.cli.ground import Ground, Ran, Running, done, make_ground, process, without_secrets
from tests.conftest import Database
from tests.faults.crowd import (
    Lane,
    Loop,
    Seen,
    assert_each_ran_once,
    at_rest,
    lane,
    make_due,
    rotate_by_hand,
    seen,
    until,
    watched,
)
from tests.store.conftest import postgresql_url
from tests.tui.terminal import Tty
from tests.variants import few

SHARED, TIMED = "all-at-it", "by-the-clock"
"""What everybody works on; and what only the loops rotate, while others edit it."""
UNWANTED = ("Traceback", "locked", "deadlock", "serialize", "overtaking", "unexpected", "IntegrityError")


@dataclass(frozen=True)
class Shared:
    ground: Ground
    service: Service
    """How the test looks at the store."""
    home: Path
    shared: str
    timed: str


@pytest.fixture(params=few(["sqlite", "postgresql"]))
def stage(
    request: pytest.FixtureRequest, ready: Path, pg: Database, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shared]:
    """Two rotations in a store on either database."""
    if request.param == "postgresql":
        monkeypatch.setenv("KEYTURN_DATABASE_URL", postgresql_url(pg))
    monkeypatch.setenv("LANG", "C.UTF-8")
    ground = make_ground(pg)
    ground.connect()
    others = [pg.create_role(f"timed_{n}", "temporary") for n in (1, 2)]
    shared = ground.create(name=SHARED)
    timed = ground.create(
        name=TIMED,
        parameters={"username1": others[0], "username2": others[1]},
        secretsMapping={"username": "TIMED_USER", "password": "TIMED_PASSWORD"},
    )
    service = open_service(load_settings(os.environ), "test")
    yield Shared(ground, service, ready, shared["id"], timed["id"])
    asyncio.run(service.aclose())


@dataclass(frozen=True)
class Crowd:
    """The lanes of the four scripts; the four others are two loops and two people."""

    rotating: Lane
    editing: Lane
    pausing: Lane
    reading: Lane


def rotate(lane: Lane, rounds: int) -> None:
    for _ in range(rounds):
        lane.insist("rotations", "rotate", SHARED)


def edit(lane: Lane, rounds: int) -> None:
    for number in range(1, rounds + 1):
        for name in (SHARED, TIMED):
            lane.insist("rotations", "edit", name, "--file", "-", stdin=json.dumps({"description": f"{number}"}))
        lane.insist("rotations", "move", SHARED, "--env", "prod" if number % 2 else "dev", "--path", "/")


def pause(lane: Lane, rounds: int) -> None:
    for _ in range(rounds):
        lane.insist("rotations", "pause", SHARED)
        lane.insist("rotations", "resume", SHARED)
    lane.insist("rotations", "pause", SHARED)


def read(lane: Lane, rounds: int) -> None:
    for _ in range(rounds):
        lane.insist("secrets", "get", "TIMED_PASSWORD", "--env", "dev")


@pytest.mark.parametrize(
    ("rounds", "fresh"), [(2, False), pytest.param(12, True, marks=pytest.mark.soak)], ids=["warm", "soak"]
)
def test_eight_at_once_run_all_once_and_lose_nothing(stage: Shared, tmp_path: Path, rounds: int, fresh: bool) -> None:
    logged_before = len(stage.ground.pg.server.log())
    due = []
    with ExitStack() as stack:
        loops = [stack.enter_context(Loop(tmp_path / f"loop-{n}")) for n in range(2)]
        person, onlooker = (stack.enter_context(Tty(size=(120, 40))) for _ in range(2))
        crowd = Crowd(*(stack.enter_context(lane(fresh=fresh or n == 3)) for n in range(4)))
        until(lambda: all("event=started" in loop.said for loop in loops), "a loop does not start")
        for tty in (person, onlooker):
            tty.sees(SHARED, TIMED)
        with watched(onlooker), ThreadPoolExecutor(5) as threads:
            at_work = [
                threads.submit(rotate, crowd.rotating, rounds),
                threads.submit(edit, crowd.editing, rounds),
                threads.submit(pause, crowd.pausing, rounds),
                threads.submit(read, crowd.reading, rounds),
                threads.submit(rotate_by_hand, person, SHARED, rounds),
            ]
            for _ in range(rounds):
                due.append(make_due(stage.service, stage.timed))
                until(lambda: at_rest(stage.service, stage.timed), "what is due is not run")
            for work in at_work:
                work.result()
        for tty in (person, onlooker):
            tty.press("ctrl+q")
        assert [loop.ends() for loop in loops] == [0, 0]
        assert [tty.ends() for tty in (person, onlooker)] == [0, 0]
        shown = [tty.output.decode(errors="replace") for tty in (person, onlooker)]
    _assert_nothing_lost(stage, crowd, rounds)
    timed = seen(stage.service, stage.timed)
    assert timed.by_due_time == dict.fromkeys(due, 1)
    assert len(timed.runs) == rounds
    assert {ran.out.strip() for ran in crowd.reading.ran} <= set(timed.values["password"])
    said = [ran.said for each in (crowd.rotating, crowd.editing, crowd.pausing) for ran in each.ran]
    said += [ran.err for ran in crowd.reading.ran]
    kept = [file.read_text() for file in stage.home.glob("*.log")]
    shared = seen(stage.service, stage.shared)
    for text in [*said, *shown, *kept, *(loop.said for loop in loops)]:
        assert [word for word in UNWANTED if word in text] == []
        assert without_secrets(text, [*timed.values["password"], *shared.values["password"], *stage.ground.secrets])
    assert "deadlock detected" not in stage.ground.pg.server.log()[logged_before:]


def _assert_nothing_lost(stage: Shared, crowd: Crowd, rounds: int) -> None:
    shared, timed = seen(stage.service, stage.shared), seen(stage.service, stage.timed)
    for found in (shared, timed):
        assert_each_ran_once(found)
        assert stage.ground.pg.login(found.current["username"], found.current["password"])
    # The script's and the person's.
    assert [attempt.trigger for attempt in shared.runs] == ["manual"] * 2 * rounds
    row = shared.job.rotation
    assert (row.description, row.is_auto_rotation_enabled, row.next_rotation_at) == (f"{rounds}", False, None)
    assert timed.job.rotation.description == f"{rounds}"
    assert shared.edits.count("changed: description") == rounds
    assert timed.edits.count("changed: description") == rounds
    assert len(shared.edits) == len([ran for ran in crowd.editing.ran + crowd.pausing.ran if ran.code == 0]) - rounds
    assert shared.place == timed.place if rounds % 2 == 0 else shared.place != timed.place


COMMANDS = {
    "rotate": ["rotate", SHARED],
    "edit": ["edit", SHARED, "--file", "-"],
    "pause": ["pause", SHARED],
    "resume": ["resume", SHARED],
    "move": ["move", SHARED, "--env", "prod", "--path", "/"],
    "delete": ["delete", SHARED, "--yes", "--revoke", "--delete-secrets"],
}


@pytest.mark.soak
@pytest.mark.parametrize("stage", few(["sqlite", "postgresql"]), indirect=True)
def test_while_an_attempt_runs_everything_else_is_busy(stage: Shared) -> None:
    before = seen(stage.service, stage.shared)

    def attempted(words: list[str]) -> Ran:
        return process("rotations", *words, stdin=json.dumps({"description": "too early"}))

    # A script and not a loop: that could be stopped while it writes something else to the store.
    with Running(
        "rotations", "rotate", SHARED, KEYTURN_FAILPOINT="issue.before=stop", KEYTURN_LEASE_SECONDS="600"
    ) as it:
        ended = os.waitid(os.P_PID, it.popen.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        assert ended is not None
        assert ended.si_status == signal.SIGSTOP
        with ThreadPoolExecutor(2) as threads:
            ran = dict(zip(COMMANDS, threads.map(attempted, COMMANDS.values()), strict=True))
        under_way = seen(stage.service, stage.shared)
        it.signal(signal.SIGCONT)
        assert it.finish().code == 0
    assert {name: each.code for name, each in ran.items()} == dict.fromkeys(COMMANDS, EXIT_BUSY)
    for each in ran.values():
        assert "Another process is working on this rotation; nothing was done." in each.err
        assert "Wait for it" in each.err
        assert each.out == ""
    assert under_way.job.open
    after = seen(stage.service, stage.shared)
    assert_each_ran_once(after)
    assert len(after.runs) == 1
    assert_only_rotated(before, after)
    done("rotations", *COMMANDS["delete"])


def assert_only_rotated(before: Seen, after: Seen) -> None:
    assert after.edits == before.edits
    assert after.place == before.place
    for name in ("name", "description", "is_auto_rotation_enabled", "deletion", "secrets_mapping", "parameters"):
        assert getattr(after.job.rotation, name) == getattr(before.job.rotation, name)
