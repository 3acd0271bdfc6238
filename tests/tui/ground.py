"""Rotations on a real server, the app on a real store, and waiting without sleeping blindly."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from textual.geometry import Region
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widget import Widget

from app.service import Service, open_service
from app.settings import Settings, load_settings
from app.tui import KeyturnApp
from app.views import RotationRow
from tests.conftest import Database

SIZES = [(80, 24), (120, 40)]
PATIENCE = 20.0


def settings_here() -> Settings:
    """As the environment says, on a terminal that knows Unicode."""
    return load_settings({**os.environ, "LANG": "C.UTF-8"})


@contextlib.asynccontextmanager
async def open_here(actor: str = "cli:anna") -> AsyncIterator[Service]:
    """The service as another process has it."""
    service = open_service(settings_here(), actor)
    try:
        yield service
    finally:
        await service.aclose()


async def connect(service: Service, pg: Database, name: str = "ops-admin") -> str:
    """A connection as the server's administrator; its id."""
    credentials = {
        "host": pg.host,
        "port": pg.port,
        "database": pg.database,
        "username": pg.admin_user,
        "password": pg.admin_password,
        "sslEnabled": False,
        "sslRejectUnauthorized": False,
    }
    body = {"name": name, "method": "username-and-password", "credentials": credentials}
    return (await service.connections.add("postgres", body)).connection.id


async def rotate_users(service: Service, pg: Database, connection: str, name: str, *, path: str = "/") -> str:
    """Two users and a rotation of them; its id."""
    stem = name.replace("-", "_")
    users = [pg.create_role(f"{stem}{number}", "temporary") for number in (1, 2)]
    body = {
        "name": name,
        "projectId": "default",
        "environment": "prod",
        "secretPath": path,
        "connectionId": connection,
        "parameters": {"username1": users[0], "username2": users[1]},
        "secretsMapping": {"username": f"{stem}_USER", "password": f"{stem}_PASSWORD"},
        "rotationInterval": 30,
        "rotateAtUtc": {"hours": 2, "minutes": 0},
        "isAutoRotationEnabled": True,
    }
    return (await service.creation.create("postgres-credentials", body)).rotation.id


async def set_up(pg: Database, *names: str) -> list[str]:
    """A store with a rotation of each name; their ids."""
    async with open_here() as service:
        connection = await connect(service, pg)
        return [await rotate_users(service, pg, connection, name) for name in names]


async def row_of(rotation_id: str) -> RotationRow:
    """What the store says about it, seen from outside."""
    async with open_here() as service:
        return next(row for row in (await service.rotations.snapshot()).rows if row.id == rotation_id)


async def until(condition: Callable[[], object], what: str | Callable[[], str]) -> None:
    """Wait until it holds; fail after PATIENCE seconds, saying what was waited for."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain for {what if isinstance(what, str) else what()}")
        await asyncio.sleep(0.03)


@dataclass(frozen=True)
class Walk:
    """A person in front of the app."""

    app: KeyturnApp
    pilot: Pilot[int]

    @property
    def screen(self) -> Screen[object]:
        return self.app.screen

    @property
    def text(self) -> str:
        """What is on the screen, line by line."""
        strips = self.screen._compositor.render_strips()
        return "\n".join(strip.text for strip in strips)

    def reads(self, text: str) -> bool:
        """Whether it can be read, be it across lines, those of a window included."""
        shown = self.text
        texts = [shown, *(_inside(shown, box.region) for box in self.screen.query(".dialog"))]
        return any(text in found or text in " ".join(found.split()) for found in texts)

    async def sees(self, *texts: str) -> None:
        """Wait until all of them can be read."""
        await until(
            lambda: all(map(self.reads, texts)),
            lambda: f"{[text for text in texts if not self.reads(text)]} in\n{self.text}",
        )

    async def sees_not(self, *texts: str) -> None:
        """Wait until none of them can be read."""
        await until(
            lambda: not any(map(self.reads, texts)),
            lambda: f"{[text for text in texts if self.reads(text)]} to go from\n{self.text}",
        )

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def reaches(self, screen: type[Screen[object]] | str) -> None:
        """Wait until that screen is on top."""
        name = screen if isinstance(screen, str) else screen.__name__
        await until(lambda: type(self.screen).__name__ == name, f"{name}, which is {type(self.screen).__name__}")
        await self.pilot.pause()

    def focused(self) -> Widget | None:
        return self.screen.focused


def _inside(shown: str, region: Region) -> str:
    lines = shown.splitlines()[region.y + 1 : region.bottom - 1]
    return "\n".join(line[region.x + 1 : region.right - 1] for line in lines)


@contextlib.asynccontextmanager
async def walking(
    size: tuple[int, int] = (80, 24), *, app: KeyturnApp | None = None, until_open: bool = True
) -> AsyncIterator[Walk]:
    """The app on the store of this test, until the store is open and shown."""
    app = app or KeyturnApp(settings_here(), first_start_notice=False)
    try:
        async with app.run_test(size=size, notifications=True) as pilot:
            if until_open:
                await until(lambda: app.desk is not None and app.desk.snapshot is not None, "the first snapshot")
                await pilot.pause()
            yield Walk(app, pilot)
    finally:
        await app.wind_down()
