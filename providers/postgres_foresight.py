"""What the next rotation of a PostgreSQL user will send, for people to read beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from providers.base import Call
from providers.postgres_errors import identifier

if TYPE_CHECKING:
    from providers.postgres_credentials import PostgresParameters

_LOCK = "Locks the row of {} in pg_authid until it commits; waits 5 s for that lock at most, runs 10 s at most."


def foresee(parameters: PostgresParameters, connection: Mapping[str, Any], user: str) -> Mapping[str, Sequence[Call]]:
    """Return the calls by step."""
    database = connection.get("database", "")
    look = f"a look into pg_stat_activity, at the sessions of {user}"
    return {
        "guard": [Call(look, "Takes no lock.")],
        "issue": [_issue(parameters, user, str(database))],
        "verify": [Call(f"a login as {user} to the database {database}, with an empty statement", "Takes no lock.")],
    }


def _issue(parameters: PostgresParameters, user: str, database: str) -> Call:
    lock = _LOCK.format(user)
    if parameters.rotation_statement is None:
        text = f"ALTER ROLE {identifier(user)} PASSWORD 'SCRAM-SHA-256$...'"
        return Call(text, f"{lock} The password itself is not sent, only a verifier of it.")
    text = parameters.rotation_statement.replace("{{username}}", user).replace("{{database}}", database)
    return Call(text, f"The rotation's own statement, in one transaction. {lock}")
