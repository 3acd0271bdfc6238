"""Two users of a real server, behind a line that can be cut."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Collection, Sequence
from typing import LiteralString

import pytest
from psycopg import sql

from providers.postgres import METHOD
from tests.conformance.subject import Subject, Values
from tests.conftest import Database
from tests.providers.line import STATEMENT, Line, line_to

_ADMIN_PASSWORD = "the-rotator's own"
_STRANGER = "the-stranger's own"


class PostgresStand:
    """The connection's role may change the two users' passwords, and is no superuser."""

    method = METHOD

    def __init__(self, pg: Database, line: Line) -> None:
        self.pg, self.line = pg, line
        self.users = [pg.create_role(f"app_{n}", f"temporary-{n}") for n in (1, 2)]
        self.admin = pg.create_role("rotator", _ADMIN_PASSWORD, options="LOGIN CREATEROLE")
        self.stranger = pg.create_role("stranger", _STRANGER)
        self.credentials = {
            "host": "127.0.0.1",
            "port": line.port,
            "database": pg.database,
            "username": self.admin,
            "password": _ADMIN_PASSWORD,
            "sslEnabled": False,
        }
        self.parameters = {"username1": self.users[0], "username2": self.users[1]}
        self.recover()

    async def logs_in(self, published: Values) -> bool:
        return self.pg.login(published["username"], published["password"])

    def strays(self, held: Sequence[Values]) -> Collection[str]:
        return ()

    def intact(self) -> bool:
        return self.pg.login(self.stranger, _STRANGER)

    def lose_answer(self) -> None:
        self.line.sent.clear()
        self.line.cut_on, self.line.once = STATEMENT, True

    def throttle(self) -> None:
        self._alter("ALTER ROLE {} CONNECTION LIMIT 0", self.admin)
        self._hang_up()

    def lag(self, published: Values) -> None:
        for user in self.users:
            if user != published.get("username"):
                self._alter("ALTER ROLE {} NOLOGIN", user)

    def forbid(self) -> None:
        self._alter("REVOKE {1}, {2} FROM {0}", self.admin, *self.users)
        self._alter("ALTER ROLE {} NOCREATEROLE", self.admin)

    def recover(self) -> None:
        self._alter("ALTER ROLE {} CONNECTION LIMIT -1 CREATEROLE", self.admin)
        self._alter("GRANT {1}, {2} TO {0} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE", self.admin, *self.users)
        for user in self.users:
            self._alter("ALTER ROLE {} LOGIN", user)

    def spoil(self, credential: Values) -> None:
        self._alter("ALTER ROLE {} PASSWORD 'changed by hand'", credential["username"])

    def remove(self) -> None:
        self._alter("DROP ROLE {}, {}", *self.users)

    def _alter(self, statement: LiteralString, *roles: str) -> None:
        self.pg.execute(sql.SQL(statement).format(*map(sql.Identifier, roles)))

    def _hang_up(self) -> None:
        self.pg.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = %s", self.admin)


@contextlib.asynccontextmanager
async def stand(request: pytest.FixtureRequest) -> AsyncIterator[PostgresStand]:
    pg: Database = request.getfixturevalue("pg")
    async with line_to(pg.port) as line:
        yield PostgresStand(pg, line)


SUBJECT = Subject("postgres-credentials", stand)
