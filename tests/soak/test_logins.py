"""Clients of every rotation type, a loop that dies over and over, hundreds of rotations: no login fails."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest

from app.drill.stands import STANDS, Stand
from app.service import Service, open_service
from app.settings import load_settings
from providers.base import Guarded
from providers.registry import provider
from store import secrets
from store.database import Tx
from tests.cli.ground import process
from tests.conftest import Database, Figures
from tests.faults.crowd import Loop, assert_each_ran_once, at_rest, make_due, seen, until
from tests.soak.clients import Client
from tests.soak.crowds import Crowd, crowd_at, known, postgres_crowd
from tests.store.conftest import postgresql_url

pytestmark = pytest.mark.soak

CLIENTS, ROTATIONS = 16, 4
ROUNDS = 30
LOGINS = 10_000
CLOUD_CLIENTS, CLOUD_ROUNDS, CLOUD_LOGINS = 6, 20, 1_000
"""Each login and each process costs much more there."""
LEASE = {"KEYTURN_LEASE_SECONDS": "2"}
POINTS = (
    "claim.recorded",
    *(f"{step}.{when}" for step in ("plan", "issue", "publish") for when in ("before", "recorded")),
    *("verify.before", "issue.called", "verify.called"),
    "publish.uncommitted",
)
GUARDED, RETIRED = (
    tuple(f"{step}.{when}" for when in ("before", "called", "recorded")) for step in ("guard", "retire")
)
PATIENCE = 300.0
"""For a round on a machine that does much else."""


@pytest.fixture(params=["sqlite", "postgresql"])
def service(
    request: pytest.FixtureRequest, ready: Path, pg: Database, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Service]:
    """How the test looks at the store, which is on either database."""
    if request.param == "postgresql":
        monkeypatch.setenv("KEYTURN_DATABASE_URL", postgresql_url(pg))
    service = open_service(load_settings(os.environ), "test")
    yield service
    asyncio.run(service.aclose())


def points_of(crowd: Crowd) -> tuple[str, ...]:
    """Where a rotation of this type comes by; a loop that waits for another point would never die."""
    kind = provider(crowd.type)
    guarded = GUARDED if isinstance(kind, Guarded) else ()
    return (*POINTS, *guarded, *(RETIRED if kind.retires else ()))


class Mortal:
    """A loop that dies at a point of its work, or at any moment, and always has a successor."""

    def __init__(self, folder: Path, luck: random.Random, crowd: Crowd) -> None:
        self._folder, self._luck, self._points = folder, luck, points_of(crowd)
        self._latest = 3 * len(crowd.rotations)
        self._loops: list[Loop] = []
        self._start()

    @property
    def deaths(self) -> int:
        return len(self._loops) - 1

    def tend(self) -> None:
        loop = self._loops[-1]
        if self._lines is not None and loop.said.count("\n") >= self._lines:
            loop.popen.kill()
            loop.popen.wait()
        if loop.dead:
            assert loop.popen.returncode == -signal.SIGKILL, loop.said
            self._start()

    def _start(self) -> None:
        armed = self._luck.random() < 0.75
        self._lines = None if armed else self._luck.randint(1, 60)
        point = f"{self._luck.choice(self._points)}#{self._luck.randint(1, self._latest)}"
        environment = {**LEASE, **({"KEYTURN_FAILPOINT": point} if armed else {})}
        self._loops.append(Loop(self._folder / f"loop-{len(self._loops)}", **environment))

    def end(self) -> list[str]:
        """What they have said."""
        self._loops[-1].ends()
        return [loop.said for loop in self._loops]

    def kill(self) -> None:
        self._loops[-1].popen.kill()
        self._loops[-1].popen.wait()


@contextmanager
def running(clients: Sequence[Client]) -> Iterator[None]:
    for client in clients:
        client.start()
    try:
        yield
    finally:
        for client in clients:
            client.stop()


def publications(service: Service, rotation_id: str) -> int:
    """How often something was published; above what was asked for means twice."""

    def count(tx: Tx) -> int:
        return max(row.version for row in secrets.of_rotation(tx, rotation_id))

    return service.store.read(count)


def test_ten_thousand_logins_and_none_fails(service: Service, pg: Database, tmp_path: Path, figures: Figures) -> None:
    live_through(postgres_crowd(pg, ROTATIONS, CLIENTS), service, tmp_path, figures, rounds=ROUNDS, logins=LOGINS)


@pytest.mark.parametrize("service", ["sqlite"], indirect=True)
@pytest.mark.parametrize("stand", STANDS[1:], ids=lambda stand: stand.type)
def test_nor_does_a_login_with_keys(stand: Stand, service: Service, tmp_path: Path, figures: Figures) -> None:
    with stand.start(1) as (scratch,):
        asyncio.run(scratch.make())
        crowd = crowd_at(scratch, CLOUD_CLIENTS)
        live_through(crowd, service, tmp_path, figures, rounds=CLOUD_ROUNDS, logins=CLOUD_LOGINS)
        asyncio.run(scratch.remove())


def _all_came(loop: Mortal, service: Service, rotation_ids: Sequence[str], times: int) -> bool:
    loop.tend()
    return all(at_rest(service, it) and publications(service, it) >= times for it in rotation_ids)


def live_through(crowd: Crowd, service: Service, folder: Path, figures: Figures, *, rounds: int, logins: int) -> None:
    """Rotate, by the loop and by hand, while loops and commands die, until both numbers are reached."""
    luck, found, clients = random.Random(7), crowd.rotations, crowd.clients
    due: dict[str, list[datetime]] = {rotation_id: [] for rotation_id in found}
    with ExitStack() as stack:
        loop = Mortal(folder, luck, crowd)
        stack.callback(loop.kill)
        stack.enter_context(running(clients))
        for number in itertools.count(1):
            crowd.turn.number = number
            until(partial(_all_used, clients, number), "a client does not log in", within=PATIENCE)
            by_hand = luck.choice(found) if number % 4 == 0 else None
            if by_hand is not None:
                _rotate_by_hand(by_hand, luck)
            for rotation_id in found:
                if rotation_id != by_hand or not _came(service, loop, rotation_id, number):
                    due[rotation_id].append(make_due(service, rotation_id))
            until(
                partial(_all_came, loop, service, found, number + 1),
                "a rotation is not brought to its end",
                within=PATIENCE,
            )
            assert {publications(service, it) for it in found} == {number + 1}, "something was published twice"
            if number >= rounds and sum(client.logins for client in clients) >= logins:
                break
        assert all(client.alive for client in clients)
    said = loop.end()
    assert [failure for client in clients for failure in client.failures] == []
    stories = {rotation_id: seen(service, rotation_id) for rotation_id in found}
    with crowd.door() as logs_in:
        for rotation_id, story in stories.items():
            assert_each_ran_once(story)
            assert story.by_due_time == dict.fromkeys(due[rotation_id], 1)
            assert all(logs_in(credential.values) for credential in story.job.credentials.values())
            assert not any(value in text for text in said for value in story.values[crowd.fields[-1]])
    assert crowd.strays([held for story in stories.values() for held in known(story.job)]) == []
    assert not any("Traceback" in text for text in said)
    assert loop.deaths >= rounds // 4
    note = {
        "logins": sum(client.logins for client in clients),
        "failed_logins": sum(len(client.failures) for client in clients),
        "rotations_meanwhile": sum(publications(service, it) - 1 for it in found),
        "deaths_meanwhile": loop.deaths,
    }
    figures(**{f"{crowd.type}: {name}": number for name, number in note.items()})


def _all_used(clients: Sequence[Client], turn: int) -> bool:
    assert all(client.alive for client in clients), [client.failures for client in clients]
    return all(client.used >= turn for client in clients)


def _rotate_by_hand(rotation_id: str, luck: random.Random) -> None:
    """By a command that may die, too, or come so late that somebody else has taken over."""
    ran = process("rotations", "rotate", rotation_id, KEYTURN_FAILPOINT=luck.choice([*POINTS, "nowhere"]), **LEASE)
    too_late = any(text in ran.err for text in ("nothing was done", "somebody else took over", "successor carries on"))
    assert ran.code in (0, -signal.SIGKILL) or too_late, ran.said


def _came(service: Service, loop: Mortal, rotation_id: str, number: int) -> bool:
    """Whether a command that has ended or died led to a rotation, which then was finished by the loop."""

    def rests() -> bool:
        loop.tend()
        return at_rest(service, rotation_id)

    until(rests, "what died is not resumed", within=PATIENCE)
    return publications(service, rotation_id) == number + 1
