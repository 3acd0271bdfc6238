"""What every request goes through: it gets a number, is counted, logged without its query, and refused when we end."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from app.api import errors
from app.background.log_lines import tell

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Used = Callable[[Scope, int], Awaitable[None]]
"""Awaited once a request is answered, with its status, 0 where its client went away; raises nothing."""

_LENGTHS = {b"content-length", b"transfer-encoding"}


class Gate:
    """An ASGI application around another one. `closed`: what is new is refused."""

    def __init__(self, inner: App, used: Used) -> None:
        self.inner = inner
        self._used = used
        self.closed = False
        self._running: set[asyncio.Task[Any] | None] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    async def drain(self, seconds: float) -> bool:
        """Refuse what is new, and wait for what runs. Whether all of it ended in time."""
        self.closed = True
        try:
            # No task of its own for the wait: a second signal cancels all that there are.
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def park(self) -> None:
        """Break off what runs. What was begun at a target is journaled: the loop carries on from there."""
        for task in self._running:
            if task is not None:
                task.cancel()
        await self._idle.wait()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        _without_last_slash(scope)
        begun, status = time.monotonic(), 0
        request_id = new_request_id()
        scope.setdefault("state", {})["request_id"] = request_id

        async def noting(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            await send(message)

        task = asyncio.current_task()
        self._running.add(task)
        self._idle.clear()
        try:
            await self._app(scope)(scope, receive, noting)
        except Exception as error:  # a defect has its answer already, and stands in the log
            if status == 0:
                await errors.response(errors.answer_to(error), request_id)(scope, receive, noting)
        except asyncio.CancelledError:
            if status == 0:
                await _parked(scope, receive, noting, request_id)
        finally:
            try:
                await self._used(scope, status)
            finally:
                self._running.discard(task)
                if not self._running:
                    self._idle.set()
                _log(scope, status, (time.monotonic() - begun) * 1000, request_id)

    def _app(self, scope: Scope) -> App:
        """Raises NotServing, Ambiguous."""
        if self.closed:
            raise errors.NotServing("The server is about to end; try again later.")
        if {name for name, _ in scope["headers"]} >= _LENGTHS:
            raise errors.Ambiguous("The request gives both Content-Length and Transfer-Encoding.")
        return self.inner


def new_request_id() -> str:
    return f"req-{secrets.token_hex(8)}"


def _without_last_slash(scope: Scope) -> None:
    """Clients write one or not; no name that is asked for ends with one."""
    if len(scope["path"]) > 1 and scope["path"].endswith("/"):
        scope["path"] = scope["path"][:-1]


async def _parked(scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
    answer = errors.answer_to(
        errors.NotServing(
            "The server ended before this was done. What had begun is journaled, and carried on by the loop."
        )
    )
    await errors.response(answer, request_id)(scope, receive, send)


def _log(scope: Scope, status: int, ms: float, request_id: str) -> None:
    """The query is left out: it may say what is secret to somebody. A client that went away got status 0."""
    client = scope.get("client")
    tell(
        "request",
        level=logging.WARNING if status >= 500 else logging.INFO,
        method=scope["method"],
        path=scope["path"],
        status=status,
        ms=ms,
        who=scope.get("state", {}).get("caller", "-"),
        address=client[0] if client else "-",
        request=request_id,
    )
