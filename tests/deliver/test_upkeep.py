"""The loop's part: what one file does wrong holds nothing else up, and what could not be told is made up for."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
import sys
import time
from pathlib import Path

import pytest

from app.operations.target_upkeep import TargetUpkeep
from tests.cli.ground import Ground, Running, done, finished, keyturn, make_due, process, until, with_service
from tests.conftest import Database
from tests.deliver.ground import publish
from tests.deliver.test_targets import add, state
from tests.processes import Process
from tests.store.conftest import postgresql_url


@pytest.mark.soak
def test_a_command_that_hangs_holds_up_neither_rotations_nor_other_files(connected: Ground, tmp_path: Path) -> None:
    rotation = connected.create()
    publish({"A": "one"}, "/other")
    hanging, other, pid = tmp_path / "hanging", tmp_path / "other", tmp_path / "pid"
    gate = tmp_path / "gate"
    add("json", hanging, "--reload", f"test ! -e {gate} || {{ echo $$ > {pid}; exec sleep 300; }}", name="hanging")
    add("dotenv", other, "--path", "/other", name="other")
    gate.touch()
    with Running("--run-scheduler") as loop:
        loop.hear("started")
        make_due(rotation["id"])
        until(lambda: pid.exists() and pid.read_text() != "")
        publish({"A": "two"}, "/other")
        until(lambda: other.read_text() == "A=two\n")
        make_due(rotation["id"])
        loop.hear("event=done")
        loop.hear("event=done")
        loop.signal(signal.SIGTERM)  # the command goes with the loop
        assert loop.finish().code == 0
    assert state("hanging")[0] == "failed"
    assert "was ended with Keyturn" in state("hanging")[1]
    gate.unlink()
    assert process("--run-scheduler", "--once").code == 0
    assert state("hanging") == ("written", "")


@pytest.mark.soak
def test_a_folder_that_is_away_fails_until_it_is_back(ready: Path, tmp_path: Path) -> None:
    publish({"A": "one"})
    folder, away = tmp_path / "folder", tmp_path / "away"
    folder.mkdir()
    add("dotenv", folder / "file")
    folder.rename(away)
    assert process("--run-scheduler", "--once").code == 0
    assert state() == ("failed", f"There is no folder {folder}.")
    assert process("--run-scheduler", "--once").code == 0
    folder.mkdir()
    assert process("--run-scheduler", "--once").code == 0
    assert state() == ("written", "")
    told = [e for e in done("events", "--json").json["events"] if e["action"] == "render-target"]
    assert [e["result"] for e in reversed(told)] == ["success", "failed", "success"]
    assert (folder / "file").read_text() == "A=one\n"


def test_a_death_between_the_change_and_the_telling_is_made_up_for(ready: Path, tmp_path: Path) -> None:
    publish({"A": "one"})
    told = tmp_path / "told"
    add("dotenv", tmp_path / "file", "--reload", f"echo told >> {told}")
    publish({"A": "two"})
    # It dies as soon as the file has taken the other one's place.
    script = (
        "import os, sys\nrename = os.rename\n"
        "def die(*args, **more): rename(*args, **more); os._exit(9)\n"
        "os.rename = die\nfrom app.cli import main\nmain(['targets', 'render'])"
    )
    assert finished([sys.executable, "-c", script], begin=Process).code == 9
    assert (tmp_path / "file").read_text() == "A=two\n"
    assert told.read_text() == "told\n"
    done("targets", "render")
    assert told.read_text() == "told\ntold\n"
    done("targets", "render")
    assert told.read_text() == "told\ntold\n"


def look_once() -> None:
    """As a loop does that has just started."""
    with_service(lambda service: asyncio.run(TargetUpkeep(service.context).once()))


@pytest.mark.parametrize("at", ["while it is told", pytest.param("target.told", marks=pytest.mark.soak)])
def test_a_death_while_the_program_is_told_is_made_up_for_by_a_loop_that_runs_once(
    ready: Path, tmp_path: Path, at: str
) -> None:
    publish({"A": "one"})
    file, told, live = tmp_path / "file", tmp_path / "told", tmp_path / "live"
    kill = "" if at == "target.told" else f"test -e {live} || kill -KILL $PPID; "
    live.touch()
    add("dotenv", file, "--reload", f"{kill}cat {file} >> {told}")
    publish({"A": "two"})
    live.unlink()
    armed = {"KEYTURN_FAILPOINT": at} if at == "target.told" else {}
    assert process("targets", "render", **armed).code == -signal.SIGKILL
    live.touch()
    until(lambda: told.read_text() == "A=one\nA=two\n")  # the command itself goes on
    look_once()
    assert told.read_text() == "A=one\nA=two\n", "who wrote the file may still be telling"
    then = time.time() - 60
    os.utime(file, (then, then))  # as if a minute had passed
    for _ in range(2):
        look_once()
        assert told.read_text() == "A=one\nA=two\nA=two\n"
    assert state() == ("written", "")


@pytest.mark.parametrize("change", ["reload = 'touch evil'", "file = 'evil'", "id = 'other', reload = 'touch evil'"])
def test_a_target_that_another_program_wrote_is_not_carried_out(
    ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """Who can write to the database, and has no key, cannot make a loop write or run anything."""
    monkeypatch.chdir(tmp_path)
    publish({"A": "one"})
    add("dotenv", tmp_path / "file")
    with sqlite3.connect(ready / "keyturn.db") as connection:
        connection.execute(f"UPDATE target_file SET reload_due = 1, {change.replace('evil', str(tmp_path / 'evil'))}")
    connection.close()
    publish({"A": "two"})
    ran = keyturn("targets", "render")
    assert ran.code == 1
    assert "was changed by another program than Keyturn, and is not trusted" in ran.out
    assert process("--run-scheduler", "--once").code == 0
    assert state()[0] == "failed"
    assert (tmp_path / "file").read_text() == "A=one\n"
    assert not (tmp_path / "evil").exists()
    done("targets", "remove", "t")


def test_two_loops_write_and_tell_once(ready: Path, tmp_path: Path) -> None:
    publish({"A": "0"})
    file, told = tmp_path / "file", tmp_path / "told"
    add("dotenv", file, "--reload", f"cat {file} >> {told}")
    with Running("--run-scheduler") as one, Running("--run-scheduler") as two:
        one.hear("started")
        two.hear("started")
        for number in range(1, 4):
            publish({"A": str(number)})
            _until_in(told, f"A={number}\n")
        for loop in (one, two):
            loop.signal(signal.SIGTERM)
            assert loop.finish().code == 0
    assert told.read_text() == "A=0\nA=1\nA=2\nA=3\n"


def _until_in(file: Path, text: str) -> None:
    until(lambda: text in file.read_text())


@pytest.mark.soak
def test_a_target_of_another_machine_is_left_alone(
    home: Path, pg: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store in PostgreSQL, which programs read and watch by way of the service."""
    monkeypatch.setenv("KEYTURN_DATABASE_URL", postgresql_url(pg))
    publish({"A": "one"})
    file = tmp_path / "file"
    with monkeypatch.context() as there:
        there.setattr(socket, "gethostname", lambda: "elsewhere")
        add("dotenv", file)
    file.write_text("as elsewhere\n")
    assert process("--run-scheduler", "--once").code == 0
    assert file.read_text() == "as elsewhere\n"
    with Running("run", "--watch", "--", "sh", "-c", "echo given $A >&2; exec sleep 60") as running:
        running.hear("given one")
        publish({"A": "two"})
        running.hear("given two")
        running.signal(signal.SIGTERM)
        assert running.finish().code == 128 + signal.SIGTERM
