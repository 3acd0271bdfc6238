"""What a test may ask for: a database on a private PostgreSQL, an empty home, nobody else's settings."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import LiteralString, Protocol

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import TupleRow

from app.demo.server import PrivateServer, system_binaries
from tests import compiled_sql

pytest_plugins = ["tests.standins.iam"]

# What the developer's shell may say to Keyturn, to the SDKs or to libpq.
_FOREIGN = ("KEYTURN_", "AWS_", "AZURE_", "PG", "XDG_", "CREDENTIALS_DIRECTORY", "NO_COLOR", "FORCE_COLOR")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_REFUSED = ("password authentication failed", "is not permitted to log in")


def pg_versions() -> dict[str, str]:
    """Return every PostgreSQL at hand: a name for the test's id, and what PrivateServer takes as version."""
    system = {f"system-{path.parent.name}": str(path) for path in system_binaries()}
    return {"18": "18", "16": "16", **system}


def pytest_configure() -> None:
    """Who starts us in the background may make us deaf to ctrl+c and hang-up, which our programs would inherit.

    What is handled here, they begin with as by default.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    compiled_sql.share()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("pg_versions"):
        versions = pg_versions()
        metafunc.parametrize("pg_version", list(versions.values()), ids=list(versions))


@pytest.fixture(autouse=True)
def _own_environment(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's home and settings out of every test and of the processes it starts."""
    for name in os.environ:
        if name.startswith(_FOREIGN) or name.lower() in _PROXIES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("user")))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The value of KEYTURN_HOME: a directory that does not exist yet."""
    path = tmp_path / "keyturn"
    monkeypatch.setenv("KEYTURN_HOME", str(path))
    return path


class ServerPool:
    """One server for each version, started when the first test of this worker asks for it."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._servers: dict[str, PrivateServer] = {}

    def get(self, version: str) -> PrivateServer:
        """Return the running server of that version; see `find_binaries` for the versions."""
        if version not in self._servers:
            # Every statement is logged, so that a test can look for passwords in the log.
            server = PrivateServer(version, settings={"log_statement": "all", "max_connections": "200"})
            self._servers[version] = self._stack.enter_context(server)
        return self._servers[version]


@pytest.fixture(scope="session")
def pg_servers() -> Iterator[ServerPool]:
    """The servers of this xdist worker."""
    with contextlib.ExitStack() as stack:
        yield ServerPool(stack)


@pytest.fixture
def pg_version() -> str:
    """The PostgreSQL that `pg_server` and `pg` use; the marker `pg_versions` runs a test on each."""
    return "18"


@pytest.fixture
def pg_server(pg_servers: ServerPool, pg_version: str) -> PrivateServer:
    """The shared server. A test that halts or pauses it starts a PrivateServer of its own instead."""
    return pg_servers.get(pg_version)


@dataclass(frozen=True)
class Database:
    """A fresh database on the shared server, and the roles that a test makes there."""

    server: PrivateServer = field(repr=False)
    database: str
    suffix: str

    @property
    def host(self) -> str:
        return self.server.host

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def admin_user(self) -> str:
        return self.server.superuser

    @property
    def admin_password(self) -> str:
        return self.server.password

    def role_name(self, stem: str) -> str:
        """Return a name that no other test uses. Roles belong to the whole server, and these are dropped."""
        return f"{stem}_{self.suffix}"

    def create_role(self, stem: str, password: str | None = None, *, options: str = "LOGIN") -> str:
        """Create a role and return its name. `options` are those of CREATE ROLE: "LOGIN CREATEROLE"."""
        name = self.role_name(stem)
        secret = sql.SQL("NULL") if password is None else sql.Literal(password)
        self.execute(
            sql.SQL("CREATE ROLE {} PASSWORD {} {}").format(
                sql.Identifier(name),
                secret,
                sql.SQL(options),
            )
        )
        return name

    def execute(self, statement: LiteralString | sql.SQL | sql.Composed, *parameters: object) -> list[TupleRow]:
        """Run one statement as the superuser in this database and return its rows, if it has any."""
        with self.connect() as connection:
            cursor = connection.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def connect(self, user: str | None = None, password: str = "") -> psycopg.Connection[TupleRow]:
        """Return an autocommit connection to this database, of the superuser unless a user is given."""
        return self.server.connect(dbname=self.database, user=user, password=password)

    def login(self, user: str, password: str) -> bool:
        """Return whether the server lets this user in. Any other failure than a refusal is raised."""
        try:
            self.connect(user, password).close()
        except psycopg.OperationalError as error:
            if any(text in str(error) for text in _REFUSED):
                return False
            raise
        return True

    def drop(self) -> None:
        """Remove the database and every role with its suffix, whoever is connected."""
        with self.server.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self.database)))
            found = connection.execute(
                "SELECT rolname FROM pg_roles WHERE right(rolname, %s) = %s",
                (len(self.suffix) + 1, f"_{self.suffix}"),
            ).fetchall()
            if found:
                # In one statement, because roles may be each other's grantors.
                roles = sql.SQL(", ").join(sql.Identifier(name) for (name,) in found)
                connection.execute(sql.SQL("DROP ROLE {}").format(roles))


@contextlib.contextmanager
def fresh_database(server: PrivateServer) -> Iterator[Database]:
    """A database that is dropped afterwards, together with the roles made for it."""
    suffix = secrets.token_hex(4)
    database = Database(server, f"test_{suffix}", suffix)
    with server.connect() as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database.database)))
    yield database
    database.drop()


@pytest.fixture
def pg(pg_server: PrivateServer) -> Iterator[Database]:
    """A fresh database of the test's own."""
    with fresh_database(pg_server) as database:
        yield database


_FIGURE = "figure: "


class Figures(Protocol):
    def __call__(self, **numbers: int) -> None: ...


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Figures:
    """Numbers to be shown at the end of the run, those of all tests added up by name; xdist's workers' too."""

    def note(**numbers: int) -> None:
        for name, number in numbers.items():
            record_property(f"{_FIGURE}{name.replace('_', ' ')}", number)

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    totals: Counter[str] = Counter()
    for report in [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]:
        if report.when == "call":
            totals.update({name: int(str(value)) for name, value in report.user_properties if name.startswith(_FIGURE)})
    if totals:
        terminalreporter.section("figures")
    for name, total in totals.items():
        terminalreporter.line(f"{total:>12,} {name.removeprefix(_FIGURE)}")
