"""`keyturn events`: what was done, and what is being done."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import pytest

from app.cli import main
from store import events
from store.database import Tx
from tests.cli.ground import DEADLINE, ROOT, command, done, keyturn, with_service
from tests.processes import Process


def write(*subjects: str, action: str = "rotate", result: str = "success") -> None:
    """Events as another process writes them."""

    def act(tx: Tx) -> None:
        for subject in subjects:
            events.append(
                tx, at=datetime.now(UTC), actor="scheduler", action=action, result=result, subject=subject, message="m"
            )

    with_service(lambda service: service.store.write(act))


@contextmanager
def following(*words: str) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    process = Process(
        command("events", "--follow", *words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=os.environ.copy(),
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout
    finally:
        process.kill()
        process.communicate()


def test_words_narrow_it_down_in_whatever_field(ready: Path) -> None:
    write("billing", "orders")
    write("billing", action="check", result="failed")
    write("100%_done")
    found = [line[2:5] for line in done("events", "--filter", "BILL fail").lines]
    assert found == [["check", "failed", "billing"]]
    assert [line[4] for line in done("events", "--filter", "%_").lines] == ["100%_done"], "no pattern, but a text"
    assert [line[4] for line in done("events", "--limit", "2").lines] == ["100%_done", "billing"]
    assert keyturn("events", "--filter", "nothing of the kind").out == ""
    assert main(["events", "--follow", "--rotation", "nobody"]) == 3


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, None], ids=["ctrl+c", "SIGTERM", "closed pipe"])
def test_following_tells_the_last_ones_and_then_each_once(ready: Path, ending: signal.Signals | None) -> None:
    write(*(f"s{number}" for number in range(12)))
    with following("--json", "--filter", "rotate") as (process, out):
        before = [json.loads(out.readline())["subject"] for _ in range(10)]
        assert before == [f"s{number}" for number in range(2, 12)], "oldest first"
        write("unlike", action="check")
        write("new-1", "new-2")
        told = [json.loads(out.readline()) for _ in range(2)]
        assert [event["subject"] for event in told] == ["new-1", "new-2"]
        assert told[0]["id"] < told[1]["id"]
        if ending is None:
            out.close()
            process.stdout = None
        else:
            process.send_signal(ending)
        rest, said = process.communicate(timeout=DEADLINE)
        assert (process.returncode, rest or "", said) == (0, "", "")
