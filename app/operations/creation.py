"""Creating a rotation: every local check, then the preflight, then the journaled attempts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from app.contract import ParsedRotation, SecretRotation, parse_rotation, validated
from app.errors import Busy, InvalidInput, NotFound, PreflightFailed, RotationFailed
from app.operations.context import Context, connection_by, environment_by
from app.operations.documents import document_of
from app.rotation.attempt import CREATE, Listener
from app.rotation.engine import nobody
from app.rotation.redact import redact
from providers.base import Check, CheckResult, Preparable, Preparation, Problem, Provider, Target
from providers.registry import provider as provider_of
from store import connections, journal, projects, rotations, secrets
from store.database import Tx
from store.errors import Conflict, LeaseBusy
from store.journal import Lease
from store.tables import Connection, Environment, Rotation


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
        """Everything that can be found out without contacting a target; fields under their documented names."""
        try:
            await self._checked(type_name, data)
        except InvalidInput as error:
            return list(error.problems)
        except NotFound as error:
            return [Problem("connectionId" if "connection" in error.message else "environment", error.message)]
        return []

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
        engine = self.context.engine
        try:
            await engine.carry_out(lease, CREATE, self.context.actor, listener)
        except RotationFailed as failure:
            if await self.context.store.awrite(lambda tx: journal.withdraw_creation(tx, lease.rotation_id)):
                raise RotationFailed(
                    f"Not created: {failure.message}", remedy="Nothing was changed or stored."
                ) from None
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
        return [*clean, await self._store_check()]

    async def _store_check(self) -> Check:
        """Proves by an empty write that what comes back from the target can be kept."""
        await self.context.store.awrite(lambda tx: None)
        return Check("Store writable", CheckResult.PASSED, self.context.store.location)

    async def _begin(self, request: _Request) -> Lease:
        """Commit the intent: from here on the loop finishes the creation, whoever dies."""

        def begin(tx: Tx) -> Lease:
            again = _look_up(tx, request.provider, request.parsed)
            rotation_id = again.unfinished.id if again.unfinished else self._insert(tx, again)
            return journal.claim(tx, rotation_id, self.context.engine.owner, self.context.engine.lease_seconds)

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


def _look_up(tx: Tx, kind: Provider, parsed: ParsedRotation) -> _Request:
    """The rules that need our own data. Raises InvalidInput, NotFound."""
    body = parsed.body
    connection = connection_by(tx, body.connection_id)
    _, environment = environment_by(tx, body.project_id, body.environment)
    problems: list[Problem] = []
    if connection.app != kind.app:
        problems.append(
            Problem("connectionId", f"{connection.name} is a connection to {connection.app}, not to {kind.app}")
        )
    else:
        problems += kind.check_parameters(parsed.parameters, connection.settings)
    folder = projects.find_folder(tx, environment.id, body.secret_path)
    unfinished = None
    if folder is not None:
        existing = rotations.find(tx, folder.id, body.name)
        if existing is not None and _same_creation(existing, connection, kind, parsed):
            unfinished = existing
        elif existing is not None:
            problems.append(Problem("name", f"a rotation named {body.name} exists already at {body.secret_path}"))
        names = secrets.taken(tx, folder.id, parsed.mapping.values(), unfinished.id if unfinished else None)
        problems += [
            Problem(f"secretsMapping.{key}", f"a secret named {name} exists already at {body.secret_path}")
            for key, name in parsed.mapping.items()
            if name in names
        ]
    if problems:
        raise InvalidInput(problems)
    secret_part = connections.secret_credentials(tx, connection)
    return _Request(kind, parsed, connection, secret_part, environment, unfinished)


def _same_creation(row: Rotation, connection: Connection, kind: Provider, parsed: ParsedRotation) -> bool:
    return (
        row.last_rotated_at is None
        and row.deletion is None
        and row.type == kind.type
        and row.connection_id == connection.id
        and row.parameters == dump_parameters(parsed.parameters)
        and row.secrets_mapping == parsed.mapping
    )
