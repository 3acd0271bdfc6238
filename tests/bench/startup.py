"""How soon `keyturn --help` answers, against an interpreter that does nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.bench.measure import CannotMeasure, Comparison, Sample, stopwatch

ROUNDS = 30
KEYTURN = Path(sys.executable).with_name("keyturn")


async def compare(environ: dict[str, str]) -> list[Comparison]:
    result = Comparison("keyturn --help", "python -c pass", budget=6)
    ours = _run([str(KEYTURN), "--help"], environ)
    await result.run(_run([sys.executable, "-c", "pass"], environ), ours, rounds=ROUNDS, warm_up=3)
    return [result]


def environment(home: Path) -> dict[str, str]:
    """What a measured process sees: a home of its own, and no word against bytecode."""
    kept = ("PATH", "LANG", "LC_ALL", "TZ")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "HOME": str(home),
        "KEYTURN_HOME": str(home / "keyturn"),
    }


def _run(command: list[str], environ: dict[str, str]) -> Sample:
    async def once() -> float:
        return _time(command, environ)

    return once


def _time(command: list[str], environ: dict[str, str]) -> float:
    with stopwatch() as watch:
        done = subprocess.run(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise CannotMeasure(f"{' '.join(command)} exits {done.returncode}: {done.stderr.decode()[-500:]}")
    return watch.ms
