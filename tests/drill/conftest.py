"""Stages for the drill: this worker's targets, a part of each, and the template of a store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.demo.entra import Entra
from app.demo.iam import IamAccount
from app.drill.aws import aws_scratch
from app.drill.azure import azure_scratch
from app.drill.gate import Access
from app.drill.ground import make_template
from app.drill.play import Stage
from app.drill.postgres import postgres_scratch
from app.drill.scratch import Scratch
from tests.conftest import ServerPool

# The suite shares its cores: a breath between two logins, the deeper the more a login costs.
_PAUSE, _CLOUD_PAUSE = 0.02, 0.2


@pytest.fixture(scope="session")
def access(pg_servers: ServerPool) -> Access:
    server = pg_servers.get("18")
    return Access.to(server.host, server.port, server.superuser, server.password)


@pytest.fixture(scope="session")
def stage(access: Access, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    yield from _staged(postgres_scratch(access), tmp_path_factory.mktemp("drill"), _PAUSE)


@pytest.fixture(scope="session")
def aws_stage(aws_account: IamAccount, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    yield from _staged(aws_scratch(aws_account), tmp_path_factory.mktemp("drill"), _CLOUD_PAUSE)


@pytest.fixture(scope="session")
def azure_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Entra() as entra:
        yield from _staged(azure_scratch(entra), tmp_path_factory.mktemp("drill"), _CLOUD_PAUSE)


def _staged(scratch: Scratch, folder: Path, pause: float) -> Iterator[Stage]:
    asyncio.run(scratch.make())
    asyncio.run(make_template(folder / "template", scratch))
    yield Stage(folder / "template", folder, scratch, pause=pause)
    asyncio.run(scratch.remove())
