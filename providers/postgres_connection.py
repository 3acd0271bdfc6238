"""Everything that touches psycopg: how a connection is made, and what is done on the admin connection.

Import this on use only: psycopg takes a while to import, and most runs of Keyturn never need it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString, TypeVar

import psycopg
from psycopg import generators, pq, sql, waiting
from psycopg.rows import TupleRow, tuple_row

from providers.base import Outcome, TargetError, TargetRefused
from providers.postgres_scram import ITERATIONS, verifier

if TYPE_CHECKING:
    from psycopg.abc import PQGen

    from providers.postgres import PostgresCredentials
    from providers.postgres_errors import Circumstances

CONNECT_SECONDS = 10

_RV = TypeVar("_RV")
Statement = sql.SQL | sql.Composed | bytes
# A path that can't exist: libpq would otherwise look into ~/.postgresql and ~/.pgpass.
_NOWHERE = "/dev/null/none"
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
# Limits hold for one transaction only: behind a pooler a session's settings would pass to somebody else.
_LIMITS = {
    "statement_timeout": "10s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "15s",
    "standard_conforming_strings": "on",
}
# A verifier isn't the password, yet no business of a log's readers. Only a superuser may hide it.
_QUIET = {
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_min_error_statement": "panic",
    "pg_stat_statements.track_utility": "off",
}


class AsyncConnection(psycopg.AsyncConnection[TupleRow]):
    """A connection that ends at once when its caller is cancelled.

    psycopg would first ask the server to cancel, on another connection, and wait: for ever on a server that
    hangs. The server ends what it is doing by its own statement and lock time-outs.
    """

    async def wait(self, gen: PQGen[_RV], interval: float = 0.1, timeout: float | None = None) -> _RV:  # noqa: ASYNC109
        try:
            return await waiting.wait_async(gen, self.pgconn.socket, interval=interval)
        except BaseException as error:
            if not isinstance(error, Exception):
                self.pgconn.finish()
            raise


async def connect(credentials: PostgresCredentials, username: str, password: str) -> AsyncConnection:
    """Log in. Whatever the environment and the home directory say about PostgreSQL does not matter."""
    with parameters(credentials, username, password) as known:
        return await AsyncConnection.connect(autocommit=True, prepare_threshold=None, row_factory=tuple_row, **known)


@contextlib.contextmanager
def parameters(credentials: PostgresCredentials, username: str, password: str) -> Iterator[dict[str, Any]]:
    """Yield all that libpq has to know; it reads a file that is named there when it encrypts the connection.

    The values are texts and numbers. The type checker could not see that none is one of psycopg's own.
    """
    with _root_certificates(credentials) as roots:
        yield {
            **_neutral(any(name.startswith("PG") for name in os.environ)),
            **_security(credentials, roots),
            "host": credentials.host,
            "port": credentials.port,
            "dbname": credentials.database,
            "user": username,
            "password": password,
            "application_name": "keyturn",
            "client_encoding": "UTF8",
            "connect_timeout": CONNECT_SECONDS,
            "keepalives": 1,
            "keepalives_idle": 30,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
        }


@functools.cache
def _neutral(variables: bool) -> dict[str, str]:
    """Return libpq's own default for everything that a PG variable could set, so that none of them counts.

    A PGSERVICE that exists fills in only what is missing, which is nothing; one that doesn't fails every
    login, and says so.
    """
    known = {option.keyword.decode(): option for option in pq.Conninfo.get_defaults()}
    neutral = {
        keyword: (option.compiled or b"").decode()
        for keyword, option in known.items()
        if option.envvar and keyword != "service" and variables
    }
    # Where an empty value is none.
    special = {
        "require_auth": "!sspi",  # anything that exists here
        "sslcertmode": "disable",
        "min_protocol_version": "3.0",
        "max_protocol_version": "3.0",
        "passfile": os.devnull,
        "sslcert": _NOWHERE,
        "sslcrl": _NOWHERE,
        "gssencmode": "disable",
    }
    return neutral | {keyword: value for keyword, value in special.items() if keyword in known}


def _security(credentials: PostgresCredentials, roots: str) -> dict[str, str]:
    if not credentials.ssl_enabled:
        return {"sslmode": "disable"}
    # "require" would quietly verify if it found a root certificate in the home directory.
    return {"sslmode": "verify-full" if credentials.ssl_reject_unauthorized else "require", "sslrootcert": roots}


@contextlib.contextmanager
def _root_certificates(credentials: PostgresCredentials) -> Iterator[str]:
    """Give libpq, which takes no text, a file for as long as it connects."""
    if not credentials.ssl_enabled or not credentials.ssl_reject_unauthorized:
        yield _NOWHERE
    elif credentials.ssl_certificate is None:
        yield _system_roots()
    else:
        with tempfile.NamedTemporaryFile("w", prefix="keyturn-ca-", suffix=".pem") as file:
            file.write(credentials.ssl_certificate)
            file.flush()
            yield file.name


def _system_roots() -> str:
    """Return the system's bundle by path: "system" means a place that psycopg's own OpenSSL never finds."""
    candidates = (ssl.get_default_verify_paths().cafile, *_BUNDLES)
    return next((path for path in candidates if path and Path(path).is_file()), "system")


def idle(connection: AsyncConnection) -> bool:
    """Return whether the connection can be used next, without asking the server.

    Something to read where nothing was asked is the server's farewell.
    """
    if connection.closed or connection.pgconn.transaction_status != pq.TransactionStatus.IDLE:
        return False
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    return not poll.poll(0)


def _together(pgconn: pq.abc.PGconn, queries: Iterable[bytes]) -> PQGen[None]:
    """Send queries on the heels of each other, each before the next is asked for, and read what they came to.

    psycopg's own pipeline keeps a cursor and a queue, and logs the queries after one that failed.
    """
    pgconn.enter_pipeline_mode()
    for query in queries:
        pgconn.send_query_params(query, None)
        pgconn.flush()
    pgconn.pipeline_sync()
    yield from generators.send(pgconn)
    refusal: psycopg.Error | None = None
    while pgconn.status != pq.ConnStatus.BAD:
        result = yield from generators.fetch(pgconn)  # None after each query
        if result is not None and result.status == pq.ExecStatus.PIPELINE_SYNC:
            pgconn.exit_pipeline_mode()
            break
        if result is not None and result.status == pq.ExecStatus.FATAL_ERROR:
            refusal = refusal or psycopg.errors.error_from_result(result)
    else:
        refusal = refusal or psycopg.OperationalError("the connection is lost")
    if refusal is not None:
        raise refusal


class Session:
    """What can be done on an admin connection while nobody else uses it.

    It notes in its circumstances from when on a lost answer means that nobody knows what happened.
    """

    def __init__(self, connection: AsyncConnection, circumstances: Circumstances) -> None:
        self._connection = connection
        self._circumstances = circumstances

    @property
    def version(self) -> str:
        """The server's version as it reports it, such as "18.4"."""
        return self._reported("server_version").partition(" ")[0]

    @property
    def encrypted(self) -> bool:
        return bool(self._connection.pgconn.ssl_in_use)

    @property
    def superuser(self) -> bool:
        return self._reported("is_superuser") == "on"

    def _reported(self, parameter: str) -> str:
        return self._connection.info.parameter_status(parameter) or ""

    def verifier(self, password: str) -> str:
        """Return what the server stores for a password, so that the password itself is never sent to it.

        As costly to guess as the server wants it: from PostgreSQL 16 on it tells how costly.
        """
        return verifier(password, int(self._reported("scram_iterations") or ITERATIONS))

    def new_password(self, username: str, password: str) -> sql.Composed:
        """Return the statement that sets it. It names nothing but the password: managed servers refuse more."""
        stored = sql.Literal(self.verifier(password))
        return sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(username), stored)

    async def rows(self, query: LiteralString, *parameters: object) -> list[TupleRow]:
        """Run one reading statement."""
        cursor = await self._connection.execute(query, parameters or None)
        return await cursor.fetchall()

    async def set_password(self, username: str, password: str) -> None:
        """Change a role's password, in one round trip: what is sent together is one transaction of itself."""

        def statements() -> Iterator[Statement]:
            yield self._settings()
            # Made while the server is at that: a verifier takes milliseconds.
            change = self.new_password(username, password)
            self._circumstances.sent = True
            yield change

        await self._send(statements())

    async def commit_script(self, script: str) -> None:
        """Run a script of any number of statements in one transaction."""
        await self._send([_BEGIN, self._settings()])
        self._circumstances.sent = True
        await self._connection.execute(script.encode())
        if self._connection.info.transaction_status != pq.TransactionStatus.INTRANS:
            raise TargetRefused(
                "The statement ended its own transaction, so it may have run in part.",
                remedy="Leave BEGIN, COMMIT and ROLLBACK out: everything runs in one transaction anyway.",
                outcome=Outcome.UNKNOWN,
            )
        await self._connection.execute(_COMMIT)
        # A script may change its session, by SET ROLE for instance. The next user gets a new one.
        await self._connection.close()

    @contextlib.asynccontextmanager
    async def rolled_back(self) -> AsyncIterator[None]:
        """Begin a transaction that leaves nothing behind; an error ends it together with the connection."""
        await self._send([_BEGIN, self._settings(search_path="pg_catalog")])
        yield
        await self._connection.execute(_ROLLBACK)

    async def attempt(self, statement: Statement) -> psycopg.Error | None:
        """Inside `rolled_back`: try a statement, undo it, and return what the server had against it."""
        await self._connection.execute(_SAVEPOINT)
        refusal = None
        try:
            await self._connection.execute(statement)
        except psycopg.Error as error:
            if self._connection.closed:
                raise
            refusal = error
        await self._connection.execute(_BACK)
        return refusal

    def explain(self, error: psycopg.Error) -> TargetError:
        """Return what an error of a statement means."""
        return self._circumstances.failure(error)

    async def _send(self, statements: Iterable[Statement]) -> None:
        """Send statements together and raise what the first one that failed raised."""
        connection = self._connection
        queries = (s if isinstance(s, bytes) else s.as_bytes(connection) for s in statements)
        await connection.wait(_together(connection.pgconn, queries))

    def _settings(self, **more: str) -> bytes:
        settings = {**_LIMITS, **more, **(_QUIET if self.superuser else {})}
        if self._connection.info.server_version < 130000:
            settings.pop("log_min_duration_sample", None)
        return _set_for_transaction(tuple(settings.items()))


@functools.lru_cache(maxsize=16)
def _set_for_transaction(settings: tuple[tuple[str, str], ...]) -> bytes:
    calls = [
        *(
            sql.SQL("pg_catalog.set_config({}, {}, true)").format(sql.Literal(name), sql.Literal(value))
            for name, value in settings
        ),
        _DURABLE,
    ]
    return sql.SQL("SELECT {}").format(sql.SQL(", ").join(calls)).as_bytes()


# What has been published must not be undone by a crash. How far standbys are waited for is the server's affair.
_DURABLE = sql.SQL(
    "CASE pg_catalog.current_setting('synchronous_commit') WHEN 'off' "
    "THEN pg_catalog.set_config('synchronous_commit', 'local', true) END"
)
_BEGIN = sql.SQL("BEGIN")
_COMMIT = sql.SQL("COMMIT")
_ROLLBACK = sql.SQL("ROLLBACK")
_SAVEPOINT = sql.SQL("SAVEPOINT keyturn")
_BACK = sql.SQL("ROLLBACK TO SAVEPOINT keyturn")
