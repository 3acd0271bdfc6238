"""A process of Keyturn on the model: the real service on a real SQLite file, which can die at any moment.

Its store runs in this thread, so that a schedule is the same whenever it is repeated. A fresh store is a copy of one
made before: creating its tables takes longer than a whole schedule.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import providers.registry
from app.service import Service, open_service
from app.settings import load_settings
from store.database import Tx
from tests.property.target import AFTER, BEFORE, Death, Troubles, die_here, entry_points_of_the_target
from tests.rotation.conftest import Clock

T = TypeVar("T")


@contextlib.contextmanager
def target_installed() -> Iterator[None]:
    with patch.object(providers.registry, "_registered", entry_points_of_the_target):
        yield


def memory() -> str | None:
    """A directory in memory where there is one: a schedule waits for the disk a hundred times."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@functools.cache
def _template() -> tempfile.TemporaryDirectory[str]:
    made = tempfile.TemporaryDirectory(prefix="keyturn-template-", dir=memory())
    service = open_service(load_settings({"KEYTURN_HOME": made.name}), "test")
    asyncio.run(service.aclose())
    return made


def fresh_home(path: Path) -> None:
    shutil.copytree(_template().name, path, dirs_exist_ok=True)


class Process:
    """`dead`: it was killed; what it still does comes to nothing. `cut_off`: what came of its last write is unclear."""

    def __init__(self, home: Path, clock: Clock, troubles: Troubles, seed: int) -> None:
        # A lease that no pause of this machine outlasts: it ends when a schedule says so.
        settings = load_settings({"KEYTURN_HOME": str(home), "KEYTURN_LEASE_SECONDS": "3600"})
        with patch("secrets.SystemRandom", functools.partial(random.Random, seed)):
            self.service: Service = open_service(settings, "test", clock=clock)
        self.dead = self.cut_off = False
        self._troubles = troubles
        store = self.service.store
        self._write, self._read = store.write, store.read
        store.awrite = self._awrite  # type: ignore[method-assign]
        store.aread = self._aread  # type: ignore[method-assign]

    @property
    def owner(self) -> str:
        return self.service.context.engine.owner

    async def run(self, work: Callable[[Service], Coroutine[Any, Any, T]]) -> T:
        """Raises Death when this process dies meanwhile."""
        die_here.set(self._die)
        return await work(self.service)

    async def close(self) -> None:
        await self.service.aclose()

    def _die(self) -> None:
        self.dead = True

    def _live(self) -> None:
        if self.dead:
            raise Death

    async def _awrite(self, fn: Callable[[Tx], T], *, durable: bool = True) -> T:
        await asyncio.sleep(0)
        self._live()
        self.cut_off = True
        self._troubles.at_write(BEFORE)
        result = self._write(fn, durable=durable)
        self._troubles.at_write(AFTER)
        self.cut_off = False
        return result

    async def _aread(self, fn: Callable[[Tx], T]) -> T:
        self._live()
        return self._read(fn)
