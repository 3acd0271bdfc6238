"""The shop's database: two users who share its tables, and programs that log in and take orders."""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING

from app.demo.server import PrivateServer
from app.demo.shop import Refused, Target, Values

if TYPE_CHECKING:
    from app.service import Service

CONNECTION = "shop-db"
DATABASE = "shop"
ADMIN = "keyturn_admin"
# The names that the wizard gives as examples, so that nobody has to look them up.
USERS = ("app_user_1", "app_user_2")

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


def make_database(server: PrivateServer) -> Target:
    """Make it and its admin, who is no superuser."""
    password = secrets.token_urlsafe(24)
    _create(server, password)
    return Target(
        label="PostgreSQL",
        type="postgres-credentials",
        app="postgres",
        connection=CONNECTION,
        method="username-and-password",
        credentials={
            "host": server.host,
            "port": server.port,
            "database": DATABASE,
            "username": ADMIN,
            "password": password,
            "sslEnabled": False,
        },
        rotation="shop-db-users",
        parameters={"username1": USERS[0], "username2": USERS[1]},
        mapping={"username": "SHOP_DB_USERNAME", "password": "SHOP_DB_PASSWORD"},
        told=lambda values: values["username"],
        log_in=partial(_order, server),
        clients=4,
    )


async def prepare(service: Service, server: PrivateServer, target: Target) -> str:
    """Make the two users as the connection does, and the tables; the role that owns what the users share."""
    await service.creation.prepare(target.type, dict(target.parameters), target.connection)
    return _fill(server)


def _create(server: PrivateServer, password: str) -> None:
    from psycopg import sql

    with server.connect() as superuser:
        verifier = superuser.pgconn.encrypt_password(password.encode(), ADMIN.encode(), b"scram-sha-256").decode()
        create = sql.SQL("CREATE ROLE {} LOGIN CREATEROLE PASSWORD {}")
        superuser.execute(create.format(sql.Identifier(ADMIN), sql.Literal(verifier)))
        # An emergency ends sessions, those of replaced credentials among them.
        superuser.execute(sql.SQL("GRANT pg_signal_backend, pg_read_all_stats TO {}").format(sql.Identifier(ADMIN)))
        superuser.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*map(sql.Identifier, (DATABASE, ADMIN))))


def _fill(server: PrivateServer) -> str:
    """Put the shop's tables where the users' shared role owns them."""
    from psycopg import sql

    with server.connect(dbname=DATABASE) as superuser:
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


async def _order(server: PrivateServer, values: Values, number: int) -> None:
    """Log in and do a shop's work: read and write rows that the other user may have written."""
    import psycopg

    try:
        async with await psycopg.AsyncConnection.connect(
            host=server.host,
            port=server.port,
            dbname=DATABASE,
            user=values["username"],
            password=values["password"],
            application_name=f"shop-{number}",
            connect_timeout=10,
            sslmode="disable",
            gssencmode="disable",
        ) as connection:
            await connection.execute("UPDATE customers SET visits = visits + 1 WHERE id = %s", [number + 1])
            await connection.execute("INSERT INTO orders (customer_id, cents) VALUES (%s, 990)", [number + 1])
    except psycopg.Error as error:
        raise Refused((str(error).splitlines() or [type(error).__name__])[0]) from error
