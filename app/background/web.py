"""`/metrics` and `/healthz` over HTTP, in threads of their own: nobody who asks slowly holds the loop up."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from app.background.metrics import MISSING, Metrics
from app.background.pulse import Pulse
from app.errors import KeyturnError
from app.settings.address import Address, is_loopback, parse_address
from app.settings.model import Declared

MOST = 8
"""Connections at once; others are closed at once."""
PATIENCE = 5.0
"""Seconds that one may take, from its first byte to its last."""
_TEXT = "text/plain; charset=utf-8"


class Unusable(KeyturnError):
    """The address cannot be listened at."""


class Taken(Unusable):
    """It cannot now, and perhaps later."""


@dataclass(frozen=True)
class Door:
    """Where it listens; `address` has the real port."""

    address: Address
    server: HTTPServer
    thread: threading.Thread

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def open_door(declared: Declared, pulse: Pulse, metrics: Metrics | None) -> Door:
    """Raises Unusable, Taken."""
    wanted = parse_address(declared.metrics_address)
    if not (declared.metrics_public or is_loopback(wanted.host)):
        raise Unusable(
            f"metrics_address {wanted} can be reached from other machines.",
            remedy="Use 127.0.0.1 or [::1]; or allow it with --metrics-public (metrics_public = true).",
        )
    try:
        server = _Server(wanted, pulse, metrics)
    except OSError as error:
        kind = Taken if error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL) else Unusable
        raise kind(
            f"Metrics cannot be served at {wanted}: {(error.strerror or str(error)).lower()}.",
            remedy="Another program may be there already; --metrics-address HOST:PORT names another one.",
        ) from None
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="keyturn-metrics", daemon=True)
    thread.start()
    return Door(Address(wanted.host, server.server_address[1]), server, thread)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, wanted: Address, pulse: Pulse, metrics: Metrics | None) -> None:
        """Raises OSError."""
        found = socket.getaddrinfo(wanted.host, wanted.port, type=socket.SOCK_STREAM)[0]
        self.address_family = found[0]
        self.pulse = pulse
        self.metrics = metrics
        self._room = threading.BoundedSemaphore(MOST)
        super().__init__((wanted.host, wanted.port), _Handler)

    def server_bind(self) -> None:
        """As the base does it, without asking a name server who we are."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "keyturn", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        hurry = threading.Timer(PATIENCE, _cut, (request,))
        hurry.daemon = True
        hurry.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            hurry.cancel()
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked went away; that is no matter for the log."""


def _cut(request: socket.socket) -> None:
    with contextlib.suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server_version, sys_version = "keyturn", ""
    server: _Server

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/healthz":
            self._healthz()
        elif path == "/metrics":
            self._metrics()
        else:
            self._answer(HTTPStatus.NOT_FOUND, "There are /metrics and /healthz.\n")

    do_HEAD = do_GET  # noqa: N815 - the base class looks methods up by these names

    def _healthz(self) -> None:
        illness = self.server.pulse.illness()
        status = HTTPStatus.SERVICE_UNAVAILABLE if illness else HTTPStatus.OK
        self._answer(status, f"{illness or 'ok'}\n")

    def _metrics(self) -> None:
        if self.server.metrics is None:
            self._answer(HTTPStatus.NOT_IMPLEMENTED, f"{MISSING}\n")
        else:
            body, kind = self.server.metrics.rendered(self.headers.get("Accept", ""))
            self._send(HTTPStatus.OK, body, kind)

    def _answer(self, status: HTTPStatus, text: str) -> None:
        self._send(status, text.encode(), _TEXT)

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Scrapes are no events."""
