"""Creating a rotation: every local check, then the preflight, then the journaled attempts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from app.contract import SecretRotation
from app.errors import Busy, InvalidInput, NotFound, PreflightFailed, RotationFailed
from app.operations.context import Context, connection_by, environment_by
from app.operations.documents import document_of
from app.operations.holders import held_elsewhere
from app.operations.outlook import outlook
from app.operations.store_check import store_check
from app.rotation.agenda import CREATE
from app.rotation.engine import nobody
from app.rotation.failpoints import reached
from app.rotation.redact import redact
from app.rotation.surroundings import Listener
from app.validation import ParsedRotation, ReadRotation, parse_rotation, read_rotation, validated
from app.views import Outlook, Pick
from providers.base import Check, CheckResult, Choosing, Preparable, Preparation, Problem, Provider, Target
from providers.registry import provider as provider_of
from store import connections, lifecycle, projects, rotations, secrets
from store.database import Tx
from store.errors import Conflict, LeaseBusy
from store.leases import Lease
from store.tables import Connection, Environment, Rotation

PICKS = 100
"""More than that nobody reads; what is searched for narrows it down."""


@dataclass(frozen=True)
class Created:
    rotation: SecretRotation
    ignored: tuple[str, ...]


@dataclass(frozen=True)
class _Request:
    """A body that passed every local check."""

    provider: Provider
    parsed: ParsedRotation
    connection: Connection
    secrets: Mapping[str, str]
    environment: Environment
    unfinished: Rotation | None
    """An earlier creation of the same rotation that got stuck; it is resumed."""


@dataclass(frozen=True)
class Creation:
    context: Context

    async def problems(self, type_name: str, data: Any) -> list[Problem]:
        """Everything that can be found out without contacting a target; fields under their documented names.

        An unfinished body is checked as far as it goes, so that one step of a form can ask about its own fields.
        """
        kind = provider_of(type_name)
        read = read_rotation(kind, data)
        found = await self.context.store.aread(lambda tx: _find(tx, kind, read))
        unknown = [Problem(name, error.message) for name, error in found.unknown.items()]
        return [*read.problems, *unknown, *found.problems]

    def outlook(self, type_name: str, data: Any) -> Outlook:
        """What `create` would do with the body as it stands, and when the rotation would then run."""
        kind = provider_of(type_name)
        return outlook(kind, read_rotation(kind, data), self.context.clock())

    async def preflight(self, type_name: str, data: Any) -> list[Check]:
        """Contacts the target and changes nothing there. Raises InvalidInput, NotFound."""
        return await self._preflight(await self._checked(type_name, data))

    async def create(self, type_name: str, data: Any, listener: Listener = nobody) -> Created:
        """Raises InvalidInput, NotFound, PreflightFailed (nothing stored), RotationFailed, Busy."""
        request = await self._checked(type_name, data)
        checks = await self._preflight(request)
        if any(check.result is CheckResult.FAILED for check in checks):
            raise PreflightFailed(checks)
        lease = await self._begin(request)
        reached("create.begun")
        engine = self.context.engine
        try:
            await engine.carry_out(lease, CREATE, self.context.actor, listener)
        except RotationFailed as failure:
            if await self.context.store.awrite(lambda tx: lifecycle.withdraw_creation(tx, lease.rotation_id)):
                # The last line tells when it is tried again, but nothing is left to try.
                remedy = failure.remedy.rpartition("\n")[0]
                message = f"Not created, and nothing was changed: {failure.message}"
                raise RotationFailed(message, remedy=remedy) from None
            raise RotationFailed(
                f"Not finished: {failure.message}",
                remedy=f"{failure.remedy}\nThe rotation is kept as {request.parsed.body.name}: create it again, or "
                "rotate it, to go on; delete it to give up.",
            ) from None
        rotation = await self.context.store.aread(
            lambda tx: document_of(tx, tx.session.get_one(Rotation, lease.rotation_id))
        )
        return Created(rotation, request.parsed.ignored)

    def preparation(self, type_name: str, parameters: Any, connection: Mapping[str, Any]) -> Preparation | None:
        """The script that prepares a target, where the type has one. Raises InvalidInput."""
        kind = provider_of(type_name)
        if not isinstance(kind, Preparable):
            return None
        return kind.preparation(_parameters(kind, parameters), connection)

    async def prepare(self, type_name: str, parameters: Any, connection: str) -> None:
        """Run that script through the connection. Raises InvalidInput, NotFound, TargetError."""
        kind = provider_of(type_name)
        assert isinstance(kind, Preparable)
        model = _parameters(kind, parameters)
        target = await self._target(connection)
        await kind.prepare(target, model)

    async def picks(self, type_name: str, connection: str, query: str = "", limit: int = PICKS) -> list[Pick]:
        """What there is to rotate through a connection, by name. Raises NotFound, TargetError."""
        kind = provider_of(type_name)
        assert isinstance(kind, Choosing)
        target = await self._target(connection)
        return [Pick(c.title, c.detail, c.fills) for c in await kind.choices(target, query, limit)]

    async def _target(self, ref: str) -> Target:
        def look(tx: Tx) -> tuple[Connection, dict[str, str]]:
            row = connection_by(tx, ref)
            return row, connections.secret_credentials(tx, row)

        row, secret_part = await self.context.store.aread(look)
        return await self.context.targets.get(row, secret_part)

    async def _checked(self, type_name: str, data: Any) -> _Request:
        kind = provider_of(type_name)
        parsed = parse_rotation(kind, data)
        return await self.context.store.aread(lambda tx: _look_up(tx, kind, parsed))

    async def _preflight(self, request: _Request) -> list[Check]:
        target = await self.context.targets.get(request.connection, request.secrets)
        checks = await request.provider.preflight(target, request.parsed.parameters)
        hidden = list(request.secrets.values())
        clean = [Check(c.title, c.result, redact(c.detail, hidden), redact(c.remedy, hidden)) for c in checks]
        return [*clean, await store_check(self.context)]

    async def _begin(self, request: _Request) -> Lease:
        """Commit the intent: from here on the loop finishes the creation, whoever dies."""

        def begin(tx: Tx) -> Lease:
            again = _look_up(tx, request.provider, request.parsed)
            rotation_id = again.unfinished.id if again.unfinished else self._insert(tx, again)
            return self.context.engine.claim_in(tx, rotation_id)

        try:
            return await self.context.store.awrite(begin)
        except LeaseBusy:
            raise Busy(
                f"{request.parsed.body.name} is being created by another process.", remedy="Wait for it."
            ) from None
        except Conflict as error:
            raise InvalidInput([Problem("name", error.message)]) from None

    def _insert(self, tx: Tx, request: _Request) -> str:
        body, now = request.parsed.body, self.context.clock()
        folder = projects.ensure_folder(tx, request.environment.id, body.secret_path, self.context.new_id)
        row = Rotation(
            id=self.context.new_id(),
            folder_id=folder.id,
            connection_id=request.connection.id,
            type=request.provider.type,
            name=body.name,
            description=body.description or None,
            parameters=dump_parameters(request.parsed.parameters),
            secrets_mapping=request.parsed.mapping,
            is_auto_rotation_enabled=body.is_auto_rotation_enabled,
            rotation_interval=body.rotation_interval,
            rotate_at_hours=body.rotate_at_utc.hours,
            rotate_at_minutes=body.rotate_at_utc.minutes,
            guard=body.guard.policy,
            guard_wait_hours=body.guard.wait_hours,
            due_at=now,
            created_at=now,
            updated_at=now,
        )
        rotations.add(tx, row)
        secrets.reserve(tx, folder.id, row.id, request.parsed.mapping, new_id=self.context.new_id, now=now)
        return row.id


def dump_parameters(parameters: BaseModel) -> dict[str, Any]:
    """As documented: camelCase, without what was not given."""
    return parameters.model_dump(mode="json", by_alias=True, exclude_none=True)


def _parameters(kind: Provider, data: Any) -> BaseModel:
    problems: list[Problem] = []
    model = validated(kind.parameters, data, "parameters", problems)
    if model is None:
        raise InvalidInput(problems)
    return model


@dataclass
class _Found:
    """What our own data say about a body: rows, rules that are broken, and what there is none of, by field."""

    connection: Connection | None = None
    environment: Environment | None = None
    unfinished: Rotation | None = None
    problems: list[Problem] = field(default_factory=list)
    unknown: dict[str, NotFound] = field(default_factory=dict)


def _look_up(tx: Tx, kind: Provider, parsed: ParsedRotation) -> _Request:
    """The rules that need our own data. Raises InvalidInput, NotFound."""
    found = _find(tx, kind, ReadRotation(parsed.body, parsed.parameters, parsed.mapping, (), ()))
    for error in found.unknown.values():
        raise error
    if found.problems:
        raise InvalidInput(found.problems)
    assert found.connection is not None
    assert found.environment is not None
    secret_part = connections.secret_credentials(tx, found.connection)
    return _Request(kind, parsed, found.connection, secret_part, found.environment, found.unfinished)


def _find(tx: Tx, kind: Provider, read: ReadRotation) -> _Found:
    found, body = _Found(), read.body
    if read.given("connectionId"):
        try:
            found.connection = connection_by(tx, body.connection_id)
        except NotFound as error:
            found.unknown["connectionId"] = error
    if read.given("projectId", "environment"):
        try:
            found.environment = environment_by(tx, body.project_id, body.environment)[1]
        except NotFound as error:
            found.unknown["environment"] = error
    connection = found.connection
    if connection is not None and connection.app != kind.app:
        message = f"{connection.name} is a connection to {connection.app}, not to {kind.app}"
        found.problems.append(Problem("connectionId", message))
    elif read.parameters is not None:
        found.problems += kind.check_parameters(read.parameters, connection.settings if connection else {})
    served = connection.project_id if connection else None
    if connection and found.environment and served not in (None, found.environment.project_id):
        found.problems.append(Problem("connectionId", f"{connection.name} serves another project"))
    if found.environment is not None and read.given("secretPath"):
        _look_at_place(tx, kind, read, found, found.environment)
    if connection is not None and connection.app == kind.app and read.parameters is not None:
        mine = found.unfinished.id if found.unfinished else None
        project_id = found.environment.project_id if found.environment else None
        found.problems += held_elsewhere(
            tx, kind, read.parameters, connection, project_id=project_id, except_rotation=mine
        )
    return found


def _look_at_place(tx: Tx, kind: Provider, read: ReadRotation, found: _Found, environment: Environment) -> None:
    """The rotation's name and its secrets' names must be free there."""
    path = read.body.secret_path
    folder = projects.find_folder(tx, environment.id, path)
    if folder is None:
        return
    existing = rotations.find(tx, folder.id, read.body.name) if read.given("name") else None
    if existing is not None and _same_creation(existing, found.connection, kind, read):
        found.unfinished = existing
    elif existing is not None:
        found.problems.append(Problem("name", f"a rotation named {read.body.name} exists already at {path}"))
    mapping = read.mapping or {}
    names = secrets.taken(tx, folder.id, mapping.values(), found.unfinished.id if found.unfinished else None)
    found.problems += [
        Problem(f"secretsMapping.{key}", f"a secret named {name} exists already at {path}")
        for key, name in mapping.items()
        if name in names
    ]


def _same_creation(row: Rotation, connection: Connection | None, kind: Provider, read: ReadRotation) -> bool:
    return (
        row.last_rotated_at is None
        and row.deletion is None
        and row.type == kind.type
        and connection is not None
        and row.connection_id == connection.id
        and read.parameters is not None
        and row.parameters == dump_parameters(read.parameters)
        and row.secrets_mapping == read.mapping
    )
