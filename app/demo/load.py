"""An application under load: clients that log in over and over with whatever Keyturn publishes.

Every other client fetches the secrets for each login; the rest cache them. What was cached before a rotation must
go on working until the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from app.demo.shop import Refused, Target
from app.demo.stage import Stage
from app.errors import KeyturnError, NotFound, explain
from app.views import Place, Status

if TYPE_CHECKING:
    from app.contract import SecretRotation
    from app.service import Service


@dataclass(frozen=True)
class Counts:
    """Logins to one target. `expired`: with a value cached for longer than it lives, the client's own fault."""

    ok: int
    failed: int
    expired: int

    def __str__(self) -> str:
        failed = f" {self.failed} failed" if self.failed else ""
        late = f" {self.expired} cached for too long" if self.expired else ""
        return f"{self.ok} ok{failed}{late}"


@dataclass(frozen=True)
class Tally:
    """Each target's, by its label; of a target that nobody has logged in to there is none."""

    of: Mapping[str, Counts]
    last_failure: str
    broken: int = 0
    """1 when the clients could not begin at all."""

    @property
    def ok(self) -> int:
        return sum(counts.ok for counts in self.of.values())

    @property
    def failed(self) -> int:
        return self.broken + sum(counts.failed for counts in self.of.values())

    @property
    def expired(self) -> int:
        return sum(counts.expired for counts in self.of.values())

    def __str__(self) -> str:
        each = ", ".join(f"{label} {counts}" for label, counts in self.of.items())
        return f"logins {each or '0 ok'}; {self.failed} failed"


@dataclass(frozen=True)
class _Client:
    """Every other one of a target caches."""

    number: int
    target: Target
    caches: bool


@dataclass(frozen=True)
class _Fetched:
    rotation_id: str
    values: Mapping[str, str] = field(repr=False)
    at: datetime
    turn: int
    monotonic: float = field(default_factory=time.monotonic)


class Clients:
    """As a context manager: they run in a thread of their own until it ends. Ask from any thread.

    `pause` is between two logins of one client in seconds, before its target's pace; `cache_seconds` how long the
    caching ones keep what they fetched.
    """

    def __init__(self, stage: Stage, *, pause: float = 0.25, cache_seconds: float = math.inf) -> None:
        self._stage = stage
        self._pause = pause
        self._cache_seconds = cache_seconds
        self._clients = [
            _Client(number, target, caches=number % 2 == 1)
            for target in stage.targets
            for number in range(target.clients)
        ]
        self._results: Counter[tuple[str, str]] = Counter()
        self._uses: Counter[_Client] = Counter()
        self._broken = 0
        self._last_failure = ""
        self._turn = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="demo-clients", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            if self._loop is not None and self._stop is not None:
                with contextlib.suppress(RuntimeError):  # it has ended already
                    self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def tally(self) -> Tally:
        with self._changed:
            return Tally(dict(self._counted()), self._last_failure, self._broken)

    def _counted(self) -> Iterator[tuple[str, Counts]]:
        for target in self._stage.targets:
            counts = Counts(*(self._results[target.label, result] for result in ("ok", "failed", "expired")))
            if counts != Counts(0, 0, 0):
                yield target.label, counts

    def drop_caches(self) -> None:
        """An interval begins: the caching clients fetch once more before their next login."""
        with self._changed:
            self._turn += 1

    async def all_try(self, times: int, target: Target | None = None, *, within: float = 60.0) -> None:
        """Wait until every client of the target (the first by default) has tried to log in that often.

        Raises KeyturnError when they don't.
        """
        wanted = target or self._stage.targets[0]
        with self._changed:
            goal = {client: self._uses[client] + times for client in self._clients if client.target is wanted}
        if not await asyncio.to_thread(self._wait, goal, within):
            raise KeyturnError(f"The clients did not log in within {within:g} s; {self.tally}.")

    def _wait(self, goal: Mapping[_Client, int], timeout: float) -> bool:
        def reached() -> bool:
            return all(self._uses[client] >= times for client, times in goal.items())

        with self._changed:
            return self._changed.wait_for(lambda: self._stopping or reached(), timeout) and reached()

    def _run(self) -> None:
        try:
            asyncio.run(self._work())
        except Exception as error:
            with self._changed:
                self._broken, self._last_failure = 1, f"the clients could not begin: {_told(error)}"
        finally:
            with self._changed:
                self._stopping = True
                self._changed.notify_all()

    async def _work(self) -> None:
        from app.service import open_service

        with self._changed:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            if self._stopping:
                return
        service = open_service(self._stage.settings, "demo-application")
        try:
            await asyncio.gather(*(self._use(service, client, self._stop) for client in self._clients))
        finally:
            await service.aclose()

    async def _use(self, service: Service, client: _Client, stop: asyncio.Event) -> None:
        """A login that has begun is always brought to its end, so that each is counted."""
        held: _Fetched | None = None
        while not stop.is_set():
            try:
                if held is None or not client.caches or self._must_fetch(held):
                    held = await self._fetch(service, client)
                if held is not None and not await self._log_in(service, client, held):
                    held = None
            except Exception as error:
                self._note(client, "failed", _told(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._pause * client.target.pace)

    def _must_fetch(self, held: _Fetched) -> bool:
        return held.turn != self._turn or time.monotonic() - held.monotonic > self._cache_seconds

    async def _fetch(self, service: Service, client: _Client) -> _Fetched | None:
        """What is published, from one of the target's rotations; None while there is none."""
        turn, now = self._turn, service.context.clock()
        rotations = [
            r for r in await service.rotations.documents() if r.type == client.target.type and r.last_rotated_at
        ]
        if not rotations:
            return None
        rotation = rotations[client.number % len(rotations)]
        values = await _values(service, rotation)
        return _Fetched(rotation.id, values, now, turn) if values is not None else None

    async def _log_in(self, service: Service, client: _Client, held: _Fetched) -> bool:
        """Whether the value is worth keeping."""
        try:
            await client.target.log_in(held.values, client.number)
        except Refused as refused:
            if await _expired(service, held):
                self._note(client, "expired")
                return False
            age = time.monotonic() - held.monotonic
            self._note(client, "failed", f"{client.target.label}, fetched {age:.1f} s before: {refused}")
        else:
            self._note(client, "ok")
        return True

    def _note(self, client: _Client, result: str, failure: str = "") -> None:
        with self._changed:
            self._results[client.target.label, result] += 1
            self._uses[client] += 1
            self._last_failure = failure or self._last_failure
            self._changed.notify_all()


async def _values(service: Service, rotation: SecretRotation) -> dict[str, str] | None:
    """By credential field; None when somebody has just moved or deleted the secrets."""
    place = Place(rotation.project_id, rotation.environment.slug, rotation.folder.path)
    try:
        values = await service.secrets.values(place)
    except NotFound:
        return None
    mapped = {field: values.get(name) for field, name in rotation.secrets_mapping.items()}
    return {field: value for field, value in mapped.items() if value is not None} if all(mapped.values()) else None


async def _expired(service: Service, held: _Fetched) -> bool:
    """Whether a value was used for longer than its promise: one interval more after it was replaced.

    Of two rotations that went on after it was fetched, the first replaced it, and the second changed its password.
    """
    try:
        rotation = await service.rotations.detail(held.rotation_id)
    except NotFound:
        return True  # deleted, and its credentials perhaps revoked
    if rotation.row.status is Status.DELETING:
        return True
    return sum(a.finished_at is None or a.finished_at > held.at for a in rotation.attempts) > 1


def _told(error: Exception) -> str:
    known = explain(error)
    return known.message if known else type(error).__name__
