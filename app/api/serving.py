"""Running the HTTP API: where it listens, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn

from app import __version__, logs
from app.api import protocol
from app.api.application import make_application
from app.background import session
from app.background.log_lines import tell
from app.background.notify import Notify, notifier, reloading, watchdog_seconds
from app.background.signals import Stopping
from app.errors import KeyturnError, UsageError
from app.operations.identities import ACTOR
from app.service import Service, open_service
from app.settings import Settings
from app.settings.address import Address, is_loopback, parse_address
from app.settings.model import Declared

LOOK_EVERY = 30.0
"""Seconds between two looks whether the certificate was renewed."""
_IDLE = 15
"""Seconds that a connection may wait for its next request."""
_WAITING = 1024
"""Connections that wait to be accepted."""
_LAST_WORDS = 5
"""Seconds for answers to reach those who asked, once all are given."""
_OPENS_NOTHING = " "
"""The password given for a key: without one OpenSSL asks on the terminal, and waits. uvicorn takes "" for none."""


@dataclass(frozen=True)
class Binding:
    """Where to listen. `certificate` and `key` are files, both or none."""

    address: Address
    certificate: str | None = None
    key: str | None = None


def binding(
    address: str, certificate: str | None, key: str | None, *, public: bool = False, without_tls: bool = False
) -> Binding:
    """Raises UsageError for an address that must be asked for more plainly."""
    try:
        wanted = parse_address(address)
    except ValueError as error:
        raise UsageError(f"--address {address!r}: {error}.", remedy="Such as: --address 127.0.0.1:8420") from None
    if (certificate is None) != (key is None):
        raise UsageError("--tls-cert and --tls-key go together.")
    if not is_loopback(wanted.host) and not public:
        raise UsageError(f"Other machines can reach {wanted}.", remedy="If they are to, add --public.")
    if not is_loopback(wanted.host) and certificate is None and not without_tls:
        raise UsageError(
            f"Other machines can reach {wanted}, and without TLS whoever is in between reads tokens and secrets.",
            remedy="Add --tls-cert and --tls-key; or --without-tls, where a proxy in front encrypts.",
        )
    return Binding(wanted, certificate, key)


async def until_stopped(settings: Settings, declared: Declared, where: Binding) -> int:
    """Answer until a signal ends it; the exit code. Raises StoreError, KeyturnError for an unusable address."""
    notify = notifier(os.environ) or (lambda *_: None)
    stopping = Stopping(lambda: notify("STOPPING=1"))
    stopping.listen(lambda: _reload(notify))
    alive = asyncio.create_task(_tell_alive(notify))
    service = open_service(settings, ACTOR)
    try:
        if notice := service.first_start_notice:
            tell("first start", message=" ".join(notice.split()))
        tell("started", store=service.store.location, version=__version__)
        async with answering(service, where, stopping.event, declared.park_seconds):
            notify("READY=1")
            await stopping.event.wait()
    finally:
        alive.cancel()
        await service.aclose()
        tell("stopped")
    return 0


def _reload(notify: Notify) -> None:
    notify(*reloading())
    tell("not reloaded", message="settings are read at the start; a certificate that was renewed is found by itself")
    notify("READY=1")


async def _tell_alive(notify: Notify) -> None:
    seconds = watchdog_seconds(os.environ)
    while seconds:
        notify("WATCHDOG=1")
        await asyncio.sleep(seconds / 2)


async def beside_scheduler(settings: Settings, declared: Declared, lines: logs.Lines, where: Binding) -> int:
    """The same, with the loop that rotates what is due."""

    def beside(service: Service, stopping: asyncio.Event) -> contextlib.AbstractAsyncContextManager[object]:
        return answering(service, where, stopping, declared.park_seconds)

    return await session.until_stopped(settings, declared, {}, lines, beside)


@contextlib.asynccontextmanager
async def answering(
    service: Service, where: Binding, stopping: asyncio.Event, park_seconds: float
) -> AsyncIterator[Address]:
    """Answer as long as the block lasts, at the address that it gets; as soon as `stopping` is set, refuse what is new.

    At the end what runs has `park_seconds` to finish, then it is parked. Raises KeyturnError for an unusable address.
    """
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    application = make_application(service)
    read, config = _stamp(where), _config(application, where)
    _allow_connections()
    protocol.tell_of_crowds(asyncio.get_running_loop())
    with _listening(where) as listener:
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        serving.add_done_callback(lambda _: stopping.set())  # a server that cannot go on must not look as if it did
        beside = [
            asyncio.create_task(_close(application, stopping)),
            asyncio.create_task(_renew(config.ssl, where, read)),
        ]
        reached = Address(where.address.host, listener.getsockname()[1])
        tell("listening", address=reached, tls=where.certificate is not None)
        try:
            yield reached
        finally:
            for task in beside:
                task.cancel()
            if not await application.drain(park_seconds):
                await application.park()
            server.should_exit = True
            with contextlib.suppress(asyncio.CancelledError):
                await serving


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As the base does with sockets that are listened to; but a handshake may take no longer than a header."""
        config = self.config
        state = self.lifespan.state
        make = partial(protocol.BoundedProtocol, config=config, server_state=self.server_state, app_state=state)
        patience = protocol.PATIENCE if config.ssl else None
        listen = asyncio.get_running_loop().create_server
        self.servers = [
            await listen(make, sock=one, ssl=config.ssl, backlog=config.backlog, ssl_handshake_timeout=patience)
            for one in sockets or ()
        ]
        self.started = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are ours."""
        yield


async def _close(application: Any, stopping: asyncio.Event) -> None:
    await stopping.wait()
    application.closed = True


async def _renew(context: ssl.SSLContext | None, where: Binding, known: list[tuple[int, int, int]]) -> None:
    """Take up a certificate that was renewed in its file since the stamp that is known.

    Until both files are whole, the former one stays.
    """
    if context is None or where.certificate is None or where.key is None:
        return
    while True:
        await asyncio.sleep(LOOK_EVERY)
        if (stamp := _stamp(where)) == known:
            continue
        try:
            context.load_cert_chain(where.certificate, where.key, password=_OPENS_NOTHING)
        except (OSError, ssl.SSLError) as error:
            tell(
                "certificate", level=logging.ERROR, message=f"cannot be renewed: {error.strerror}; the former one stays"
            )
        else:
            tell("certificate", message="renewed")
        known = stamp


def _stamp(where: Binding) -> list[tuple[int, int, int]]:
    """Tells whether the files are still those that were read."""
    found = []
    for name in (where.certificate, where.key):
        with contextlib.suppress(OSError):
            about = Path(str(name)).stat()
            found.append((about.st_mtime_ns, about.st_ino, about.st_size))
    return found


def _config(application: Any, where: Binding) -> uvicorn.Config:
    config = uvicorn.Config(
        application,
        http=protocol.BoundedProtocol,
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_IDLE,
        timeout_graceful_shutdown=_LAST_WORDS,
        backlog=_WAITING,
        h11_max_incomplete_event_size=protocol.HEADER_BYTES,
        ssl_certfile=where.certificate,
        ssl_keyfile=where.key,
        ssl_keyfile_password=_OPENS_NOTHING if where.key else None,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or getattr(error, "reason", None) or str(error)
        raise UsageError(
            f"The certificate {where.certificate} and its key {where.key} cannot be used: {reason}.",
            remedy="Both are PEM files that this user may read; the key is the certificate's, and has no password.",
        ) from None
    return config


@contextlib.contextmanager
def _listening(where: Binding) -> Iterator[socket.socket]:
    host, port = where.address
    try:
        family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, number)
    except OSError as error:
        raise _unusable(where, error) from None
    with listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_WAITING)
        except OSError as error:
            raise _unusable(where, error) from None
        yield listener


def _unusable(where: Binding, error: OSError) -> KeyturnError:
    return KeyturnError(
        f"The HTTP API cannot listen at {where.address}: {(error.strerror or str(error)).lower()}.",
        remedy="Another program may be there already; --address HOST:PORT names another place.",
    )


def _allow_connections() -> None:
    """As many files as connections may need, as far as we may have them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = protocol.MOST + 1024
    if soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else min(wanted, hard), hard))
