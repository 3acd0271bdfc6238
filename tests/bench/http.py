"""The HTTP API as a process of its own: secrets beside a bare route of FastAPI, create and rotate beside the engine."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import IO, Any

from app.demo.server import PrivateServer
from app.operations.identities import RIGHTS, NewIdentity
from app.service import Service, open_service
from app.settings import load_settings
from tests.bench import rotation
from tests.bench.measure import CannotMeasure, Comparison, stopwatch

CONNECTIONS = 16
SECONDS, ROUNDS = 1.5, 7
CREATED = 12
ROTATED = 30
FLOOR = "a bare FastAPI route"
_WHERE = "workspaceId=default&environment=prod&secretPath=%2F"
_SDK = f"{_WHERE}&viewSecretValue=true&expandSecretReferences=true&recursive=false&include_imports=true"
_ROTATIONS = "/api/v2/secret-rotations/postgres-credentials"


@dataclass
class Door:
    """A server and who calls it."""

    port: int
    pid: int
    headers: Mapping[str, str] = field(default_factory=dict)

    def request(self, method: str, path: str, body: Any = None) -> bytes:
        content = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(content)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + content


async def compare() -> list[Comparison]:
    """Milliseconds a request where 16 connections ask as fast as they are answered, and the slowest hundredth.

    The bare route is sent the same headers and the same query, which it does not look at.
    """
    with rotation.server(_users()) as database, tempfile.TemporaryDirectory(prefix="keyturn-bench-") as home:
        service = open_service(load_settings({"KEYTURN_HOME": home}), "bench")
        try:
            headers = await _prepared(service, database)
            with _keyturn(home, headers) as ours, _uvicorn(headers) as bare:
                return [*await _reads(ours, bare), *await _writes(service, ours)]
        finally:
            await service.aclose()


async def _reads(ours: Door, bare: Door) -> list[Comparison]:
    found: list[Comparison] = []
    name = f"{_names(0)[0]}_PASSWORD"
    for what, path in (
        ("list of mapped secrets over HTTP", f"/api/v3/secrets/raw?{_SDK}"),
        ("one secret over HTTP", f"/api/v3/secrets/raw/{name}?{_SDK}"),
    ):
        every, slowest = Comparison(what, FLOOR, budget=2), Comparison("... its slowest hundredth", FLOOR, budget=None)
        worked = Comparison("... the server's processor time", FLOOR, budget=None)
        three = (every, slowest, worked)
        for number in range(-1, ROUNDS):
            pair = [(bare, f"/bare?{_SDK}", [c.floor for c in three]), (ours, path, [c.ours for c in three])]
            for door, asked, kept in pair if number % 2 else reversed(pair):
                before = _processor_seconds(door.pid)
                times, seconds = await _hammered(door, asked)
                spent = _processor_seconds(door.pid) - before
                if number >= 0:
                    slow = sorted(times)[int(len(times) * 0.99)]
                    for samples, taken in zip(kept, (seconds / len(times), slow, spent / len(times)), strict=True):
                        samples.append(1000 * taken)
        found += three
    return found


def _processor_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def _writes(service: Service, ours: Door) -> list[Comparison]:
    create = Comparison("create over HTTP", "by the engine", budget=None)
    numbers = count(1)

    async def by_http() -> float:
        body = _body(next(numbers))
        with stopwatch() as watch:
            await _once(ours, "POST", _ROTATIONS, body)
        return watch.ms

    async def by_engine() -> float:
        body = _body(next(numbers))
        with stopwatch() as watch:
            await service.creation.create("postgres-credentials", body)
        return watch.ms

    await create.run(by_engine, by_http, rounds=CREATED)
    rotate = Comparison("rotate over HTTP", "by the engine", budget=None)
    (rotation_id,) = [r.id for r in await service.rotations.documents() if r.name == _body(0)["name"]]

    async def rotated_by_http() -> float:
        with stopwatch() as watch:
            await _once(ours, "POST", f"{_ROTATIONS}/{rotation_id}/rotate-secrets")
        return watch.ms

    async def rotated_by_engine() -> float:
        with stopwatch() as watch:
            await service.rotations.rotate(rotation_id)
        return watch.ms

    await rotate.run(rotated_by_engine, rotated_by_http, rounds=ROTATED, warm_up=3)
    return [create, rotate]


async def _hammered(door: Door, path: str) -> tuple[list[float], float]:
    """Seconds of each request, and of all."""
    begun, times = time.perf_counter(), list[float]()
    end = begun + SECONDS
    await asyncio.gather(*(_asking(door, path, end, times) for _ in range(CONNECTIONS)))
    return times, time.perf_counter() - begun


async def _asking(door: Door, path: str, end: float, times: list[float]) -> None:
    request = door.request("GET", path)
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    while (asked := time.perf_counter()) < end:
        writer.write(request)
        await _answer(reader)
        times.append(time.perf_counter() - asked)
    writer.close()


async def _once(door: Door, method: str, path: str, body: Any = None) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(door.request(method, path, body))
    await _answer(reader)
    writer.close()


async def _answer(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    body = await reader.readexactly(int(length[1]) if length else 0)
    if not head.startswith(b"HTTP/1.1 200"):
        raise CannotMeasure(f"the server answered {head.partition(b' ')[2][:40]!r}: {body[:200]!r}")


async def _prepared(service: Service, database: PrivateServer) -> dict[str, str]:
    """A rotation, whose secrets are read; and the headers of an identity that may do everything."""
    await rotation.connect(service, database)
    await service.creation.create("postgres-credentials", _body(0))
    ci = await service.identities.create(NewIdentity("bench", "default", allowed=RIGHTS))
    granted = await service.logins.log_in(ci.identity.id, ci.client_secret, "bench")
    return {"Authorization": f"Bearer {granted.access_token}", "Accept": "application/json"}


def _names(number: int) -> tuple[str, str]:
    return f"http_{number}_1", f"http_{number}_2"


def _users() -> list[str]:
    return [name for number in range(2 * (CREATED + 1) + 1) for name in _names(number)]


def _body(number: int) -> dict[str, Any]:
    return rotation.body(_names(number), guard="off")


@contextmanager
def _keyturn(home: str, headers: Mapping[str, str]) -> Iterator[Door]:
    """`keyturn serve`; its log goes to a file, as in a service."""
    command = [sys.executable, "-m", "app", "serve", "--address", "127.0.0.1:0"]
    with _process(command, {"KEYTURN_HOME": home}, r"listening.*?address=\S*?:(\d+)") as (pid, port):
        yield Door(port, pid, headers)


@contextmanager
def _uvicorn(headers: Mapping[str, str]) -> Iterator[Door]:
    command = [sys.executable, "-m", "uvicorn", "tests.bench.bare:api", "--port", "0", "--no-use-colors"]
    with _process(command, {}, r"running on http://127\.0\.0\.1:(\d+)") as (pid, port):
        yield Door(port, pid, headers)


@contextmanager
def _process(command: list[str], environment: dict[str, str], ready: str) -> Iterator[tuple[int, int]]:
    """The id and the port of a server in a process of its own, once its log says the latter."""
    with tempfile.TemporaryFile("w+") as log:
        popen = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
        try:
            yield popen.pid, _port(command[2], popen, log, ready)
        finally:
            popen.send_signal(signal.SIGTERM)
            popen.wait(30)


def _port(name: str, popen: subprocess.Popen[bytes], log: IO[str], ready: str) -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and popen.poll() is None:
        said = Path(f"/proc/self/fd/{log.fileno()}").read_text()
        if found := re.search(ready, said):
            return int(found[1])
        time.sleep(0.05)
    raise CannotMeasure(f"{name} did not start")
