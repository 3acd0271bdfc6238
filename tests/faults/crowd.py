"""What takes part when many processes share one store: loops, people at terminals, scripts, and a look from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Self, cast

from sqlmodel import col, select

from app.errors import EXIT_BUSY
from app.service import Service
from store import events, jobs, rotations, secrets
from store.database import Tx
from store.jobs import Job
from store.tables import Attempt, Rotation, SecretVersion
from tests.cli.ground import DEADLINE, ROOT, Ran, command
from tests.cli.ground import process as fresh_process
from tests.processes import Process
from tests.tui.terminal import PATIENCE, Tty

POLL = 0.02
_MANY = 100_000


class Loop:
    """`keyturn --run-scheduler`. Its log goes to a file: a pipe that nobody reads would stop it. Killed at the end."""

    def __init__(self, log: Path, **environment: str) -> None:
        self._log = log
        with log.open("wb") as out:
            self.popen = Process(
                command("--run-scheduler"),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, **environment},
                cwd=ROOT,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.popen.kill()
        self.popen.wait()

    @property
    def said(self) -> str:
        return self._log.read_text()

    @property
    def dead(self) -> bool:
        return self.popen.poll() is not None

    def ends(self) -> int:
        """Ask it to, and wait for that."""
        self.popen.terminate()
        return self.popen.wait(DEADLINE)


@dataclass
class Lane:
    """Commands one after the other. `carry_out` is one process for all of them, or one for each."""

    carry_out: Callable[..., Ran]
    ran: list[Ran] = field(default_factory=list)

    def insist(self, *words: str, stdin: str = "") -> Ran:
        """Try again for as long as it is busy, as a script would."""
        give_up_at = time.monotonic() + DEADLINE
        while True:
            ran = self.carry_out(*words, stdin=stdin)
            self.ran.append(ran)
            if ran.code != EXIT_BUSY:
                assert ran.code == 0, ran.said
                return ran
            assert "nothing was done" in ran.err
            assert time.monotonic() < give_up_at, "always busy"


@contextmanager
def lane(*, fresh: bool) -> Iterator[Lane]:
    """`fresh`: a new process for each command."""
    if fresh:
        yield Lane(fresh_process)
        return
    popen = Process(
        [sys.executable, "-m", "tests.faults.lane"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    asked, answered = cast("IO[str]", popen.stdin), cast("IO[str]", popen.stdout)

    def carry_out(*words: str, stdin: str = "") -> Ran:
        asked.write(f"{json.dumps([words, stdin])}\n")
        asked.flush()
        code, out, err = json.loads(answered.readline())
        return Ran(code, out, err)

    with popen:
        try:
            yield Lane(carry_out)
            asked.close()
            assert popen.wait(DEADLINE) == 0
        finally:
            popen.kill()


def rotate_by_hand(tty: Tty, name: str, times: int) -> None:
    """A person at the dashboard who asks again until it was done so many times."""
    for _ in range(times):
        give_up_at, done = time.monotonic() + DEADLINE, False
        while not done:
            assert time.monotonic() < give_up_at, tty.text
            tty.press("r")
            tty.sees(f"Rotate {name} now?")
            tty.press("enter")
            tty.sees("Close")
            done = tty.shows("Done: the new credential")
            assert done or tty.shows("nothing was done"), tty.text
            tty.press("enter")
            tty.sees_not("Close")


@contextmanager
def watched(tty: Tty) -> Iterator[None]:
    """Nobody touches it; but what it writes is read, or it would wait for that."""
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            tty.read(POLL)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE)


@dataclass(frozen=True)
class Seen:
    """All of one rotation that can be seen in the store."""

    job: Job
    place: str
    attempts: list[Attempt]
    versions: dict[str, list[SecretVersion]] = field(repr=False)
    """By credential field, the oldest first."""
    values: dict[str, list[str]] = field(repr=False)
    edits: list[str]
    """What was changed, the newest first."""

    @property
    def runs(self) -> list[Attempt]:
        """Every attempt but those of the creation, the newest first."""
        return [attempt for attempt in self.attempts if attempt.trigger != "create"]

    @property
    def by_due_time(self) -> Counter[datetime]:
        return Counter(attempt.scheduled_for for attempt in self.runs if attempt.scheduled_for is not None)

    @property
    def current(self) -> dict[str, str]:
        return {name: values[-1] for name, values in self.values.items()}


def seen(service: Service, rotation_id: str) -> Seen:
    def look(tx: Tx) -> Seen:
        job = jobs.load(tx, rotation_id)
        mapped = {row.field or "": row for row in secrets.of_rotation(tx, rotation_id)}
        versions = {name: _versions(tx, row.id) for name, row in mapped.items()}
        values = {
            name: [tx.unseal(row.sealed_value, "secret_version", row.id, "sealed_value") for row in rows]
            for name, rows in versions.items()
        }
        written = events.recent(tx, _MANY, rotation_id=rotation_id)
        return Seen(
            job=job,
            place=job.rotation.folder_id,
            attempts=rotations.attempts(tx, rotation_id, _MANY),
            versions=versions,
            values=values,
            edits=[e.message for e in written if (e.action, e.result) == ("update-secret-rotation", "success")],
        )

    return service.store.read(look)


def _versions(tx: Tx, secret_id: str) -> list[SecretVersion]:
    query = select(SecretVersion).where(SecretVersion.secret_id == secret_id).order_by(col(SecretVersion.version))
    return list(tx.session.exec(query))


def assert_each_ran_once(found: Seen) -> None:
    """Every attempt came to its end, and published once: a version of each secret, in order, none lost, none twice."""
    assert {attempt.state for attempt in found.attempts} <= {"done", "retiring"}
    assert not found.job.open
    assert free(found.job.rotation)
    assert found.job.rotation.failures == 0
    published = [attempt.id for attempt in found.runs]
    for name, versions in found.versions.items():
        if published and len(set(found.values[name])) == 1:
            continue  # a client id: it stays the same, and what stays gets no new version
        assert [row.version for row in versions] == list(range(1, len(published) + 2))
        assert [row.attempt_id for row in versions[1:]] == published[::-1]
    assert max(len(set(values)) for values in found.values.values()) == len(published) + 1
    active = found.job.credentials[found.job.rotation.active_index].values
    assert found.current == {name: active[name] for name in found.current}


def until(holds: Callable[[], bool], otherwise: str, *, within: float = DEADLINE) -> None:
    """Wait for what other processes do."""
    give_up_at = time.monotonic() + within
    while not holds():
        assert time.monotonic() < give_up_at, otherwise
        time.sleep(POLL)


def free(row: Rotation) -> bool:
    """Whether nobody works on it. The dead keep their lease until it has run out."""
    return row.lease_until < time.time()


def at_rest(service: Service, rotation_id: str) -> bool:
    """Whether nobody works on it, and nothing is left to be done."""

    def look(tx: Tx) -> bool:
        row = rotations.get(tx, rotation_id)
        assert row is not None
        return free(row) and (row.due_at is None or row.due_at > datetime.now(UTC))

    return service.store.read(look)


def make_due(service: Service, rotation_id: str) -> datetime:
    """As if its time had come an hour ago; while nobody works on it, who would set the time anew. When that was."""
    due: list[datetime] = []

    def change(tx: Tx) -> bool:
        now = datetime.now(UTC)
        row = rotations.get(tx, rotation_id, lock=True)
        assert row is not None
        if not free(row) or (row.due_at is not None and row.due_at <= now):
            return False
        due[:] = [now - timedelta(hours=1)]
        row.next_rotation_at = row.due_at = due[0]
        row.updated_at = now
        return True

    until(lambda: service.store.write(change), "somebody works on it all the time")
    return due[0]
