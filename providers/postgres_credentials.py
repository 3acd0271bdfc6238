"""The rotation type `postgres-credentials`: two users of one database whose passwords change in turn."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from providers.base import (
    Call,
    CandidateRequest,
    Check,
    Credential,
    CredentialRefused,
    Disconnected,
    Disconnecting,
    Foreseeing,
    Issue,
    ModelClass,
    Preparable,
    Preparation,
    Problem,
    Provider,
    Slot,
    TargetError,
    TargetRefused,
    Upcoming,
    Use,
)
from providers.fields import Fields, Text, bytes_at_most, complaint
from providers.passwords import PasswordRequirements, generate
from providers.postgres_errors import identifier
from providers.postgres_preparation import script
from providers.postgres_statement import DEFAULT_STATEMENT, TemplateError, problem, render

if TYPE_CHECKING:
    from providers.postgres import PostgresTarget

_Username = Annotated[Text, AfterValidator(bytes_at_most(63, "A PostgreSQL username"))]


def _statement(value: str | None) -> str | None:
    value = (value or "").strip()
    if found := value and problem(value):
        raise complaint("rotation_statement", found)
    return value or None


class PostgresParameters(Fields):
    """The documented parameters."""

    username1: _Username = Field(
        title="First username", description="Rotated user, published first.", examples=["app_user_1"]
    )
    username2: _Username = Field(
        title="Second username", description="The other user; the two take turns.", examples=["app_user_2"]
    )
    rotation_statement: Annotated[str | None, AfterValidator(_statement)] = Field(
        default=None,
        title="Rotation statement",
        description="SQL that sets the password, with {{username}}, {{password}}, {{database}}; "
        "the built-in one when left out.",
        examples=[DEFAULT_STATEMENT],
        json_schema_extra={"multiline": True, "advanced": True},
    )
    password_requirements: PasswordRequirements | None = Field(
        default=None,
        title="Password requirements",
        description="Length and characters of new passwords; 48 letters and digits when left out.",
        json_schema_extra={"advanced": True},
    )


class PostgresMapping(Fields):
    """The documented secretsMapping."""

    username: Text = Field(
        default="POSTGRES_DB_USERNAME", title="Username", description="Secret that holds the active username."
    )
    password: Text = Field(
        default="POSTGRES_DB_PASSWORD", title="Password", description="Secret that holds the active password."
    )


_CHANGE_IT = "Change the rotation statement."
_SESSIONS = """
    SELECT application_name, coalesce(pg_catalog.host(client_addr), ''), count(*), min(backend_start)
    FROM pg_catalog.pg_stat_activity
    WHERE usename = %s AND application_name <> 'keyturn'
    GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
"""
"""Our own logins are left out: one that just ended may still be listed."""

_EXPIRED = """
    SELECT CASE WHEN rolcanlogin AND rolvaliduntil <= now() THEN rolvaliduntil::text END
    FROM pg_catalog.pg_roles WHERE rolname = %s
"""


class PostgresCredentialsProvider:
    """Rotates by overwriting: a slot's user is always the same, its password new each time."""

    type = "postgres-credentials"
    title = "PostgreSQL credentials"
    app = "postgres"
    name_max_length = 32
    parameters: ModelClass = PostgresParameters
    mapping: ModelClass = PostgresMapping
    secret_fields = frozenset({"password"})
    # Both temporary passwords have to die at creation; the first user is published.
    initial_slots: tuple[Slot, ...] = (1, 0)
    verify_successes = 1
    # A pooler may remember the old password for a moment.
    verify_patience = 5.0
    restores = True
    retires = False

    def check_parameters(self, parameters: PostgresParameters, connection: Mapping[str, Any]) -> list[Problem]:
        """Rules that need no server."""
        problems = []
        users = {"username1": parameters.username1, "username2": parameters.username2}
        for field, user in users.items():
            if user == connection.get("username"):
                problems.append(
                    Problem(
                        f"parameters.{field}",
                        f"{user} is the connection's own user; rotating it would lock Keyturn out.",
                    )
                )
            if found := _unwritable(parameters, user, str(connection.get("database", ""))):
                problems.append(Problem("parameters.rotationStatement", f"For {user}: {found}"))
        if parameters.username1 == parameters.username2:
            message = "The two users must differ: with one, each rotation would break the password in use."
            problems.append(Problem("parameters.username2", message))
        return problems

    def identity(self, parameters: PostgresParameters, slot: Slot) -> str:
        """The slot's user."""
        return (parameters.username1, parameters.username2)[slot]

    def candidate(self, parameters: PostgresParameters, request: CandidateRequest) -> Credential:
        """The slot's user with a new password."""
        requirements = parameters.password_requirements or PasswordRequirements()
        password = generate(requirements, request.choice)
        return Credential({"username": self.identity(parameters, request.slot), "password": password})

    async def issue(self, target: PostgresTarget, parameters: PostgresParameters, request: Issue) -> Credential:
        """Set the candidate's password; setting it once more changes nothing."""
        values = request.candidate.values
        if request.active is not None and request.active.values.get("username") == values["username"]:
            raise TargetRefused(
                f"{values['username']} is the published user; a new password would break who uses it now.",
                remedy="Give the two slots different users.",
            )
        await self._set_password(target, parameters, values["username"], values["password"], login_follows=True)
        return request.candidate

    async def verify(self, target: PostgresTarget, parameters: PostgresParameters, credential: Credential) -> None:
        """Log in to the connection's database as the user; for a refusal, look for a reason that logins don't tell."""
        username = credential.values["username"]
        try:
            await target.login(username, credential.values["password"])
        except CredentialRefused as refusal:
            reasoned = await _reasoned(target, username, refusal)
            explained = reasoned.remedy.endswith(";")  # by a statement that mends it
            if parameters.rotation_statement is not None and not explained:
                reasoned.remedy = f"{reasoned.remedy} Or the rotation statement does not set the password.".strip()
            raise reasoned from None

    async def in_use(
        self, target: PostgresTarget, parameters: PostgresParameters, credential: Credential, since: datetime
    ) -> list[Use]:
        """The user's sessions by application, and by address where the connection's role may see it (pg_monitor)."""
        async with target.session() as session:
            rows = await session.rows(_SESSIONS, credential.values["username"])
        return [Use(who, where, count, started) for who, where, count, started in rows]

    async def retire(self, target: PostgresTarget, parameters: PostgresParameters, credential: Credential) -> None:
        """Do nothing, mostly: a user has one password, and `issue` overwrote it.

        Only a user that the rotation was edited away from still has an old one.
        """
        if credential.values["username"] not in {parameters.username1, parameters.username2}:
            await self.revoke(target, parameters, credential)

    async def revoke(self, target: PostgresTarget, parameters: PostgresParameters, credential: Credential) -> None:
        """Set a password that nobody keeps, and that no journal needs. A user who is gone is revoked already."""
        username = credential.values["username"]
        async with target.session() as session:
            exists = await session.rows("SELECT FROM pg_catalog.pg_roles WHERE rolname = %s", username)
        if exists:
            password = generate(parameters.password_requirements or PasswordRequirements(), secrets.choice)
            await self._set_password(target, parameters, username, password)

    async def preflight(self, target: PostgresTarget, parameters: PostgresParameters) -> list[Check]:
        """Server, TLS, both users, and the right to change their passwords, tried in a transaction that is undone."""
        from providers.postgres_preflight import preflight

        return await preflight(target, _users(parameters), parameters.rotation_statement)

    def foresee(
        self, parameters: PostgresParameters, connection: Mapping[str, Any], upcoming: Upcoming
    ) -> Mapping[str, Sequence[Call]]:
        """The statements, as they are sent."""
        from providers.postgres_foresight import foresee

        return foresee(parameters, connection, self.identity(parameters, upcoming.slot))

    async def probe(self, target: PostgresTarget, parameters: PostgresParameters, upcoming: Upcoming) -> list[Check]:
        """The preflight's checks, which change nothing, and the rights that an emergency would need."""
        from providers.postgres_sessions import rights

        checks, admin = await self.preflight(target, parameters), target.credentials.username
        try:
            async with target.session() as session:
                checks += [await rights(session, admin, user) for user in _users(parameters)]
        except TargetError:
            return checks  # the preflight has said why
        return checks

    async def disconnect(
        self, target: PostgresTarget, parameters: PostgresParameters, slot: Slot, replaced: Callable[[], timedelta]
    ) -> Disconnected:
        """End what the user's former password opened: a new one ends no session."""
        from providers.postgres_sessions import disconnect

        return await disconnect(target, self.identity(parameters, slot), replaced)

    def preparation(self, parameters: PostgresParameters, connection: Mapping[str, Any]) -> Preparation:
        """The script that creates both users and the role that they share."""
        text = script(_users(parameters), admin=connection["username"], database=connection["database"])
        return Preparation(f"Create {parameters.username1} and {parameters.username2}", text)

    async def prepare(self, target: PostgresTarget, parameters: PostgresParameters) -> None:
        """Run that script."""
        credentials = target.credentials
        text = script(_users(parameters), admin=credentials.username, database=credentials.database)
        try:
            async with target.session() as session:
                await session.commit_script(text)
        except TargetRefused as error:
            error.remedy = error.remedy or f"Let a superuser run the script in {credentials.database}."
            raise

    async def _set_password(
        self,
        target: PostgresTarget,
        parameters: PostgresParameters,
        username: str,
        password: str,
        *,
        login_follows: bool = False,
    ) -> None:
        ahead = target.login_ahead(username, password) if login_follows else contextlib.nullcontext()
        if parameters.rotation_statement is None:
            async with target.session(role=username, secrets=(password,)) as session, ahead:
                await session.set_password(username, password)
            return
        try:
            async with target.session(role=username, secrets=(password,)) as session, ahead:
                statement = render(
                    parameters.rotation_statement,
                    username=username,
                    password=password,
                    database=target.credentials.database,
                    verifier=session.verifier(password),
                )
                await session.commit_script(statement)
        except TemplateError as error:
            raise TargetRefused(str(error), remedy=_CHANGE_IT) from None
        except TargetRefused as refusal:
            refusal.remedy = refusal.remedy or _CHANGE_IT
            raise


async def _reasoned(target: PostgresTarget, username: str, refusal: CredentialRefused) -> CredentialRefused:
    """Say why, where the connection's role can see it: for strangers the server calls it all a wrong password."""
    try:
        async with target.session() as session:
            found = await session.rows(_EXPIRED, username)
    except TargetError:
        return refusal
    name, at = identifier(username), target.credentials.address
    if not found:
        return CredentialRefused(
            f"There is no role {username} (PostgreSQL at {at}).", remedy=f"CREATE ROLE {name} LOGIN;"
        )
    [(expired_at,)] = found
    if expired_at:
        return CredentialRefused(
            f"The password of {username} expired at {expired_at} (PostgreSQL at {at}). A new one does not change that.",
            remedy=f"ALTER ROLE {name} VALID UNTIL 'infinity';",
        )
    return refusal


def _users(parameters: PostgresParameters) -> tuple[str, str]:
    return parameters.username1, parameters.username2


def _unwritable(parameters: PostgresParameters, username: str, database: str) -> str:
    """Return why the statement can't hold some value that will have to go into it, if so."""
    requirements = parameters.password_requirements or PasswordRequirements()
    password = requirements.symbols if requirements.required.symbols else "x"
    try:
        render(
            parameters.rotation_statement or DEFAULT_STATEMENT,
            username=username,
            password=password,
            database=database,
            verifier="x",
        )
    except TemplateError as error:
        return str(error)
    return ""


PROVIDER = PostgresCredentialsProvider()
if TYPE_CHECKING:
    _provider: Provider = PROVIDER
    _preparable: Preparable = PROVIDER
    _foreseeing: Foreseeing = PROVIDER
    _disconnecting: Disconnecting = PROVIDER
