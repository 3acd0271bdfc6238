"""What tests of the HTTP API stand on: the application in this process, and identities that call it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString

import httpx

from app.api.application import make_application
from app.api.gate import Gate
from app.operations.identities import RIGHTS, Credited, NewIdentity
from app.service import Service, open_service
from app.settings import load_settings
from store import projects
from store.database import Tx
from store.tables import Environment, Folder, Project
from tests.cli.ground import Ground
from tests.conftest import Database

LOGIN = "/api/v1/auth/universal-auth/login"
ROTATIONS = "/api/v2/secret-rotations/postgres-credentials"
CONNECTIONS = "/api/v1/app-connections/postgres"
DEADLINE = 60.0
"""Seconds that anything may take on a busy machine."""
WAITING: LiteralString = (
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@dataclass(frozen=True)
class Api:
    """`caller`: sends a token with the rights that the test asked for; `stranger`: sends none."""

    gate: Gate
    service: Service
    stranger: httpx.AsyncClient

    async def identity(self, name: str, *allowed: str, **wanted: Any) -> Credited:
        new = NewIdentity(name=name, allowed=allowed or RIGHTS, **{"project": "default", **wanted})
        return await self.service.identities.create(new)

    async def token(self, credited: Credited) -> str:
        given = {"clientId": credited.identity.id, "clientSecret": credited.client_secret}
        answer = await self.stranger.post(LOGIN, json=given)
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["accessToken"]
        return token

    async def caller(self, name: str = "ci", *allowed: str, **wanted: Any) -> Caller:
        """A client that is logged in as a new identity, which has all rights unless some are named."""
        credited = await self.identity(name, *allowed, **wanted)
        return Caller(self.client({"Authorization": f"Bearer {await self.token(credited)}"}), credited)

    def client(self, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
        # Whatever the application lets through is a defect, and is raised here.
        transport = httpx.ASGITransport(app=self.gate, client=("127.0.0.1", 1))
        return httpx.AsyncClient(transport=transport, base_url="http://keyturn", headers=headers)


@dataclass(frozen=True)
class Caller:
    client: httpx.AsyncClient
    credited: Credited = field(repr=False)

    async def __call__(self, method: str, path: str, body: Any = None, /, *, expect: int = 200, **query: str) -> Any:
        """The JSON of the answer, whose status must be the expected one."""
        content: dict[str, Any] = {} if body is None else {"json": body}
        answer = await self.client.request(method, path, params=query or None, **content)
        assert answer.status_code == expect, answer.text
        assert answer.headers["content-type"] == "application/json"
        found = answer.json()
        if expect >= 400:
            assert_documented(answer)
        return found


def assert_documented(answer: httpx.Response) -> None:
    """The form of every error."""
    found = answer.json()
    assert {"reqId", "statusCode", "message", "error"} <= found.keys()
    assert found["reqId"] == answer.headers["x-request-id"]
    assert found["statusCode"] == answer.status_code
    assert found["message"]
    assert "Traceback" not in answer.text


async def create(who: Caller, ground: Ground, **changes: Any) -> dict[str, Any]:
    """Create the rotation of that ground, whose connection is there, and return its document."""
    answer = await who("POST", ROTATIONS, {**ground.rotation_body, **changes})
    document: dict[str, Any] = answer["secretRotation"]
    return document


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not await holds():
            await asyncio.sleep(0.01)


async def held_up(pg: Database) -> bool:
    """Whether somebody waits for a lock in that database."""
    return bool(await asyncio.to_thread(pg.execute, WAITING))


def add_project(tx: Tx) -> None:
    """The project "other", with one environment."""
    tx.session.add(Project(id="p2", slug="other", name="Other", created_at=projects.list_projects(tx)[0].created_at))
    tx.session.flush()
    tx.session.add(Environment(id="e2", project_id="p2", slug="dev", name="Development", position=0))
    tx.session.flush()
    tx.session.add(Folder(id="f2", environment_id="e2", path="/"))


@contextlib.asynccontextmanager
async def opened(clock: Callable[[], datetime] | None = None) -> AsyncIterator[Api]:
    """The API over the store of KEYTURN_HOME."""
    service = open_service(load_settings(os.environ), "test", clock=clock)
    gate = make_application(service)
    transport = httpx.ASGITransport(app=gate, client=("127.0.0.1", 1))
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://keyturn") as stranger:
            yield Api(gate, service, stranger)
    finally:
        await service.aclose()
