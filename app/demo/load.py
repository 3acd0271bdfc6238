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
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from app.demo.stage import DATABASE, TYPE, Stage
from app.errors import KeyturnError, NotFound, explain
from app.views import Place, Status

if TYPE_CHECKING:
    from app.contract import SecretRotation
    from app.service import Service

CLIENTS = 4


@dataclass(frozen=True)
class Tally:
    """`expired`: refused although cached for longer than a credential lives, which is the client's own fault."""

    ok: int
    failed: int
    expired: int
    last_failure: str

    def __str__(self) -> str:
        late = f", {self.expired} cached for too long" if self.expired else ""
        return f"logins {self.ok} ok, {self.failed} failed{late}"


@dataclass(frozen=True)
class _Fetched:
    rotation_id: str
    username: str
    password: str = field(repr=False)
    at: datetime
    turn: int
    monotonic: float = field(default_factory=time.monotonic)


class Clients:
    """As a context manager: they run in a thread of their own until it ends. Ask from any thread.

    `pause` is between two logins of one client, `cache_seconds` how long the caching ones keep what they fetched.
    """

    def __init__(self, stage: Stage, *, pause: float = 0.25, cache_seconds: float = math.inf) -> None:
        self._stage = stage
        self._pause = pause
        self._cache_seconds = cache_seconds
        self._results: Counter[str] = Counter()
        self._uses = [0] * CLIENTS
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
            counts = self._results
            return Tally(counts["ok"], counts["failed"], counts["expired"], self._last_failure)

    def drop_caches(self) -> None:
        """An interval begins: the caching clients fetch once more before their next login."""
        with self._changed:
            self._turn += 1

    async def all_try(self, times: int, *, within: float = 60.0) -> None:
        """Wait until every client has tried to log in that often. Raises KeyturnError when they don't."""
        with self._changed:
            goal = [uses + times for uses in self._uses]
        if not await asyncio.to_thread(self._wait, goal, within):
            raise KeyturnError(f"The clients did not log in within {within:g} s; {self.tally}.")

    def _wait(self, goal: list[int], timeout: float) -> bool:
        def reached() -> bool:
            return all(uses >= wanted for uses, wanted in zip(self._uses, goal, strict=True))

        with self._changed:
            return self._changed.wait_for(lambda: self._stopping or reached(), timeout) and reached()

    def _run(self) -> None:
        try:
            asyncio.run(self._work())
        except Exception as error:
            self._note(None, "failed", f"the clients could not begin: {_told(error)}")
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
            await asyncio.gather(*(self._client(service, number, self._stop) for number in range(CLIENTS)))
        finally:
            await service.aclose()

    async def _client(self, service: Service, number: int, stop: asyncio.Event) -> None:
        """A login that has begun is always brought to its end, so that each is counted."""
        caches = number % 2 == 1
        held: _Fetched | None = None
        while not stop.is_set():
            try:
                if held is None or not caches or self._must_fetch(held):
                    held = await self._fetch(service, number)
                if held is not None and not await self._log_in(service, number, held):
                    held = None
            except Exception as error:
                self._note(number, "failed", _told(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._pause)

    def _must_fetch(self, held: _Fetched) -> bool:
        return held.turn != self._turn or time.monotonic() - held.monotonic > self._cache_seconds

    async def _fetch(self, service: Service, number: int) -> _Fetched | None:
        """What is published, from one of the rotations there are; None while there is none."""
        turn, now = self._turn, service.context.clock()
        rotations = [r for r in await service.rotations.documents() if r.type == TYPE and r.last_rotated_at]
        if not rotations:
            return None
        rotation = rotations[number % len(rotations)]
        values = await _values(service, rotation)
        if values is None:
            return None
        return _Fetched(rotation.id, values["username"], values["password"], now, turn)

    async def _log_in(self, service: Service, number: int, held: _Fetched) -> bool:
        """Whether the value is worth keeping."""
        import psycopg

        try:
            await self._order(number, held)
        except psycopg.Error as error:
            if await _expired(service, held):
                self._note(number, "expired")
                return False
            age = time.monotonic() - held.monotonic
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            self._note(number, "failed", f"{held.username}, fetched {age:.1f} s before: {reason}")
        else:
            self._note(number, "ok")
        return True

    async def _order(self, number: int, held: _Fetched) -> None:
        """Log in and do a shop's work: read and write rows that the other user may have written."""
        import psycopg

        server = self._stage.server
        async with await psycopg.AsyncConnection.connect(
            host=server.host,
            port=server.port,
            dbname=DATABASE,
            user=held.username,
            password=held.password,
            application_name=f"shop-{number}",
            connect_timeout=10,
            sslmode="disable",
            gssencmode="disable",
        ) as connection:
            await connection.execute("UPDATE customers SET visits = visits + 1 WHERE id = %s", [number + 1])
            await connection.execute("INSERT INTO orders (customer_id, cents) VALUES (%s, 990)", [number + 1])

    def _note(self, number: int | None, result: str, failure: str = "") -> None:
        with self._changed:
            self._results[result] += 1
            self._last_failure = failure or self._last_failure
            if number is not None:
                self._uses[number] += 1
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
