"""An application that reads what is published and logs in with it, over and over, while others die."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.drill.child import PATIENCE, Stuck
from app.drill.gate import Gate, gate
from app.drill.look import open_at
from app.drill.scratch import Scratch
from app.errors import NotFound, explain
from app.service import Service
from app.views import Place

_POLL = 0.005
_SHOWN = 3


@dataclass(frozen=True)
class Spot:
    """Where the values may be: a place, and the names of the secrets by credential field."""

    place: Place
    names: Mapping[str, str]


@dataclass
class Tally:
    logins: int = 0
    cached: int = 0
    """Logins with the value that was published before, as an application that reads rarely has it."""
    failed: int = 0
    complaints: list[str] = field(default_factory=list)

    def complain(self, text: str) -> None:
        self.failed += 1
        if len(self.complaints) < _SHOWN:
            self.complaints.append(text)


class Application:
    """Runs in a thread of its own, with a view of the store and a way to the target of its own.

    Nothing being published yet is no failure; but what was published once must be there for good. The spots are
    looked at in their order: what moves, moves from an earlier one to a later one.
    """

    def __init__(
        self,
        home: Path,
        scratch: Scratch,
        spots: Sequence[Spot],
        *,
        cached: bool,
        pause: float = 0.0,
    ) -> None:
        self.tally = Tally()
        self._home, self._scratch = home, scratch
        self._spots, self._cached, self._pause = spots, cached, pause
        self._rounds = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    async def rounds(self, count: int) -> None:
        """Wait until it has logged in so many times more. Raises Stuck."""
        goal, give_up_at = self._rounds + count + 1, time.monotonic() + PATIENCE
        while self._rounds < goal:
            if not self._thread.is_alive():
                raise Stuck("the application is gone")
            if time.monotonic() > give_up_at:
                raise Stuck(f"the application made no login within {PATIENCE:.0f} s")
            await asyncio.sleep(_POLL)

    async def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except Exception as error:  # what ends the watching must not look like silence
            self.tally.complain(f"the application stopped: {_words(error)}")

    async def _live(self) -> None:
        service, way = open_at(self._home), gate(self._scratch.type, self._scratch.way_in, self._scratch.users)
        try:
            await self._use(service, way)
        finally:
            await way.target.close()
            await service.aclose()

    async def _use(self, service: Service, way: Gate) -> None:
        current: Mapping[str, str] | None = None
        previous: Mapping[str, str] | None = None
        while not self._stop.is_set():
            found = await self._read(service)
            if found is None:
                if current is not None:
                    self.tally.complain("the published secrets were gone")
                await asyncio.sleep(_POLL)
                continue
            if found != current:
                previous, current = current, found
            self.tally.logins += 1
            await self._log_in(way, current, "the published")
            if previous is not None and self._cached:
                self.tally.cached += 1
                await self._log_in(way, previous, "the previously published")
            self._rounds += 1
            await asyncio.sleep(self._pause)

    async def _read(self, service: Service) -> Mapping[str, str] | None:
        for spot in self._spots:
            with contextlib.suppress(NotFound):
                values = await service.secrets.values(spot.place)
                if all(name in values for name in spot.names.values()):
                    return {field: values[name] for field, name in spot.names.items()}
        return None

    async def _log_in(self, way: Gate, credential: Mapping[str, str], which: str) -> None:
        try:
            if not await way.opens(credential):
                self.tally.complain(f"{which} credential of {self._who(credential)} was refused")
        except Exception as error:
            self.tally.complain(f"no login as {self._who(credential)}: {_words(error)}")

    def _who(self, credential: Mapping[str, str]) -> str:
        return credential[self._scratch.fields[0]]


def _words(error: Exception) -> str:
    known = explain(error)
    return known.message if known else type(error).__name__
