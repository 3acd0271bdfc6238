"""`keyturn --run-scheduler` as real processes: what it logs, how it stops, and several of them on one store."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app import logs
from tests.cli.ground import (
    ROOT,
    Ground,
    Running,
    command,
    done,
    keyturn,
    make_due,
    process,
    until,
    without_secrets,
)
from tests.conftest import Database
from tests.store.conftest import postgresql_url
from tests.variants import few, few_rows

NAME = "my-pg-rotation"
VALUE = r"(?:[^\s\"]+|\"(?:[^\"\\]|\\.)*\")"
LINE = re.compile(rf"time=\S+Z level=[a-z]+ event={VALUE}(?: [a-z]+={VALUE})*")
FIELD = re.compile(rf"([a-z]+)=({VALUE})")


def fields(line: str) -> dict[str, str]:
    """A log line taken apart; all of it must be log line."""
    assert LINE.fullmatch(line), line
    return {name: json.loads(value) if value[0] == '"' else value for name, value in FIELD.findall(line)}


def attempts() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = done("rotations", "history", NAME, "--json").json["attempts"]
    return found


def test_once_runs_what_is_due_and_logs_each_step(connected: Ground) -> None:
    document = connected.create()
    idle = process("--run-scheduler", "--once")
    assert idle.code == 0
    assert [fields(line)["event"] for line in idle.err.splitlines()] == ["started", "stopped"]
    make_due(document["id"])
    ran = process("--run-scheduler", "--once")
    assert (ran.code, ran.out) == (0, "")
    lines = [fields(line) for line in ran.err.splitlines()]
    events = [line["event"] for line in lines]
    assert (events[0], events[-2:]) == ("started", ["done", "stopped"])
    steps = [line for line in lines if line["event"] == "step"]
    assert [step["step"] for step in steps] == ["plan", "guard", "issue", "verify", "publish"]
    for step in steps:
        assert step["rotation"] == NAME
        assert step["user"] == connected.users[1]
        assert step["level"] == "info"
        assert float(step["ms"]) >= 0
    [newest, *_] = attempts()
    assert (newest["trigger"], newest["actor"], newest["state"]) == ("schedule", "scheduler", "done")
    assert newest["id"] == steps[0]["attempt"]
    assert connected.published_logs_in()


def test_once_exits_1_when_one_failed_and_the_others_ran(connected: Ground) -> None:
    users = [connected.pg.create_role(f"other_{n}", "temporary") for n in (1, 2)]
    good = connected.create(
        name="good",
        parameters={"username1": users[0], "username2": users[1]},
        secretsMapping={"username": "A", "password": "B"},
    )
    bad = connected.create()
    connected.pg.execute(f"ALTER ROLE {connected.users[1]} NOLOGIN")
    make_due(good["id"])
    make_due(bad["id"])
    ran = process("--run-scheduler", "--once")
    assert ran.code == 1
    lines = [fields(line) for line in ran.err.splitlines()]
    outcomes = {line["rotation"]: line for line in lines if line["event"] in ("done", "failed")}
    assert {name: line["event"] for name, line in outcomes.items()} == {"good": "done", NAME: "failed"}
    assert outcomes[NAME]["level"] == "error"
    assert connected.users[1] in outcomes[NAME]["message"]
    assert connected.published_logs_in()


def test_a_guard_that_waits_is_no_failure(connected: Ground) -> None:
    document = connected.create(guard={"policy": "wait"})
    values = done("rotations", "credentials", NAME, "--json").json["generatedCredentials"][1]
    with connected.pg.connect(values["username"], values["password"]):
        make_due(document["id"])
        ran = process("--run-scheduler", "--once")
        held = keyturn("rotations", "rotate", NAME)
        forced = keyturn("rotations", "rotate", NAME, "--force")
    assert ran.code == 0
    outcomes = [fields(line)["event"] for line in ran.err.splitlines()]
    assert outcomes[-2:] == ["postponed", "stopped"]
    assert "step=guard state=postponed" in ran.err
    assert held.code == 1
    assert connected.users[1] in held.err
    assert forced.code == 0
    assert connected.published_logs_in()


def test_the_first_start_is_one_log_line(home: object) -> None:
    ran = process("--run-scheduler", "--once")
    first = fields(ran.err.splitlines()[0])
    assert first["event"] == "first start"
    assert "worthless" in first["message"]


def test_lines_for_the_journal_are_json_with_priorities_where_asked(
    connected: Ground, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    document = connected.create()
    connected.pg.execute(f"ALTER ROLE {connected.users[1]} NOLOGIN")
    make_due(document["id"])
    path = tmp_path / "journal"
    with path.open("w") as journal:
        here = os.fstat(journal.fileno())
        ended = subprocess.run(
            command("--run-scheduler", "--once", "--log-format", "json", "--log-level", "debug"),
            stderr=journal,
            env={**os.environ, "JOURNAL_STREAM": f"{here.st_dev}:{here.st_ino}"},
            cwd=ROOT,
            check=False,
        )
    assert ended.returncode == 1
    lines = [re.fullmatch(r"<(\d)>(.*)", line) for line in path.read_text().splitlines()]
    read = [(int(line[1]), json.loads(line[2])) for line in lines if line]
    assert len(read) == len(lines)
    numbers = {"debug": 7, "info": 6, "warning": 4, "error": 3}
    assert all(number == numbers[line["level"]] for number, line in read)
    assert {line["level"] for _, line in read} == set(numbers)
    assert all(datetime.fromisoformat(line["time"]).utcoffset() == timedelta(0) for _, line in read)
    first = read[0][1]
    assert (first["event"], first["concurrency"], first["once"]) == ("started", 4, True)
    failed = next(line for _, line in read if line["event"] == "failed")
    assert connected.users[1] in failed["message"]
    assert isinstance(next(line for _, line in read if line["event"] == "step")["ms"], float)
    credentials = done("rotations", "credentials", NAME, "--json").json["generatedCredentials"]
    hidden = [*connected.secrets, *(each["password"] for each in credentials)]
    assert without_secrets(path.read_text(), hidden)
    # The same stream is none of the journal's for a process that is told of another one.
    with logs.kept(tmp_path / "log", logs.Lines("json", "warning")):
        logs.log.info("unseen")
        logs.log.warning("seen", extra={"fields": {"message": 'two\nlines\u2028 "é"', "none": None}})
    [line] = capfd.readouterr().err.splitlines()
    assert json.loads(line)["message"] == 'two\nlines\u2028 "é"'


@pytest.fixture(params=few(["postgresql", "sqlite"]))
def shared(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, pg: Database, connected: Ground) -> Ground:
    """Something to rotate, with the store on either database."""
    if request.param == "postgresql":
        monkeypatch.setenv("KEYTURN_DATABASE_URL", postgresql_url(pg))
        connected.connect()
    return connected


def test_two_loops_on_one_store_run_what_is_due_once(shared: Ground) -> None:
    document = shared.create()
    before = len(attempts())
    with Running("--run-scheduler") as one:
        one.hear("event=started")
        with Running("--run-scheduler") as other:
            is_session = "KEYTURN_DATABASE_URL" in os.environ
            told = other.hear('event="not alone"', "session " if is_session else f"process {one.popen.pid} ")
            assert "that is fine" in told
            _rotate_twice(document["id"], before)
            for loop in (one, other):
                loop.signal(signal.SIGTERM)
            logs = [loop.finish() for loop in (one, other)]
    assert [log.code for log in logs] == [0, 0]
    assert [log.err.count("not alone") for log in logs] == [0, 1]
    published = [line for log in logs for line in log.err.splitlines() if "step=publish" in line]
    assert len(published) == 2
    assert len(attempts()) == before + 2
    assert shared.published_logs_in()


def _rotate_twice(rotation_id: str, before: int) -> None:
    """Either loop may be the one, so what they have done is seen in the store. `before` is how many attempts it had."""
    for run in (1, 2):
        make_due(rotation_id)
        until(partial(_ended, before + run))


def _ended(count: int) -> bool:
    """Whether there are so many attempts, and the newest has come to its end."""
    found = attempts()
    return len(found) == count and found[0]["state"] == "done"


@pytest.mark.soak
def test_two_runs_at_the_same_moment_run_what_is_due_once(shared: Ground) -> None:
    document = shared.create()
    before = len(attempts())
    make_due(document["id"])
    with Running("--run-scheduler", "--once") as one, Running("--run-scheduler", "--once") as other:
        assert [one.finish().code, other.finish().code] == [0, 0]
    assert len(attempts()) == before + 1
    assert shared.published_logs_in()


@pytest.mark.parametrize(
    ("number", "once"),
    few_rows(
        [(signal.SIGTERM, []), (signal.SIGHUP, ["--once"]), (signal.SIGINT, []), (signal.SIGTERM, ["--once"])], keep=2
    ),
)
def test_a_signal_lets_the_running_attempt_finish(connected: Ground, number: signal.Signals, once: list[str]) -> None:
    document = connected.create()
    make_due(document["id"])
    with connected.locked(connected.users[1]) as unlock, Running("--run-scheduler", *once) as loop:
        loop.hear("step=guard")  # the next one waits for the lock
        loop.signal(number)
        assert fields(loop.hear("event=stopping"))["signal"] == number.name
        unlock()
        ran = loop.finish()
    assert ran.code == 0
    assert [fields(line)["event"] for line in ran.err.splitlines()][-2:] == ["done", "stopped"]
    assert attempts()[0]["state"] == "done"
    assert connected.published_logs_in()


def test_a_second_signal_parks_the_attempt_and_the_next_run_resumes_it(connected: Ground) -> None:
    document = connected.create()
    before = connected.published()
    make_due(document["id"])
    with connected.locked(connected.users[1]), Running("--run-scheduler") as loop:
        loop.hear("step=guard")  # the next one waits for the lock
        loop.signal(signal.SIGTERM)
        loop.hear("event=stopping")
        loop.signal(signal.SIGTERM)
        loop.hear("event=stopping", "running=parked")
        assert loop.finish().code == 0
    assert connected.published() == before
    parked = attempts()[0]
    assert (parked["state"], parked["step"]) == ("open", "issue")
    assert process("--run-scheduler", "--once").code == 0
    resumed = attempts()[0]
    assert (resumed["id"], resumed["state"]) == (parked["id"], "done")
    assert connected.published() != before
    assert connected.published_logs_in()


def test_an_idle_loop_ends_at_once(ready: object) -> None:
    with Running("--run-scheduler", "--concurrency", "2") as loop:
        assert fields(loop.hear("event=started"))["concurrency"] == "2"
        loop.signal(signal.SIGTERM)
        ran = loop.finish()
    assert ran.code == 0
    assert ran.out == ""


def test_a_creation_elsewhere_wakes_the_loop(connected: Ground) -> None:
    with Running("--run-scheduler") as loop:
        loop.hear("event=started")
        document = connected.create()
        make_due(document["id"])
        assert fields(loop.hear("step=publish"))["rotation"] == NAME
        assert fields(loop.hear("event=done"))["rotation"] == NAME
        loop.signal(signal.SIGTERM)
        assert loop.finish().code == 0


def test_a_store_that_does_not_open_is_told_in_one_message(ready: Any) -> None:
    (ready / "keyturn.key").unlink()
    ran = keyturn("--run-scheduler", "--once")
    assert ran.code == 1
    assert "key is missing" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("once", few([[], ["--once"]]), ids=["loop", "once"])
def test_nobody_reading_the_log_does_not_stop_the_work(connected: Ground, once: list[str]) -> None:
    document = connected.create()
    make_due(document["id"])
    with connected.locked(connected.users[1]) as unlock, Running("--run-scheduler", *once) as loop:
        loop.hear("step=guard")  # the next one waits for the lock
        assert loop.popen.stderr is not None
        loop.popen.stderr.close()
        unlock()
        if not once:
            until(lambda: attempts()[0]["state"] == "done")
            loop.signal(signal.SIGTERM)
        assert loop.popen.wait(60) == 0
    assert attempts()[0]["state"] == "done"
