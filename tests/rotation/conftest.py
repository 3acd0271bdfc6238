"""A service on a store of its own, a world to rotate in, and a clock that stands still until told."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import providers.registry
from app.contract import SecretRotation
from app.service import Service, open_service
from app.settings import load_settings
from app.views import Place, Status
from tests.rotation.model import WORLDS, World, entry_points_of_the_model

PLACE = Place("default", "dev", "/")


@dataclass
class Clock:
    now: datetime = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Never the same moment twice, so that what came later sorts later."""
        self.now += timedelta(microseconds=1)
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _model_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers.registry, "_registered", entry_points_of_the_model)


@pytest.fixture
def world() -> Iterator[World]:
    name = secrets.token_hex(4)
    WORLDS[name] = world = World()
    yield world
    del WORLDS[name]


@dataclass
class Ground:
    """`start` opens a further process' view of the same store."""

    home: Path
    clock: Clock
    world: World
    services: list[Service] = field(default_factory=list)

    def start(self, **environ: str) -> Service:
        settings = load_settings({"KEYTURN_HOME": str(self.home), **environ})
        service = open_service(settings, "test", clock=self.clock)
        self.services.append(service)
        return service

    async def connect(self, service: Service) -> None:
        name = next(name for name, world in WORLDS.items() if world is self.world)
        body = {"name": "model", "method": "token", "credentials": {"world": name, "token": "admin-token-1"}}
        await service.connections.add("model", body)

    async def create(self, service: Service, type_name: str = "model-passwords", **changes: Any) -> SecretRotation:
        return (await service.creation.create(type_name, body(**changes))).rotation


def body(**changes: Any) -> dict[str, Any]:
    usual = {
        "name": "app",
        "projectId": "default",
        "connectionId": "model",
        "environment": "dev",
        "secretPath": "/",
        "rotationInterval": 30,
        "rotateAtUtc": {"hours": 12, "minutes": 0},
        "parameters": {"username1": "app_1", "username2": "app_2"},
        "secretsMapping": {"username": "DB_USER", "password": "DB_PASSWORD"},
    }
    return {**usual, **changes}


@pytest.fixture
async def ground(tmp_path: Path, clock: Clock, world: World) -> AsyncIterator[Ground]:
    made = Ground(tmp_path / "home", clock, world)
    yield made
    for service in made.services:
        await service.aclose()


@pytest.fixture
async def service(ground: Ground) -> Service:
    """With the connection `model` in place."""
    opened = ground.start()
    await ground.connect(opened)
    return opened


async def published(service: Service) -> dict[str, str]:
    """What applications read now, under the credential's field names."""
    values = await service.secrets.values(PLACE)
    return {"username": values["DB_USER"], "password": values["DB_PASSWORD"]}


LATER = datetime(2026, 4, 1, 12, 0, tzinfo=UTC)
"""When a rotation of 30 days that was made at the clock's start is due."""


async def run_loop_once(service: Service) -> int:
    return await service.scheduler().run_once()


async def status(service: Service) -> Status:
    return (await service.rotations.detail("app")).row.status


async def credentials(service: Service) -> list[dict[str, str]]:
    return (await service.rotations.credentials("app")).generated_credentials
