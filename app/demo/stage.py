"""What the demo plays on: a private server with a shop's database, and a throw-away store that is connected to it."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.demo.server import BinariesMissing, PrivateServer, ServerError
from app.errors import KeyturnError
from app.settings import Settings, load_settings

if TYPE_CHECKING:
    from app.service import Service

TYPE = "postgres-credentials"
CONNECTION = "shop-db"
DATABASE = "shop"
ADMIN = "keyturn_admin"
# The names that the wizard gives as examples, so that nobody has to look them up.
USERS = ("app_user_1", "app_user_2")
PARAMETERS = {"username1": USERS[0], "username2": USERS[1]}

_SCHEMA = (
    "CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, visits int NOT NULL DEFAULT 0)",
    """CREATE TABLE orders (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        customer_id int NOT NULL REFERENCES customers,
        cents int NOT NULL CHECK (cents > 0),
        placed_at timestamptz NOT NULL DEFAULT now()
    )""",
    "INSERT INTO customers (id, name) SELECT n, 'customer ' || n FROM generate_series(1, 100) AS n",
    "INSERT INTO orders (customer_id, cents) SELECT 1 + n % 100, 100 + n FROM generate_series(1, 1000) AS n",
)
# What the shell may say to a store of one's own, which the demo must not find.
_FOREIGN = ("KEYTURN_", "CREDENTIALS_DIRECTORY")


@dataclass(frozen=True)
class Stage:
    """A running server and the settings of the store beside its data: both are gone when the server is."""

    server: PrivateServer
    settings: Settings
    admin_password: str = field(repr=False)

    async def set_up(self, service: Service) -> str:
        """Connect Keyturn and prepare the two users as their connection does; the role that owns what they share."""
        credentials = {
            "host": self.server.host,
            "port": self.server.port,
            "database": DATABASE,
            "username": ADMIN,
            "password": self.admin_password,
            "sslEnabled": False,
        }
        body: dict[str, Any] = {"name": CONNECTION, "method": "username-and-password", "credentials": credentials}
        await service.connections.add("postgres", body)
        await service.creation.prepare(TYPE, PARAMETERS, CONNECTION)
        return self._fill()

    def _fill(self) -> str:
        """Put the shop's tables where the users' shared role owns them."""
        from psycopg import sql

        with self.server.connect(dbname=DATABASE) as superuser:
            found = superuser.execute(
                "SELECT rolname FROM pg_auth_members JOIN pg_roles r ON r.oid = roleid WHERE member = %s::regrole",
                [USERS[0]],
            ).fetchone()
            assert found is not None
            shared = str(found[0])
            superuser.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(shared)))
            for statement in _SCHEMA:
                superuser.execute(statement)
        return shared


@contextlib.contextmanager
def stage(environ: Mapping[str, str] = os.environ) -> Iterator[Stage]:
    """Start the server and make database and admin. Raises KeyturnError when there is none to be had."""
    try:
        server = PrivateServer()
        server.start()
    except BinariesMissing as error:
        remedy = "With pip: pip install 'keyturn[demo]'. In a checkout: make install"
        raise KeyturnError(
            "The demo needs a PostgreSQL server of its own, and there is none.", remedy=remedy
        ) from error
    except ServerError as error:
        raise KeyturnError(str(error)) from error
    try:
        password = secrets.token_urlsafe(24)
        _make_database(server, password)
        # Beside the server's data: whoever is left to remove that, even after a kill -9, removes both.
        yield Stage(server, load_settings(_environ(environ, server.directory / "keyturn")), password)
    finally:
        server.stop()


def _make_database(server: PrivateServer, password: str) -> None:
    from psycopg import sql

    with server.connect() as superuser:
        verifier = superuser.pgconn.encrypt_password(password.encode(), ADMIN.encode(), b"scram-sha-256").decode()
        create = sql.SQL("CREATE ROLE {} LOGIN CREATEROLE PASSWORD {}")
        superuser.execute(create.format(sql.Identifier(ADMIN), sql.Literal(verifier)))
        superuser.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*map(sql.Identifier, (DATABASE, ADMIN))))


def _environ(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """What the terminal UI may know of the terminal, and nothing of another store or key."""
    kept = {name: value for name, value in environ.items() if not name.startswith(_FOREIGN)}
    return {**kept, "KEYTURN_HOME": str(home)}
