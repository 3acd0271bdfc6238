"""HTTP/1.1 as uvicorn speaks it, with bounds: how long a client may take to ask, and how many there may be."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from app.api.errors import Answer, response
from app.api.gate import new_request_id
from app.background.log_lines import tell

HEADER_BYTES = 32 * 1024
PATIENCE = 10.0
"""Seconds from the beginning of a connection, or of a request, to the end of the request's header."""
MOST = 4096
"""Connections at once; those beyond are closed at once."""
_BROKEN = Answer(400, "BadRequest", f"This is no HTTP, or its header has more than {HEADER_BYTES // 1024} KiB.")


class BoundedProtocol(H11Protocol):
    _hurry: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as the base has it
        super().connection_made(transport)
        if len(self.connections) > MOST:
            transport.abort()
        else:
            self._begin()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._end()
        elif self._hurry is None:
            self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        super().connection_lost(exc)

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
