"""Where a point of the drill takes place: a store of its own, a part of the target, and the program."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from app.drill.application import Application, Spot
from app.drill.child import PATIENCE, Program, Stuck
from app.drill.gate import gate
from app.drill.look import Look, look, open_at
from app.drill.scratch import Held, Scratch
from app.service import Service
from app.views import Place

NAME = "drill"
RENAMED = "drilled"
HERE, THERE = Place("default", "dev", "/"), Place("default", "prod", "/drilled")
INTERVAL = timedelta(days=1)
_POLL = 0.02
_SLOTS = 2


class Ground:
    """`template` is a home whose store holds the connection alone. Close it."""

    def __init__(self, template: Path, home: Path, *, scratch: Scratch, argv: Sequence[str], pause: float) -> None:
        shutil.copytree(template, home)
        self.home, self.scratch = home, scratch
        self.users, self.heirs = dict(scratch.users), dict(scratch.heirs)
        self.mapping = {name: f"DRILL_{name.upper()}" for name in scratch.fields}
        self.new_mapping = {name: f"DRILLED_{name.upper()}" for name in scratch.fields}
        self.program = Program(home, argv)
        self.service = open_at(home)
        self.gate = gate(scratch.type, scratch.way_in, self.users)
        self._pause = pause
        self._rotation_id = ""

    async def aclose(self) -> None:
        await self.gate.target.close()
        await self.service.aclose()

    def application(self, *, cached: bool) -> Application:
        spots = (Spot(HERE, self.mapping), Spot(HERE, self.new_mapping), Spot(THERE, self.mapping))
        return Application(self.home, self.scratch, spots, cached=cached, pause=self._pause)

    async def look(self) -> Look:
        seen = await self.service.store.aread(lambda tx: look(tx, self._rotation_id))
        if seen.job is not None:
            self._rotation_id = seen.row.id
        return seen

    async def pause(self) -> None:
        await asyncio.sleep(_POLL)

    def who(self, credential: Mapping[str, str]) -> str:
        """For people."""
        return credential[self.scratch.fields[0]]

    def complete(self, credential: Mapping[str, str]) -> bool:
        """Whether one can log in with it: what stands in a journal may be a mere mark of one."""
        return all(name in credential for name in self.scratch.fields)

    def owner(self, parameters: Mapping[str, Any], slot: int) -> str:
        return self.gate.kind.identity(self.gate.kind.parameters.model_validate(parameters), slot)

    def held(self, seen: Look) -> list[Held]:
        """All that the journal knows to be at the target, when nothing is under way."""
        if seen.job is None:
            return []
        job = seen.job
        slots = [
            Held(self.owner(job.credential_parameters[slot], slot), c.values) for slot, c in job.credentials.items()
        ]
        former = [
            Held(self.owner(a.row.previous_parameters or a.row.parameters, a.row.slot), a.previous.values)
            for a in job.retiring
            if a.previous
        ]
        return [*slots, *former]

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
        """With both slots filled, as they are after some time."""

        async def work(past: Service) -> None:
            await past.creation.create(self.scratch.type, self.creation)
            for _ in range(_SLOTS - len(self.gate.kind.initial_slots)):
                await past.rotations.rotate(NAME)

        await self._past(hours_ago, work)

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
            "secretsMapping": self.mapping,
        }

    def file(self, body: Mapping[str, Any]) -> str:
        """The name of a file with this request body."""
        path = self.home / "body.json"
        path.write_text(json.dumps(body))
        return str(path)


async def make_template(home: Path, scratch: Scratch) -> None:
    """The store that grounds are copies of. Raises TargetError when the target cannot be reached."""
    service, access = open_at(home), scratch.access
    try:
        body = {"name": NAME, "method": access.method, "credentials": dict(access.credentials)}
        await service.connections.add(access.app, body)
    finally:
        await service.aclose()
