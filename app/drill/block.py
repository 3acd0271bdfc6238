"""Keeping the target from answering: a process can then be killed while its call is under way there."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from providers.postgres import PostgresTarget
from providers.postgres_errors import identifier

if TYPE_CHECKING:
    from providers.postgres_connection import AsyncConnection


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


@contextlib.asynccontextmanager
async def blocked(target: PostgresTarget, user: str) -> AsyncIterator[Block]:
    """Until the block is left. What was asked of the server meanwhile takes effect then, whether its sender lives or
    not.
    """
    from providers import postgres_connection as wire

    admin = target.credentials
    connection = await wire.connect(admin, admin.username, admin.password.get_secret_value())
    try:
        await connection.execute("BEGIN")
        await connection.execute(f"ALTER ROLE {identifier(user)} CONNECTION LIMIT -1".encode())
        yield Block(connection)
        await connection.execute("ROLLBACK")
    finally:
        await connection.close()
