"""A hook that is a command: what it is given, what it may cost, what is kept of what it says."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.notify import command
from app.notify.answer import Answer
from app.service import Service
from tests.notify.ground import add_hook, deliver, outbox
from tests.rotation.conftest import Ground, published


def carried_out(words: str, *, secrets: tuple[str, ...] = (), time_out: float = 30.0) -> Answer:
    return command.send(words, {"KEYTURN_EVENT": "published"}, secrets, time_out=time_out, stopping=lambda: False)


def python(code: str) -> str:
    return shlex.join([sys.executable, "-I", "-c", code])


async def test_it_is_told_of_names_and_of_no_value(
    ground: Ground, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYTURN_KEY", "the key itself")
    seen = tmp_path / "seen"
    created = await ground.create(service)
    await add_hook(service, "published", command=f"sh -c 'env > {seen}; echo $0 >> {seen}' $HOME")
    await service.rotations.rotate("app")
    await deliver(service)
    told = dict(line.split("=", 1) for line in seen.read_text().splitlines() if "=" in line)
    (row,) = await outbox(service)
    expected = {
        "KEYTURN_EVENT": "published",
        "KEYTURN_EVENT_ID": row.event_id,
        "KEYTURN_ROTATION_ID": str(created.id),
        "KEYTURN_ROTATION": "app",
        "KEYTURN_TYPE": "model-passwords",
        "KEYTURN_PROJECT": "default",
        "KEYTURN_ENVIRONMENT": "dev",
        "KEYTURN_PATH": "/",
        "KEYTURN_SECRETS": "DB_PASSWORD,DB_USER",
        "KEYTURN_CHANGED": "DB_PASSWORD,DB_USER",
    }
    assert expected.items() <= told.items()
    assert "KEYTURN_KEY" not in told
    assert (await published(service))["password"] not in seen.read_text()
    assert seen.read_text().endswith("$HOME\n"), "a shell has read it"
    assert (row.state, row.answer) == ("done", "exit code 0")


async def test_a_value_that_it_prints_is_kept_nowhere(
    ground: Ground, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    await ground.create(service)
    password = (await published(service))["password"]
    await add_hook(service, "failed,guard,drift,published", command=f"sh -c 'echo it is {password}; exit 3'")
    await service.rotations.rotate("app")
    await deliver(service)
    (row,) = await outbox(service)
    assert (row.state, row.answer) == ("retrying", "exit code 3: it is •••")
    assert "it is •••" in caplog.text
    assert password not in caplog.text


def test_one_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    words = f"sh -c 'sleep 600 > {started} & sleep 600'"
    ended = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(command.send, words, {}, (), time_out=30, stopping=ended.is_set)
        with started.open("rb") as held:  # as soon as the one in the background has it open
            ended.set()
            assert held.read() == b"", "as long as it lives, this waits"
        assert answer.result() == Answer(False, "ended, because Keyturn was")


def test_one_that_takes_too_long_is_killed() -> None:
    assert carried_out("sleep 600", time_out=0.1) == Answer(False, "did not end within 0.1 s and was killed")


def test_of_a_flood_the_end_is_kept() -> None:
    answer = carried_out(python("print('x' * 3_000_000); print('the end')"))
    assert answer.ok
    assert answer.text.endswith("x the end")
    assert len(answer.text) < 1024


def test_what_is_left_in_the_background_holds_nothing_up() -> None:
    answer = carried_out("sh -c 'sleep 600 & echo started $!'")
    assert answer.ok
    os.kill(int(answer.text.split()[-1]), signal.SIGKILL)


def test_what_does_not_start_says_why() -> None:
    assert carried_out("/nowhere/at-all --now") == Answer(
        False, "/nowhere/at-all does not start: No such file or directory."
    )


def test_a_secret_that_was_cut_in_two_does_not_show() -> None:
    secret = "".join(f"s3cret{number:03}" for number in range(20))
    answer = carried_out(python(f"print({secret!r} * 50)"), secrets=(secret,))
    assert "s3cret" not in answer.text


async def test_one_that_hangs_holds_up_no_other(ground: Ground, service: Service, tmp_path: Path) -> None:
    await ground.create(service)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    await add_hook(service, "published", name="hangs", command=f"cat {fifo}")
    await add_hook(service, "published", name="works", command=f"sh -c 'echo go > {fifo}'")
    await service.rotations.rotate("app")
    await deliver(service)
    assert {(row.hook, row.state) for row in await outbox(service)} == {("hangs", "done"), ("works", "done")}
