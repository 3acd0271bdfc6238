"""Four users at the target that nothing but one drill uses: made, and removed whatever happened in between."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, field

from providers.base import Outcome, TargetError, TargetRefused
from providers.postgres import PostgresTarget
from providers.postgres_errors import identifier

_COUNT = 4


@dataclass
class Scratch:
    """`present` are those that exist, as far as is known."""

    target: PostgresTarget
    users: tuple[str, ...]
    present: tuple[str, ...] = ()
    let_in: bool = field(default=False, init=False)
    """Whether they had to be given CONNECT, since not everybody has it."""

    async def make(self) -> None:
        """All or none. They may log in, and are given no right on anything else. Raises TargetError."""
        self.present = self.users
        try:
            async with self.target.session() as session:
                rows = await session.rows("SELECT NOT has_database_privilege('public', current_database(), 'CONNECT')")
                self.let_in = bool(rows[0][0])
                await session.commit_script(self._creation)
        except TargetError as error:
            if error.outcome is Outcome.UNCHANGED:
                self.present = ()
            error.remedy = (
                f"The drill makes users of its own: {self.target.credentials.username} needs CREATEROLE for that, or"
                " use the connection of a role that has it."
                if isinstance(error, TargetRefused)
                else error.remedy
            )
            raise

    async def remove(self) -> None:
        """Those that are there. Raises TargetError."""
        if not self.present:
            return
        async with self.target.session() as session:
            query = "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = ANY(%s)"
            rows = await session.rows(query, list(self.present))
            self.present = tuple(sorted(str(name) for (name,) in rows))
            if self.present:
                await session.commit_script(self.removal)
        self.present = ()

    @property
    def _creation(self) -> str:
        made = [f"CREATE ROLE {identifier(user)} LOGIN;" for user in self.users]
        return "\n".join([*made, *([f"GRANT {self._right} TO {_listed(self.users)};"] if self.let_in else [])])

    @property
    def removal(self) -> str:
        """The SQL that removes what is there."""
        users = _listed(self.present)
        return "\n".join([*([f"REVOKE {self._right} FROM {users};"] if self.let_in else []), f"DROP ROLE {users};"])

    @property
    def _right(self) -> str:
        return f"CONNECT ON DATABASE {identifier(self.target.credentials.database)}"


def scratch(target: PostgresTarget) -> Scratch:
    mark = "".join(secrets.choice(string.ascii_lowercase) for _ in range(10))
    return Scratch(target, tuple(f"keyturn_drill_{mark}_{number}" for number in range(1, _COUNT + 1)))


def _listed(users: tuple[str, ...]) -> str:
    return ", ".join(identifier(user) for user in users)
