"""What a rotation of two PostgreSQL users depends on, looked up and tried before anything is set up."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from providers.base import Check, CheckResult, TargetError
from providers.postgres_errors import admin_grant, identifier, literal
from providers.postgres_preparation import shared_role
from providers.postgres_statement import uses_plaintext

if TYPE_CHECKING:
    from providers.postgres import PostgresTarget
    from providers.postgres_connection import Session

PASSED, WARNING, FAILED = CheckResult.PASSED, CheckResult.WARNING, CheckResult.FAILED

_SERVER = """
    SELECT rolname, rolsuper, rolcreaterole, current_database(),
        current_setting('server_version_num')::int, pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'
    FROM pg_roles WHERE rolname = current_user
"""
_USER = """
    SELECT rolcanlogin, rolsuper, rolreplication, rolconnlimit = 0,
        rolvaliduntil < 'infinity', rolvaliduntil <= now(), rolvaliduntil::text,
        has_database_privilege(oid, current_database(), 'CONNECT'),
        pg_has_role(oid, 'USAGE WITH ADMIN OPTION'), oid = 10
    FROM pg_roles WHERE rolname = %s
"""
_SHARED_ROLE = """
    SELECT substr(setting, 6)
    FROM pg_roles AS member
    JOIN pg_db_role_setting ON setrole = member.oid, unnest(setconfig) AS setting
    JOIN pg_roles AS shared ON shared.rolname = substr(setting, 6)
    WHERE member.rolname = %s AND setting LIKE 'role=%%'
        AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
        AND pg_has_role(member.oid, shared.oid, 'MEMBER')
    ORDER BY setdatabase DESC LIMIT 1
"""


class _Server(NamedTuple):
    """The connection's role and the server as `_SERVER` found them."""

    admin: str
    superuser: bool
    create_role: bool
    database: str
    version: int
    in_recovery: bool
    read_only: bool


class _User(NamedTuple):
    """A user as `_USER` found it."""

    can_log_in: bool
    superuser: bool
    replication: bool
    no_connections: bool
    expires: bool | None
    expired: bool | None
    valid_until: str | None
    may_connect: bool
    admin_option: bool
    bootstrap: bool
    """The superuser that the server was made with; it has to stay one."""


async def preflight(target: PostgresTarget, users: tuple[str, str], statement: str | None) -> list[Check]:
    """Return every check. Nothing is changed: what has to be tried is tried in a transaction that is undone.

    `statement` is the rotation's own, which may work without the right to change passwords: its lack is a warning.
    """
    checks: list[Check] = []
    try:
        async with target.session() as session, session.rolled_back():
            server = _Server(*(await session.rows(_SERVER))[0])
            checks += _server_checks(target, session, server)
            checks.append(_secrecy(server, statement))
            found = {user: await _look_up(session, user) for user in users}
            for user, facts in found.items():
                checks += _user_checks(server, user, facts)
            if not (server.in_recovery or server.read_only):
                for user, facts in found.items():
                    if facts:
                        checks.append(await _try_password(session, server, user, facts, statement))
            if all(found.values()):
                checks.append(await _shared_role(session, server, users))
    except TargetError as error:
        checks.append(Check("Server answers", FAILED, error.message, error.remedy))
    return checks


async def _look_up(session: Session, user: str) -> _User | None:
    rows = await session.rows(_USER, user)
    return _User(*rows[0]) if rows else None


def _server_checks(target: PostgresTarget, session: Session, server: _Server) -> Iterator[Check]:
    credentials = target.credentials
    yield Check("Server answers", PASSED, f"PostgreSQL {session.version} at {credentials.address}")
    if not session.encrypted:
        security = "off, as the connection asks"
    elif credentials.ssl_reject_unauthorized:
        security = "on, certificate verified"
    else:
        security = "on, certificate not verified, as the connection asks"
    yield Check("TLS", PASSED, security)
    if server.in_recovery:
        remedy = "Point the connection at the primary server."
        yield Check("Server takes changes", FAILED, "This is a replica.", remedy)
    elif server.read_only:
        remedy = f"ALTER ROLE {identifier(server.admin)} SET default_transaction_read_only = off;"
        yield Check("Server takes changes", FAILED, "Its transactions are read-only.", remedy)
    else:
        yield Check("Server takes changes", PASSED)


def _secrecy(server: _Server, statement: str | None) -> Check:
    title = "Password stays out of the server's log"
    if statement is None or not uses_plaintext(statement):
        return Check(title, PASSED, "Only a SCRAM-SHA-256 verifier of it is sent.")
    if server.superuser:
        return Check(title, PASSED, "The rotation statement sends it, with the logging of statements turned off.")
    detail = "The rotation statement sends it, and with log_statement or a slow query it would be logged."
    remedy = "Use {{password}} only directly after PASSWORD in ALTER ROLE, or a connection with a superuser."
    return Check(title, WARNING, detail, remedy)


def _user_checks(server: _Server, user: str, facts: _User | None) -> Iterator[Check]:
    name = identifier(user)
    if facts is None:
        yield Check(f"{user} exists", FAILED, "There is no such role.", f"CREATE ROLE {name} LOGIN;")
        return
    yield Check(f"{user} exists", PASSED)
    title = f"{user} may log in"
    for_ever = f"ALTER ROLE {name} VALID UNTIL 'infinity';"
    if not facts.can_log_in:
        yield Check(title, FAILED, "The role is NOLOGIN.", f"ALTER ROLE {name} LOGIN;")
    elif facts.no_connections:
        yield Check(title, FAILED, "Its connection limit is 0.", f"ALTER ROLE {name} CONNECTION LIMIT -1;")
    elif facts.expired:
        yield Check(title, FAILED, f"Its password expired at {facts.valid_until}.", for_ever)
    elif not facts.may_connect:
        remedy = f"GRANT CONNECT ON DATABASE {identifier(server.database)} TO {name};"
        yield Check(title, FAILED, f"Not to the database {server.database}.", remedy)
    elif facts.expires:
        detail = f"Only until {facts.valid_until}: a new password does not move its VALID UNTIL."
        yield Check(title, WARNING, detail, for_ever)
    else:
        yield Check(title, PASSED, f"To the database {server.database}.")


async def _try_password(session: Session, server: _Server, user: str, facts: _User, statement: str | None) -> Check:
    """Change the password for real, to one that nobody knows, and undo it."""
    title = f"{server.admin} may change the password of {user}"
    refusal = await session.attempt(session.new_password(user, secrets.token_urlsafe(24)))
    if refusal is None:
        return Check(title, PASSED, "Tried, and undone.")
    error = session.explain(refusal)
    detail = error.message
    if statement:
        return Check(title, WARNING, f"{detail} The rotation statement has to work without that right.")
    if error.transient:
        return Check(title, WARNING, f"{detail} It could not be tried.", error.remedy)
    remedy = _missing(server, user, facts) if refusal.sqlstate == "42501" else ""
    return Check(title, FAILED, detail, remedy or error.remedy)


def _missing(server: _Server, user: str, facts: _User) -> str:
    """Return what gives the connection's role the right that it lacks: statements, or advice where none can.

    Empty when a missing right is not the reason.
    """
    name = identifier(user)
    if facts.bootstrap:
        return f"Rotate another user: {user} is the superuser that the server was made with."
    if facts.superuser and not server.superuser:
        return f"ALTER ROLE {name} NOSUPERUSER;"
    if facts.replication and server.version < 160000:
        return f"ALTER ROLE {name} NOREPLICATION;"
    statements = [] if server.create_role else [f"ALTER ROLE {identifier(server.admin)} CREATEROLE;"]
    if server.version >= 160000 and not facts.admin_option:
        statements.append(admin_grant(user, server.admin))
    return "\n".join(statements)


async def _shared_role(session: Session, server: _Server, users: tuple[str, str]) -> Check:
    """Without a role that owns what both create, each user would be locked out of the other's tables."""
    title = "Both users own their tables together"
    shared = [await session.rows(_SHARED_ROLE, user) for user in users]
    names = {row[0] for rows in shared for row in rows}
    if all(shared) and len(names) == 1:
        return Check(title, PASSED, f"As {names.pop()}.")
    role = names.pop() if len(names) == 1 else shared_role(users, server.admin, server.database)
    exists = await session.rows("SELECT FROM pg_roles WHERE rolname = %s", role)
    statements = [] if exists else [f"CREATE ROLE {identifier(role)} NOLOGIN;"]
    statements.append(f"GRANT {identifier(role)} TO {', '.join(map(identifier, users))};")
    statements += [f"ALTER ROLE {identifier(user)} SET role TO {literal(role)};" for user in users]
    detail = "A table that one creates belongs to it alone, and the other can't change it."
    return Check(title, WARNING, detail, "\n".join(statements))
