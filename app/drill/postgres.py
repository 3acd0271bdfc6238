"""The drill's part of a PostgreSQL server: four users, and a lock that holds up who changes one of them."""

from __future__ import annotations

import contextlib
import secrets
import string
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from app.drill.gate import Access
from app.drill.scratch import Held
from providers.base import Outcome, TargetError, TargetRefused
from providers.postgres import PostgresTarget
from providers.postgres_errors import identifier

if TYPE_CHECKING:
    from providers.postgres_connection import AsyncConnection

_COUNT = 4


@dataclass
class PostgresScratch:
    """`present` are those of the names that exist, as far as is known."""

    access: Access
    names: tuple[str, ...]
    present: tuple[str, ...] = ()
    let_in: bool = field(default=False, init=False)
    """Whether they had to be given CONNECT, since not everybody has it."""
    type: str = "postgres-credentials"
    fields: tuple[str, ...] = ("username", "password")

    @property
    def way_in(self) -> Access:
        return self.access

    @property
    def users(self) -> Mapping[str, str]:
        return _parameters(*self.names[:2])

    @property
    def heirs(self) -> Mapping[str, str]:
        return _parameters(*self.names[2:])

    async def make(self) -> None:
        """They may log in, and are given no right on anything else."""
        self.present = self.names
        try:
            async with self._target() as target, target.session() as session:
                rows = await session.rows("SELECT NOT has_database_privilege('public', current_database(), 'CONNECT')")
                self.let_in = bool(rows[0][0])
                await session.commit_script(self._creation)
        except TargetError as error:
            if error.outcome is Outcome.UNCHANGED:
                self.present = ()
            error.remedy = (
                f"The drill makes users of its own: {self.access.credentials['username']} needs CREATEROLE for that, or"
                " use the connection of a role that has it."
                if isinstance(error, TargetRefused)
                else error.remedy
            )
            raise

    async def remove(self) -> None:
        if not self.present:
            return
        async with self._target() as target, target.session() as session:
            query = "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = ANY(%s)"
            rows = await session.rows(query, list(self.present))
            self.present = tuple(sorted(str(name) for (name,) in rows))
            if self.present:
                await session.commit_script(self.removal)
        self.present = ()

    async def clear(self) -> None:
        """A password is replaced by the next one."""

    def note(self, notes: Path | None) -> None:
        """What may be held up is known: any change of a user."""

    @contextlib.asynccontextmanager
    async def holding(self, call: str, *, answered: bool) -> AsyncIterator[Block]:
        """`call` is the number of a user. What is asked of the server about him takes effect when the block is left,
        whether its sender lives or not.
        """
        from providers import postgres_connection as wire

        async with self._target() as target:
            admin = target.credentials
        connection = await wire.connect(admin, admin.username, admin.password.get_secret_value())
        try:
            await connection.execute("BEGIN")
            await connection.execute(f"ALTER ROLE {identifier(self.names[int(call)])} CONNECTION LIMIT -1".encode())
            yield Block(connection)
            await connection.execute("ROLLBACK")
        finally:
            await connection.close()

    async def complaints(self, known: Sequence[Held]) -> list[str]:
        """A user has one password, and whoever made up another one is noticed by its login."""
        return [
            f"a slot of {held.owner} holds a credential of {held.values['username']}"
            for held in known
            if held.owner != held.values["username"]
        ]

    @contextlib.asynccontextmanager
    async def _target(self) -> AsyncIterator[PostgresTarget]:
        target = self.access.open()
        assert isinstance(target, PostgresTarget)
        try:
            yield target
        finally:
            await target.close()

    @property
    def _creation(self) -> str:
        made = [f"CREATE ROLE {identifier(user)} LOGIN;" for user in self.names]
        return "\n".join([*made, *([f"GRANT {self._right} TO {_listed(self.names)};"] if self.let_in else [])])

    @property
    def removal(self) -> str:
        """The SQL that removes what is there."""
        if not self.present:
            return ""
        users = _listed(self.present)
        return "\n".join([*([f"REVOKE {self._right} FROM {users};"] if self.let_in else []), f"DROP ROLE {users};"])

    @property
    def _right(self) -> str:
        return f"CONNECT ON DATABASE {identifier(self.access.credentials['database'])}"


class Block:
    """An unfinished change of a user; other changes of the same user wait for its end."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def waited_for(self) -> bool:
        cursor = await self._connection.execute(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_locks"
            " WHERE NOT granted AND pg_catalog.pg_backend_pid() = ANY (pg_catalog.pg_blocking_pids(pid)))"
        )
        row = await cursor.fetchone()
        return row is not None and bool(row[0])


def postgres_scratch(access: Access) -> PostgresScratch:
    mark = "".join(secrets.choice(string.ascii_lowercase) for _ in range(10))
    return PostgresScratch(access, tuple(f"keyturn_drill_{mark}_{number}" for number in range(1, _COUNT + 1)))


def _parameters(username1: str, username2: str) -> dict[str, str]:
    return {"username1": username1, "username2": username2}


def _listed(users: tuple[str, ...]) -> str:
    return ", ".join(identifier(user) for user in users)
