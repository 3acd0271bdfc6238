"""What a test may ask for: a database on a private PostgreSQL, an empty home, nobody else's settings."""

from __future__ import annotations

import contextlib
import gc
import os
import secrets
import select
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import LiteralString, Protocol

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import TupleRow

from app.demo.server import PrivateServer, system_binaries
from tests import compiled_sql, parsed_css, processes

pytest_plugins = ["tests.standins.iam"]

# What the developer's shell may say to Keyturn, to the SDKs or to libpq.
_FOREIGN = (
    "KEYTURN_",
    "AWS_",
    "AZURE_",
    "PG",
    "XDG_",
    "CREDENTIALS_DIRECTORY",
    "NO_COLOR",
    "FORCE_COLOR",
    "LC_",
    "LANG",
    "PYTHONUNBUFFERED",
)
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
    parsed_css.share()
    gc.disable()


def pytest_collection_finish() -> None:
    """All that was collected stays until the end: neither now nor in a test need anybody look there for garbage.

    Nor is what a test leaves looked through as often as by default, which takes a fortieth of the suite's time.
    """
    gc.freeze()
    gc.set_threshold(10_000)
    gc.enable()


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
    monkeypatch.setenv("LANG", "C.UTF-8")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The value of KEYTURN_HOME: a directory that does not exist yet."""
    path = tmp_path / "keyturn"
    monkeypatch.setenv("KEYTURN_HOME", str(path))
    return path


@pytest.fixture
def own_interpreters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process starts with an interpreter of its own, as people start it, and is listed under its own name."""
    monkeypatch.setattr(processes, "fork", lambda *_, **__: None)


class ServerPool:
    """One server for each version, started when the first test of this worker asks for it."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._servers: dict[str, PrivateServer] = {}

    def get(self, version: str) -> PrivateServer:
        """Return the running server of that version; see `find_binaries` for the versions."""
        if version not in self._servers:
            # Every statement is logged, so that a test can look for passwords in the log.
            settings = {"log_statement": "all", "max_connections": "200"}
            server = self._stack.enter_context(PrivateServer(version, settings=settings))
            _make_logins_cheap(server)
            self._servers[version] = server
        return self._servers[version]


def _make_logins_cheap(server: PrivateServer) -> None:
    """Hashing a password 4096 times is most of a login, and the suite logs in some ten thousand times."""
    with server.connect() as superuser:
        if superuser.info.server_version < 160000:
            return
        superuser.execute("ALTER SYSTEM SET scram_iterations = 1")
        superuser.execute("SELECT pg_reload_conf()")
    with server.connect() as superuser:
        change = sql.SQL("ALTER ROLE {} PASSWORD {}")
        superuser.execute(change.format(sql.Identifier(server.superuser), sql.Literal(server.password)))


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
    kept: list[psycopg.Connection[TupleRow]] = field(default_factory=list, repr=False, compare=False)
    """The superuser's, while there is one: to log in takes longer than most statements. The next test has it, too."""

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
        cursor = self._superuser().execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []

    def _superuser(self) -> psycopg.Connection[TupleRow]:
        if self.kept and _ended(self.kept[0]):
            self.close()
        if not self.kept:
            self.kept.append(self.connect())
            self.kept[0].prepare_threshold = None
        return self.kept[0]

    def close(self) -> None:
        """Keep no connection."""
        while self.kept:
            self.kept.pop().close()

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
        self.close()
        with self.server.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self.database)))
            if roles := self._roles(connection):
                connection.execute(sql.SQL("DROP ROLE {}").format(roles))

    def tidied(self) -> bool:
        """Remove whoever is connected and the roles; return whether the database is as it was when it was new."""
        with contextlib.suppress(psycopg.Error):
            connection = self._superuser()
            connection.execute(_DISCONNECT)
            if roles := self._roles(connection):
                connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(roles))
                connection.execute(sql.SQL("DROP ROLE {}").format(roles))
            connection.execute(_DROP_TABLES)
            return connection.execute(_CHANGED).fetchone() == (False,)
        return False

    def _roles(self, connection: psycopg.Connection[TupleRow]) -> sql.Composed | None:
        """Those with its suffix, for one statement: they may be each other's grantors."""
        found = connection.execute(
            "SELECT rolname FROM pg_roles WHERE right(rolname, %s) = %s", (len(self.suffix) + 1, f"_{self.suffix}")
        ).fetchall()
        return sql.SQL(", ").join(sql.Identifier(name) for (name,) in found) if found else None


def _ended(connection: psycopg.Connection[TupleRow]) -> bool:
    """Something to read where nothing was asked is the server's farewell."""
    poll = select.poll()
    if not connection.closed:
        poll.register(connection.fileno(), select.POLLIN)
    return connection.closed or bool(poll.poll(0))


_DISCONNECT: LiteralString = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_DROP_TABLES: LiteralString = """
    DO $$ DECLARE tables text; BEGIN
        SELECT string_agg(oid::regclass::text, ', ') INTO tables FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p');
        IF tables IS NOT NULL THEN EXECUTE 'DROP TABLE ' || tables || ' CASCADE'; END IF;
    END $$
"""
# What a test makes has an oid from 16384 on.
_CHANGED: LiteralString = """
    SELECT EXISTS (SELECT FROM pg_namespace WHERE oid >= 16384 AND nspname !~ '^pg_')
        OR EXISTS (SELECT FROM pg_class WHERE oid >= 16384 AND relnamespace = 'public'::regnamespace)
        OR EXISTS (SELECT FROM pg_proc WHERE oid >= 16384)
        OR EXISTS (SELECT FROM pg_event_trigger)
        OR EXISTS (SELECT FROM pg_default_acl)
        OR EXISTS (SELECT FROM pg_extension WHERE oid >= 16384)
        OR EXISTS (SELECT FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase
                   WHERE datname = current_database())
        OR EXISTS (SELECT FROM pg_database WHERE datname = current_database()
                   AND (datacl IS NOT NULL OR NOT datallowconn OR datconnlimit <> -1))
"""


def _made(server: PrivateServer) -> Database:
    suffix = secrets.token_hex(4)
    database = Database(server, f"test_{suffix}", suffix)
    with server.connect() as connection:
        # Copying the files costs a third of writing what is in them to the log, which earlier versions don't do.
        how = "STRATEGY FILE_COPY" if connection.info.server_version >= 150000 else ""
        create = sql.SQL("CREATE DATABASE {} " + how)
        connection.execute(create.format(sql.Identifier(database.database)))
    return database


@contextlib.contextmanager
def own_database(server: PrivateServer) -> Iterator[Database]:
    """A database on a server of the test's own, which may end before it: nothing is asked of it at the end."""
    with contextlib.closing(_made(server)) as database:
        yield database


@contextlib.contextmanager
def fresh_database(server: PrivateServer) -> Iterator[Database]:
    """A database that is dropped afterwards, together with the roles made for it."""
    database = _made(server)
    yield database
    database.drop()


@pytest.fixture(scope="session")
def used_databases() -> Iterator[dict[int, Database]]:
    """A database that is as good as new, by its server's port: the first session in a really new one takes longer
    than many a test.
    """
    used: dict[int, Database] = {}
    yield used
    for database in used.values():
        database.close()


@pytest.fixture
def pg(pg_server: PrivateServer, used_databases: dict[int, Database]) -> Iterator[Database]:
    """A database as good as new, and roles of the test's own."""
    used = used_databases.pop(pg_server.port, None)
    database = replace(used, suffix=secrets.token_hex(4)) if used else _made(pg_server)
    yield database
    if database.tidied():
        used_databases[pg_server.port] = database
    else:
        database.drop()


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
