"""A way to a stand-in that can hold a call up: before it arrives there, or with the answer in its hands.

It serves from a thread of its own, so that it outlives any one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import ClientSession, web
from yarl import URL

from app.demo.certificates import make_certificates

# Of one line alone (RFC 9110, 7.6.1), or worked out anew.
_OWN = {"connection", "content-length", "keep-alive", "transfer-encoding"}
_STARTS_WITHIN = 30

Namer = Callable[[str, Mapping[str, str], bytes], str]
"""What a request (path, headers by names in small letters, body) is called; empty for one that only reads."""


@dataclass
class Hold:
    """One call that is held up: the `call` that comes after `left` others of that name."""

    call: str
    answered: bool
    left: int
    caught: threading.Event = field(default_factory=threading.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def waited_for(self) -> bool:
        return self.caught.is_set()


class Relay:
    """`trusted` is a file of the authorities whom to believe at the stand-in, which then is reached over TLS."""

    def __init__(self, upstream: str, named: Namer, trusted: str = "") -> None:
        self.notes: Path | None = None
        """The file where the names of calls are written down, if any."""
        self.ca_file = ""
        self.url = ""
        self._upstream, self._named, self._trusted = upstream, named, trusted
        self._hold: Hold | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="keyturn-relay-")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._session: ClientSession | None = None
        self._runner: web.AppRunner | None = None

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(_STARTS_WITHIN)

    def stop(self) -> None:
        """May be called again."""
        if not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(_STARTS_WITHIN)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STARTS_WITHIN)
        self._loop.close()
        self._folder.cleanup()

    @contextlib.asynccontextmanager
    async def holding(self, call: str, *, answered: bool) -> AsyncIterator[Hold]:
        """Hold up one call (`DeleteAccessKey#2`: the second) until the block is left; nobody gets its answer then.

        `answered`: once the stand-in has carried it out. Otherwise that never hears of it.
        """
        name, _, count = call.partition("#")
        hold = self._hold = Hold(name, answered, int(count or 1))
        try:
            yield hold
        finally:
            self._hold = None
            self._loop.call_soon_threadsafe(hold.released.set)

    async def _serve(self) -> None:
        served = asked = None
        if self._trusted:
            made = make_certificates(Path(self._folder.name))
            served, asked = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
            served.load_cert_chain(made.leaf)
            asked.load_verify_locations(self._trusted)
            self.ca_file = str(made.ca)
        self._tls = asked
        self._session = ClientSession(auto_decompress=False)
        application = web.Application()
        application.router.add_route("*", "/{rest:.*}", self._pass_on)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=served)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"{'https' if self._trusted else 'http'}://127.0.0.1:{port}"

    async def _end(self) -> None:
        assert self._runner is not None
        assert self._session is not None
        await self._runner.cleanup()
        await self._session.close()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        name = self._named(request.path, headers, body)
        hold = self._caught(name) if name else None
        if hold and not hold.answered:
            return await self._kept(hold)
        answer = await self._ask(request, body)
        return await self._kept(hold) if hold else answer

    def _caught(self, name: str) -> Hold | None:
        if self.notes is not None:
            with self.notes.open("a") as notes:
                notes.write(f"{name}\n")
        hold = self._hold
        if hold is None or hold.call != name:
            return None
        hold.left -= 1
        return hold if hold.left == 0 else None

    async def _kept(self, hold: Hold) -> web.Response:
        hold.caught.set()
        await hold.released.wait()
        return web.Response(status=500)  # to somebody dead

    async def _ask(self, request: web.Request, body: bytes) -> web.Response:
        assert self._session is not None
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OWN}
        async with self._session.request(
            request.method,
            URL(f"{self._upstream}{request.raw_path}", encoded=True),
            headers=headers,
            data=body or None,
            ssl=self._tls or False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            allow_redirects=False,
        ) as answer:
            content = await answer.read()
            kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _OWN]
            return web.Response(status=answer.status, headers=dict(kept), body=content)
