"""HTTP/1.1 as uvicorn speaks it, with bounds: how long a client may take to ask, and how many there may be."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import struct
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from app.api.errors import Answer, response
from app.api.gate import new_request_id
from app.background.log_lines import tell

HEADER_BYTES = 32 * 1024
PATIENCE = 10.0
"""Seconds from the beginning of a connection, or of a request, to the end of the request's header."""
UNREAD = 30.0
"""Seconds for the rest of a body that nobody waits for: the answer was given before."""
READING = 60.0
"""Seconds within which a client has to take some of its answer."""
MOST = 4096
"""Connections at once; those beyond are closed at once."""
TELL_EVERY = 60.0
"""Seconds between two lines about one crowd."""
_FULL = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_AT_ONCE = struct.pack("ii", 1, 0)
_BROKEN = Answer(400, "BadRequest", f"This is no HTTP, or its header has more than {HEADER_BYTES // 1024} KiB.")


def tell_of_crowds(loop: asyncio.AbstractEventLoop) -> None:
    """One line a minute where asyncio has a thousand a second: who crowds us must not fill the disk as well."""
    others, told = loop.get_exception_handler(), -TELL_EVERY

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal told
        error = context.get("exception")
        if "socket" not in context or not isinstance(error, OSError) or error.errno not in _FULL:
            others(loop, context) if others else loop.default_exception_handler(context)
        elif loop.time() - told >= TELL_EVERY:
            told = loop.time()
            tell("crowded", level=logging.ERROR, message=f"no connection can be taken: {error.strerror}")

    loop.set_exception_handler(handle)


class BoundedProtocol(H11Protocol):
    _hurry: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as the base has it
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=1, low=0)  # whatever the kernel does not take pauses us
        if len(self.connections) > MOST:
            transport.abort()
        else:
            self._begin()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._unread is not None and self.conn.their_state is not h11.SEND_BODY:
            self._unread.cancel()
            self._unread = None
        if self.conn.their_state is not h11.IDLE:
            self._end()
        elif self._hurry is None:
            self._begin()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            self._unread = self.loop.call_later(UNREAD, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        self._taken()
        if self._unread is not None:
            self._unread.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        self._taken()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """In the documented form, and told in the log, without a word of what came."""
        request_id = new_request_id()
        answer = response(_BROKEN, request_id)
        address = self.client[0] if self.client else "-"
        tell("request", method="-", path="-", status=400, ms=0.0, who="-", address=address, request=request_id)
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            for event in (
                h11.Response(
                    status_code=400,
                    reason=b"Bad Request",
                    headers=[*answer.raw_headers, (b"x-request-id", request_id.encode()), (b"connection", b"close")],
                ),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _begin(self) -> None:
        self._hurry = self.loop.call_later(PATIENCE, self.transport.abort)

    def _end(self) -> None:
        if self._hurry is not None:
            self._hurry.cancel()
            self._hurry = None

    def _wait_for_reader(self, before: int | None = None) -> None:
        """`before`: bytes that waited when we looked last. A client that has taken none of them since is cut off."""
        left = self.transport.get_write_buffer_size()
        if before is not None and left >= before:
            # What the kernel holds for it goes, too, instead of waiting on.
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            self.transport.abort()
        else:
            self._stalled = self.loop.call_later(READING, self._wait_for_reader, left)

    def _taken(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
