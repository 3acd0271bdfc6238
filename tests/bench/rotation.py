"""One rotation by the engine against the least that changes a password and proves it: ALTER ROLE and one login."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from app.demo.server import PrivateServer
from app.service import Service, open_service
from app.settings import load_settings
from tests.bench.measure import Comparison, Sample, stopwatch

ROUNDS = 80
WARM_UP = 10
USERS = ("bare_1", "bare_2", "app_1", "app_2", "guarded_1", "guarded_2")
FLOOR = "ALTER ROLE, one login"


async def compare() -> list[Comparison]:
    """Journal, verify and publish included; store on disk, both databases wait for it; admin connections are kept."""
    result = Comparison("one rotation", FLOOR, budget=1.5)
    guarded = Comparison("... with the live-use guard", FLOOR, budget=None)
    with server(USERS) as postgres, tempfile.TemporaryDirectory(prefix="keyturn-bench-") as home:
        service = open_service(load_settings({"KEYTURN_HOME": home}), "bench")
        try:
            await connect(service, postgres)
            plain = await _by_the_engine(service, USERS[2:4], guard="off")
            looking = await _by_the_engine(service, USERS[4:6], guard="warn")

            async def ours() -> float:
                guarded.ours.append(await looking())
                return await plain()

            with postgres.connect() as admin:
                await result.run(_bare(admin, postgres), ours, rounds=ROUNDS, warm_up=WARM_UP)
        finally:
            await service.aclose()
    guarded.floor = result.floor
    del guarded.ours[:WARM_UP]
    return [result, guarded]


@contextmanager
def server(users: Iterable[str]) -> Iterator[PrivateServer]:
    """One that waits for its disk, with these users."""
    with PrivateServer(settings={"fsync": "on"}) as started:
        with started.connect() as admin:
            for user in users:
                admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(user)))
        yield started


def _bare(admin: psycopg.Connection[TupleRow], server: PrivateServer) -> Sample:
    users = cycle(USERS[:2])

    async def once() -> float:
        with stopwatch() as watch:
            user, password = next(users), secrets.token_urlsafe(36)
            verifier = admin.pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256").decode()
            change = sql.SQL("ALTER ROLE {} PASSWORD {}")
            admin.execute(change.format(sql.Identifier(user), sql.Literal(verifier)))
            server.connect(user=user, password=password).close()
        return watch.ms

    return once


async def connect(service: Service, server: PrivateServer) -> None:
    credentials = {
        "host": server.host,
        "port": server.port,
        "database": "postgres",
        "username": server.superuser,
        "password": server.password,
        "sslEnabled": False,
    }
    connection = {"name": "bench", "method": "username-and-password", "credentials": credentials}
    await service.connections.add("postgres", connection)


async def _by_the_engine(service: Service, users: tuple[str, ...], *, guard: str) -> Sample:
    rotation = (await service.creation.create("postgres-credentials", body(users, guard=guard))).rotation
    engine = service.context.engine

    async def once() -> float:
        with stopwatch() as watch:
            await engine.rotate(lambda tx: engine.claim_in(tx, rotation.id), "bench")
        return watch.ms

    return once


def body(users: tuple[str, ...], *, guard: str) -> dict[str, Any]:
    """Of a rotation of these two, by the connection that `connect` makes."""
    first, second = users
    return {
        "name": first.replace("_", "-"),
        "projectId": "default",
        "connectionId": "bench",
        "environment": "prod",
        "secretPath": "/",
        "rotationInterval": 30,
        "guard": {"policy": guard},
        "parameters": {"username1": first, "username2": second},
        "secretsMapping": {"username": f"{first}_NAME", "password": f"{first}_PASSWORD"},
    }
