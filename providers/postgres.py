"""The connection app `postgres`: what its credentials are, and the admin access that one rotation run keeps open."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, SecretStr

from providers.base import ConnectionApp, CredentialRefused
from providers.fields import Fields, Text, complaint

if TYPE_CHECKING:
    from providers.postgres_connection import AsyncConnection, Session
    from providers.postgres_errors import Circumstances
    from providers.postgres_login import Line

CALL_SECONDS = 15.0
"""No call of a target takes longer, whatever the server does."""

METHOD = "username-and-password"


def _host(value: str) -> str:
    bare = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(bare))
    if "://" in value:
        raise complaint("host_url", "Enter the host name alone, not a whole URL.")
    if value.startswith("/"):
        return value  # the directory of a Unix socket
    if any(character in value for character in ":, \t"):
        raise complaint("host_list", "Enter one host name; the port has a field of its own.")
    try:
        value.encode("idna")
    except UnicodeError:
        raise complaint("host_name", "This can't be a host name.") from None
    return value


def _password(value: SecretStr) -> SecretStr:
    if not value.get_secret_value():
        raise complaint("blank", "Fill this in.")
    if "\0" in value.get_secret_value():
        raise complaint("nul", "A PostgreSQL password can't hold the character NUL.")
    return value


def _certificate(value: str | None) -> str | None:
    if value is None or not value.strip():
        return None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=value)
    except (ssl.SSLError, ValueError, TypeError):  # the last one for what is not ASCII
        raise complaint("certificate", "This is no certificate in PEM format.") from None
    return value


class PostgresCredentials(Fields):
    """How to reach a server as the role that changes the others' passwords."""

    host: Annotated[Text, AfterValidator(_host)] = Field(
        title="Host", description="Name or address of the server.", examples=["db.example.com"]
    )
    port: int = Field(default=5432, ge=1, le=65535, title="Port", description="TCP port of the server.")
    database: Text = Field(title="Database", description="The database that the rotated users log in to.")
    username: Text = Field(title="Username", description="A role that may change the rotated users' passwords.")
    password: Annotated[SecretStr, AfterValidator(_password)] = Field(
        title="Password", description="Taken as it is, blanks at either end included."
    )
    ssl_enabled: bool = Field(
        default=True, strict=True, title="Use TLS", description="Encrypt every connection to the server."
    )
    ssl_reject_unauthorized: bool = Field(
        default=True,
        strict=True,
        title="Verify the certificate",
        description="Refuse a server whose certificate or name is not trusted.",
    )
    ssl_certificate: Annotated[str | None, AfterValidator(_certificate)] = Field(
        default=None,
        title="CA certificate",
        description="PEM text of the authority that signed the server's certificate; the system's when left out.",
        json_schema_extra={"multiline": True},
    )

    @property
    def address(self) -> str:
        """Where the server is, for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class PostgresTarget:
    """One server, and one admin connection to it that is kept, reused and replaced when it breaks.

    It belongs to one event loop. Calls of several rotations take turns, so their transactions never mix.
    """

    def __init__(self, credentials: PostgresCredentials) -> None:
        self.credentials = credentials
        self._turn = asyncio.Lock()
        self._connection: AsyncConnection | None = None
        self._lines: dict[str, Line] = {}

    async def test(self) -> str:
        """Connect and say in one line what answered. Raises TargetError."""
        async with self.session() as session:
            await session.rows("SELECT 1")
            security = "TLS" if session.encrypted else "no TLS"
            return f"PostgreSQL {session.version} at {self.credentials.address}, {security}"

    async def close(self) -> None:
        """Drop the admin connection, and lines that nobody used; the next call would connect anew. Never raises."""
        for username in list(self._lines):
            self._hang_up(username)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CALL_SECONDS), self._turn:
                await self._drop()

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    @contextlib.asynccontextmanager
    async def session(self, *, role: str = "", secrets: Sequence[str] = ()) -> AsyncIterator[Session]:
        """Have the admin connection to oneself; what goes wrong inside leaves as a TargetError.

        `role` is whom the work is about: a refusal names the GRANT that is missing for it. No text of the
        server that quotes a part of `secrets` is passed on. Any error drops the connection, and its transaction
        with it.
        """
        from providers import postgres_connection as wire

        admin = self.credentials.username
        circumstances = self._circumstances(user=admin, role=role, secrets=tuple(secrets))
        with circumstances.translating():
            async with asyncio.timeout(CALL_SECONDS), self._turn:
                connection = self._connection
                if connection is None or not wire.idle(connection):
                    await self._drop()
                    circumstances.connecting = True
                    password = self.credentials.password.get_secret_value()
                    self._connection = connection = await wire.connect(self.credentials, admin, password)
                    circumstances.connecting = False
                circumstances.server_version = connection.info.server_version
                try:
                    yield wire.Session(connection, circumstances)
                except BaseException:
                    await self._drop()
                    raise
                if connection.closed:
                    await self._drop()

    @contextlib.asynccontextmanager
    async def login_ahead(self, username: str, password: str) -> AsyncIterator[None]:
        """While something is done that lets somebody in, reach the server for the `login` that comes next."""
        dialling = asyncio.create_task(self._dial(username, password))
        try:
            yield
        except BaseException:
            self._hang_up(username)
            raise
        finally:
            dialling.cancel()

    async def _dial(self, username: str, password: str) -> None:
        from providers.postgres_login import dial

        line = await dial(self.credentials, username, password)
        self._hang_up(username)
        if line is not None:
            self._lines[username] = line

    def _hang_up(self, username: str) -> None:
        if (line := self._lines.pop(username, None)) is not None:
            line.close()

    async def login(self, username: str, password: str) -> None:
        """Log in once as somebody else and leave.

        Raises CredentialRefused, TargetRefused when the server would let nobody in, TargetUnavailable.
        """
        from providers.postgres_login import log_in

        circumstances = self._circumstances(user=username, refused=CredentialRefused, connecting=True)
        with circumstances.translating():
            async with asyncio.timeout(CALL_SECONDS):
                if (line := self._lines.pop(username, None)) is not None:
                    with contextlib.closing(line):
                        if line.serves(password):
                            await line.log_in()
                            return
                await log_in(self.credentials, username, password)

    def _circumstances(self, **more: Any) -> Circumstances:
        from providers.postgres_errors import Circumstances

        return Circumstances(self.credentials.address, self.credentials.database, **more)


class PostgresApp:
    """Connections to PostgreSQL, registered as `postgres`."""

    app = "postgres"
    title = "PostgreSQL"
    methods: Mapping[str, type[BaseModel]] = MappingProxyType({METHOD: PostgresCredentials})

    def open(self, method: str, credentials: BaseModel) -> PostgresTarget:
        """Return access to the server; nothing is sent before the first call."""
        if method not in self.methods or not isinstance(credentials, PostgresCredentials):
            raise ValueError(f"PostgreSQL has no connection method {method!r} with these credentials")
        return PostgresTarget(credentials)


APP: ConnectionApp = PostgresApp()
