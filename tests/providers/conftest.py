"""Targets on the private server, closed after the test, and the calls that an engine would make."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from app.demo.server import PrivateServer
from providers.base import CandidateRequest, Credential, Issue, Slot
from providers.postgres import METHOD, PostgresCredentials, PostgresTarget
from providers.postgres_credentials import PROVIDER, PostgresParameters
from providers.registry import connection_app
from tests.conftest import Database

Open = Callable[..., PostgresTarget]


@pytest.fixture
async def opened(pg: Database) -> AsyncIterator[Open]:
    """Open a target as the superuser; keyword arguments are credentials that differ (documented names)."""
    targets: list[PostgresTarget] = []

    def open_target(**different: Any) -> PostgresTarget:
        target = connection_app("postgres").open(METHOD, credentials(pg, **different))
        assert isinstance(target, PostgresTarget)
        targets.append(target)
        return target

    yield open_target
    for target in targets:
        await target.close()


@pytest.fixture
def target(opened: Open) -> PostgresTarget:
    """The superuser's."""
    return opened()


def credentials(pg: Database, **different: Any) -> PostgresCredentials:
    """The superuser's credentials with what is different."""
    return superuser_of(pg.server, **{"database": pg.database, **different})


def superuser_of(server: PrivateServer, **different: Any) -> PostgresCredentials:
    """A server's superuser, in the database postgres, with what is different."""
    documented = {
        "host": server.host,
        "port": server.port,
        "database": "postgres",
        "username": server.superuser,
        "password": server.password,
        "sslEnabled": False,
    }
    return PostgresCredentials.model_validate({**documented, **different})


def parameters(first: str, second: str = "nobody else", **more: Any) -> PostgresParameters:
    """Parameters of a rotation."""
    return PostgresParameters.model_validate({"username1": first, "username2": second, **more})


def candidate(given: PostgresParameters, slot: Slot = 0) -> Credential:
    """What the journal would hold; by default a password of which no server's message holds a part by chance.

    Such a message is withheld, and one in some ten thousand was.
    """
    request = CandidateRequest(slot, "attempt", datetime(2026, 11, 21, tzinfo=UTC), 30, secrets.choice)
    made = PROVIDER.candidate(given, request)
    while given.password_requirements is None and re.search("[a-z0-9]{4}", made.values["password"]):
        made = PROVIDER.candidate(given, request)
    return made


async def rotate(target: PostgresTarget, given: PostgresParameters, slot: Slot = 0) -> Credential:
    """Issue a new credential and verify it."""
    issued = await PROVIDER.issue(target, given, Issue(slot, candidate(given, slot)))
    await PROVIDER.verify(target, given, issued)
    return issued


async def until(condition: Callable[[], object]) -> None:
    """Return once the condition holds; nothing tells when that is."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)
