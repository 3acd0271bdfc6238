"""A stage for the drill on this worker's server: four users and the template of a store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.drill.gate import Access
from app.drill.ground import make_template
from app.drill.play import Stage
from app.drill.scratch import Scratch, scratch
from providers.postgres import PostgresTarget
from tests.conftest import ServerPool


@pytest.fixture(scope="session")
def access(pg_servers: ServerPool) -> Access:
    server = pg_servers.get("18")
    return Access.to(server.host, server.port, server.superuser, server.password)


@pytest.fixture(scope="session")
def stage(access: Access, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("drill")
    users = asyncio.run(_made(access, folder / "template"))
    # The suite shares its cores: a short breath between two logins. `make drill` takes none.
    yield Stage(folder / "template", folder, access, users.users, pause=0.02)
    asyncio.run(_removed(access, users))


async def _made(access: Access, template: Path) -> Scratch:
    users = scratch(_target(access))
    await make_template(template, access)
    await users.make()
    await users.target.close()
    return users


async def _removed(access: Access, users: Scratch) -> None:
    users.target = _target(access)
    await users.remove()
    await users.target.close()


def _target(access: Access) -> PostgresTarget:
    target = access.open()
    assert isinstance(target, PostgresTarget)
    return target
