"""Logging in as somebody, to see whether it works: in one go, or on a line that was opened while the server still set
the password. That saves a way there, and the time in which the server starts a process.

Import this on use only, for psycopg.
"""

from __future__ import annotations

import contextlib
import select
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg
from psycopg import generators, pq, waiting
from psycopg.conninfo import conninfo_attempts_async, make_conninfo

from providers.postgres_connection import connect, parameters

if TYPE_CHECKING:
    from psycopg.abc import PQGenConn

    from providers.postgres import PostgresCredentials

_LEAST = b""
"""An empty statement: a pooler lets people in before it has asked the server."""
_LOOK_EVERY = 0.1
"""Seconds, after which psycopg looks up from waiting."""


async def log_in(credentials: PostgresCredentials, username: str, password: str) -> None:
    """Log in in one go, ask the least there is to ask, and leave. Raises what psycopg does."""
    connection = await connect(credentials, username, password)
    try:
        await connection.execute(_LEAST)
    finally:
        await connection.close()


@dataclass
class Line:
    """A connection on which nothing was said yet, not even who is calling. The server hangs up after a minute or so."""

    _password: str = field(repr=False)
    _socket: int
    _connecting: PQGenConn[pq.abc.PGconn] = field(repr=False)
    _until_closed: contextlib.ExitStack = field(repr=False)

    def serves(self, password: str) -> bool:
        """Whether it is for this one, and silent: the server was reached, and would only speak to say goodbye."""
        if self._password != password:
            return False
        poll = select.poll()
        poll.register(self._socket, select.POLLIN | select.POLLOUT)
        return [state for _, state in poll.poll(0)] == [select.POLLOUT]

    async def log_in(self) -> None:
        """The same on a line that serves."""
        pgconn = await waiting.wait_conn_async(self._logging_in(), interval=_LOOK_EVERY)
        try:
            pgconn.send_query(_LEAST)
            answer = generators.execute(pgconn)
            for result in await waiting.wait_async(answer, pgconn.socket, interval=_LOOK_EVERY):
                if result.status == pq.ExecStatus.FATAL_ERROR:
                    raise psycopg.errors.error_from_result(result)
        finally:
            pgconn.finish()

    def _logging_in(self) -> PQGenConn[pq.abc.PGconn]:
        ready: int = waiting.Ready.W
        try:
            while True:
                ready = yield self._connecting.send(ready)
        except StopIteration as connected:
            pgconn: pq.abc.PGconn = connected.value
            return pgconn

    def close(self) -> None:
        """Hang up; once more does no harm."""
        self._connecting.close()
        self._until_closed.close()


async def dial(credentials: PostgresCredentials, username: str, password: str) -> Line | None:
    """Begin to reach the server, by the first of its addresses; None where that cannot be done ahead, or at all."""
    if credentials.host.startswith("/"):
        return None  # on a Unix socket all is said at once
    with contextlib.ExitStack() as stack:
        known = stack.enter_context(parameters(credentials, username, password))
        try:
            attempt, *_ = await conninfo_attempts_async(known)
            connecting = generators.connect(make_conninfo("", **attempt))
            socket, wanted = next(connecting)
        except (psycopg.Error, OSError, UnicodeError):
            return None
        if wanted != waiting.Wait.W:  # something was said already, before the password was set
            connecting.close()
            return None
        return Line(password, socket, connecting, stack.pop_all())
