"""Where a point of the drill takes place: a store and four users of its own, and the program."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from app.drill.application import Application, Spot
from app.drill.block import Block, blocked
from app.drill.child import PATIENCE, Program, Stuck
from app.drill.gate import TYPE, Access, gate
from app.drill.look import Look, look, open_at
from app.service import Service
from app.views import Place
from providers.postgres import PostgresTarget

NAME = "drill"
RENAMED = "drilled"
HERE, THERE = Place("default", "dev", "/"), Place("default", "prod", "/drilled")
MAPPING = {"username": "DRILL_USERNAME", "password": "DRILL_PASSWORD"}
NEW_MAPPING = {"username": "DRILLED_USERNAME", "password": "DRILLED_PASSWORD"}
INTERVAL = timedelta(days=1)
_POLL = 0.02
SPOTS = (Spot(HERE, MAPPING), Spot(HERE, NEW_MAPPING), Spot(THERE, MAPPING))


class Ground:
    """`template` is a home whose store holds the connection alone. Close it."""

    def __init__(
        self, template: Path, home: Path, *, access: Access, users: Sequence[str], argv: Sequence[str], pause: float
    ) -> None:
        shutil.copytree(template, home)
        self.home = home
        self.users, self.heirs = _parameters(*users[:2]), _parameters(*users[2:])
        self.program = Program(home, argv)
        self.service = open_at(home)
        self.gate = gate(access, self.users)
        self._access, self._pause = access, pause
        self._rotation_id = ""

    async def aclose(self) -> None:
        await self.gate.target.close()
        await self.service.aclose()

    def application(self, *, cached: bool) -> Application:
        return Application(self.home, self._access, self.users, SPOTS, cached=cached, pause=self._pause)

    async def look(self) -> Look:
        seen = await self.service.store.aread(lambda tx: look(tx, self._rotation_id))
        if seen.job is not None:
            self._rotation_id = seen.row.id
        return seen

    async def pause(self) -> None:
        await asyncio.sleep(_POLL)

    @contextlib.asynccontextmanager
    async def blocked(self, user: int) -> AsyncIterator[Block]:
        """The target does nothing to this user until the end."""
        assert isinstance(self.gate.target, PostgresTarget)
        names = [*self.users.values(), *self.heirs.values()]
        async with blocked(self.gate.target, names[user]) as block:
            yield block

    async def free(self) -> None:
        """Wait until no dead process' lease is in the way. Raises Stuck."""
        give_up_at = time.monotonic() + PATIENCE
        while (await self.look()).leased:
            if time.monotonic() > give_up_at:
                raise Stuck("a lease did not run out")
            await self.pause()

    def writable(self) -> bool:
        """Whether nobody is in the middle of writing to the store."""
        with contextlib.closing(sqlite3.connect(self.service.store.location, timeout=0.5)) as probe:
            try:
                probe.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
        return True

    async def create(self, *, hours_ago: int = 0) -> None:
        await self._past(hours_ago, lambda past: past.creation.create(TYPE, self.creation))

    async def hand_over(self, users: Mapping[str, str], *, hours_ago: int) -> None:
        """Edit the rotation over to other users."""
        await self._past(hours_ago, lambda past: past.edits.edit(NAME, {"parameters": users}))

    async def _past(self, hours: int, work: Callable[[Service], Awaitable[object]]) -> None:
        past = open_at(self.home, lambda: datetime.now(UTC) - timedelta(hours=hours))
        try:
            await work(past)
        finally:
            await past.aclose()

    @property
    def creation(self) -> dict[str, Any]:
        return {
            "name": NAME,
            "projectId": HERE.project,
            "connectionId": NAME,
            "environment": HERE.environment,
            "secretPath": HERE.path,
            "rotationInterval": INTERVAL.days,
            "parameters": self.users,
            "secretsMapping": MAPPING,
        }

    def file(self, body: Mapping[str, Any]) -> str:
        """The name of a file with this request body."""
        path = self.home / "body.json"
        path.write_text(json.dumps(body))
        return str(path)


async def make_template(home: Path, access: Access) -> None:
    """The store that grounds are copies of. Raises TargetError when the target cannot be reached."""
    service = open_at(home)
    try:
        body = {"name": NAME, "method": access.method, "credentials": dict(access.credentials)}
        await service.connections.add(access.app, body)
    finally:
        await service.aclose()


def _parameters(username1: str, username2: str) -> dict[str, str]:
    return {"username1": username1, "username2": username2}
