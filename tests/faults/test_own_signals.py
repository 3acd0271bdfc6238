"""SIGTERM, SIGINT and SIGHUP reach the real loop at each step of the journal.

The process suspends itself at a failpoint and the signal is sent while it is stopped: it takes effect exactly there.
SIGHUP reloads; the others end the loop.
"""

from __future__ import annotations

import os
import signal
from itertools import cycle
from typing import Any

import pytest

from tests.cli.ground import Ground, Running, done, make_due

NAME = "my-pg-rotation"
POINTS = [
    "plan.before",
    "plan.recorded",
    "guard.before",
    "guard.called",
    "guard.recorded",
    "issue.before",
    "issue.called",
    "issue.recorded",
    "verify.before",
    "verify.called",
    "publish.before",
    "publish.uncommitted",
    "publish.recorded",
]
TWICE = {"issue.called"}
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
EACH = [
    pytest.param(
        point,
        number,
        times,
        id=f"{number.name} {times}x at {point}",
        marks=[] if point in TWICE else pytest.mark.soak,
    )
    for (point, number) in zip(POINTS, cycle(SIGNALS), strict=False)
    for times in (1, 2)
    if times == 1 or point in TWICE
]


def stopped(loop: Running) -> bool:
    """Wait until it has suspended itself. False: it has ended without."""
    found = os.waitid(os.P_PID, loop.popen.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    return found is not None and found.si_code == os.CLD_STOPPED


def attempts() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = done("rotations", "history", NAME, "--json").json["attempts"]
    return found


@pytest.mark.parametrize(("point", "number", "times"), EACH)
def test_the_loop_ends_well_and_what_it_had_begun_comes_to_its_end_once(
    real: Ground, point: str, number: signal.Signals, times: int
) -> None:
    rotation = real.create()["id"]
    before, runs = real.published(), len(attempts())
    make_due(rotation)
    with Running("--run-scheduler", KEYTURN_FAILPOINT=f"{point}=stop") as loop:
        assert stopped(loop), loop.finish().said
        for _ in range(times):
            loop.signal(number)
        loop.signal(signal.SIGCONT)
        if number == signal.SIGHUP:
            loop.hear("event=reloaded")  # and what runs is none the wiser
            loop.signal(signal.SIGTERM)
        if times > 1:
            # The same signal, pending twice, arrives once: it is sent again when the first has been heard.
            loop.hear("event=stopping", f"signal={number.name}")
            loop.signal(number)
        ran = loop.finish()
    assert ran.code == 0, ran.said
    assert "Traceback" not in ran.said
    assert "event=stopped" in ran.err
    assert real.published_logs_in()
    if times == 1:
        assert attempts()[0]["state"] == "done"
        assert real.published() != before
    done("--run-scheduler", "--once")
    assert len(attempts()) == runs + 1
    assert attempts()[0]["state"] == "done"
    assert real.published() != before
    assert real.published_logs_in()
    assert done("rotations", "check", NAME).code == 0
