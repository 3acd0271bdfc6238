"""How soon short commands answer, against an interpreter that does nothing.

Beside them in the same run: `aws --version` of the AWS CLI, from an environment of its own that `make bench` fills.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench.measure import CannotMeasure, Comparison, Sample, stopwatch

ROUNDS = 30
PEER_ROUNDS = 10
KEYTURN = Path(sys.executable).with_name("keyturn")
AWS = Path(__file__).parents[2] / ".tools" / "peers" / "awscli" / "bin" / "aws"
_FLOOR = "python -c pass"
_NAME = "BENCH_VALUE"
_LISTED = 12


async def compare(environ: dict[str, str]) -> list[Comparison]:
    environ = _home_with_a_secret(environ)
    nothing = _run([sys.executable, "-c", "pass"], environ)
    compared = []
    for words, budget in ((["--help"], 6), (["run", "--", "true"], 20), (["secrets", "get", _NAME], 20)):
        result = Comparison(" ".join(["keyturn", *words]), _FLOOR, budget=budget)
        await result.run(nothing, _run([str(KEYTURN), *words], environ), rounds=ROUNDS, warm_up=3)
        compared.append(result)
    if AWS.exists():
        result = Comparison("aws --version", _FLOOR, budget=None)
        await result.run(nothing, _run([str(AWS), "--version"], environ), rounds=PEER_ROUNDS, warm_up=2)
        compared.append(result)
    else:
        print("aws --version is left out: the AWS CLI is not installed in .tools/peers/awscli.", file=sys.stderr)
    return compared


def profile(environ: dict[str, str]) -> str:
    """Where the time of `keyturn run -- true` goes: the dearest imports, each without what it imports in turn."""
    environ = _home_with_a_secret(environ)
    command = [sys.executable, "-X", "importtime", "-m", "app", "run", "--", "true"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    dearest = sorted(_imports(done.stderr), reverse=True)[:_LISTED]
    lines = (f"  {microseconds / 1000:5.1f}  {module}" for microseconds, module in dearest)
    return "\n".join(["Where keyturn run -- true spends its time, in milliseconds for each import alone:", *lines])


def _imports(report: str) -> Iterator[tuple[int, str]]:
    for line in report.splitlines():
        own, _, module = line.removeprefix("import time:").partition("|")
        if own.strip().isdigit():
            yield int(own), module.partition("|")[2].strip()


def _home_with_a_secret(environ: dict[str, str]) -> dict[str, str]:
    """The same with a home of its own, whose store has something to read."""
    environ = {**environ, "KEYTURN_HOME": f"{environ['KEYTURN_HOME']}-with-a-secret"}
    if not Path(environ["KEYTURN_HOME"]).exists():
        publishing = [sys.executable, "-c", _PUBLISHING, _NAME]
        done = subprocess.run(publishing, env=environ, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CannotMeasure(f"no secret could be published: {done.stderr[-500:]}")
    return environ


_PUBLISHING = """
import os, sys
from datetime import UTC, datetime
from app.service import open_service
from app.settings import load_settings
from store import projects
from store.tables import Secret, SecretVersion

def publish(tx):
    project = projects.find_project(tx, "default")
    folder = projects.find_folder(tx, projects.find_environment(tx, project.id, "dev").id, "/")
    now = datetime.now(UTC)
    tx.session.add(Secret(id="s", folder_id=folder.id, name=sys.argv[1], version=1, created_at=now, updated_at=now))
    tx.session.flush()
    sealed = tx.seal("value", "secret_version", "v", "sealed_value")
    tx.session.add(SecretVersion(id="v", secret_id="s", version=1, sealed_value=sealed, created_at=now))

open_service(load_settings(os.environ), "bench").store.write(publish)
"""


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
