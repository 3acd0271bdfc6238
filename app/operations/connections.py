"""Connections: named admin access to targets, tested live before it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.contract import AppConnection
from app.errors import InUse, InvalidInput
from app.operations import connection_edits
from app.operations.access import log_in, parse, refuse_taken, split, taken
from app.operations.context import Context, connection_by, project_by
from app.rotation.redact import redact
from app.views import ConnectionTest, ConnectionView
from providers.base import Problem, TargetError
from providers.registry import UnknownType, connection_app
from store import connections, events
from store.database import Tx
from store.errors import Conflict
from store.tables import Connection


@dataclass(frozen=True)
class Added:
    connection: AppConnection
    tested: str
    ignored: tuple[str, ...]


@dataclass(frozen=True)
class Connections:
    context: Context

    async def add(self, app: str, data: Any) -> Added:
        """Validate, log in, keep. Raises InvalidInput, NotFound, TargetError when the test fails (nothing is kept)."""
        kind = connection_app(app)
        parsed = parse(kind, data)

        def check(tx: Tx) -> None:
            refuse_taken(tx, parsed.body.name)
            _project_id(tx, parsed.body.project_id)

        await self.context.store.aread(check)
        tested = await log_in(kind, parsed.body.method, parsed.credentials)
        settings, secrets = split(parsed.credentials)

        def keep(tx: Tx) -> Connection:
            now = self.context.clock()
            row = connections.add(
                tx,
                id=self.context.new_id(),
                name=parsed.body.name,
                app=app,
                method=parsed.body.method,
                description=parsed.body.description or None,
                settings=settings,
                secrets=secrets,
                now=now,
                project_id=_project_id(tx, parsed.body.project_id),
            )
            self._event(tx, "create-app-connection", row.name)
            return row

        try:
            row = await self.context.store.awrite(keep)
        except Conflict:
            raise InvalidInput([taken(parsed.body.name)]) from None
        return Added(document(row), tested, parsed.ignored)

    async def problems(self, app: str, data: Any) -> list[Problem]:
        """What is wrong with a body, without contacting anything; an unfinished one is checked as far as it goes."""
        found: list[Problem] = []
        try:
            parse(connection_app(app), data)
        except InvalidInput as error:
            found = list(error.problems)
        name = data.get("name") if isinstance(data, Mapping) else None
        if isinstance(name, str) and all(problem.field != "name" for problem in found):
            try:
                await self.context.store.aread(lambda tx: refuse_taken(tx, name.strip().lower()))
            except InvalidInput as error:
                found += error.problems
        return found

    async def try_out(self, app: str, data: Any) -> ConnectionTest:
        """Log in with credentials that are not kept. Raises InvalidInput."""
        kind = connection_app(app)
        parsed = parse(kind, data)
        try:
            return ConnectionTest(True, await log_in(kind, parsed.body.method, parsed.credentials))
        except TargetError as error:
            return ConnectionTest(False, error.message, error.remedy)

    async def edit(self, ref: str, data: Any, *, whole: bool = False) -> Added:
        """Replace what `data` gives; what it leaves out stays. Another access is tried out before it is kept.

        `whole`: credentials are given completely or not at all, so that nobody sends a password that is kept here to a
        host of theirs. Raises NotFound, InvalidInput, Busy when somebody else changed it meanwhile, TargetError when
        the test fails.
        """
        edit = await self.context.store.aread(lambda tx: connection_edits.read(tx, ref, data, whole=whole))
        tested = await log_in(edit.kind, edit.parsed.body.method, edit.parsed.credentials) if edit.access else ""

        def keep(tx: Tx) -> Connection:
            row = connection_edits.apply(tx, edit, self.context.clock())
            if edit.changed:
                self._event(tx, "update-app-connection", row.name, f"changed: {', '.join(edit.changed)}")
            return row

        try:
            row = await self.context.store.awrite(keep)
        except Conflict:
            raise InvalidInput([taken(edit.parsed.body.name)]) from None
        return Added(document(row), tested, edit.parsed.ignored)

    async def leads_elsewhere(self, ref: str, data: Any) -> bool:
        """Whether an edit, its credentials given as a whole, changes how a target is reached or who logs in there.

        Raises NotFound, InvalidInput.
        """

        def look(tx: Tx) -> bool:
            edit = connection_edits.read(tx, ref, data, whole=True)
            settings, _ = split(edit.parsed.credentials)
            return (edit.parsed.body.method, settings) != (edit.row.method, edit.row.settings)

        return await self.context.store.aread(look)

    async def edit_problems(self, ref: str, data: Any) -> list[Problem]:
        """What is wrong with an edit, without contacting anything."""
        try:
            await self.context.store.aread(lambda tx: connection_edits.read(tx, ref, data))
        except InvalidInput as error:
            return list(error.problems)
        return []

    async def try_edit(self, ref: str, data: Any) -> ConnectionTest:
        """Log in as the edited connection would, and keep nothing. Raises NotFound, InvalidInput."""
        edit = await self.context.store.aread(lambda tx: connection_edits.read(tx, ref, data))
        try:
            return ConnectionTest(True, await log_in(edit.kind, edit.parsed.body.method, edit.parsed.credentials))
        except TargetError as error:
            return ConnectionTest(False, error.message, error.remedy)

    async def views(self) -> list[ConnectionView]:
        return await self.context.store.aread(lambda tx: [_view(tx, row) for row in connections.list_all(tx)])

    async def view(self, ref: str) -> ConnectionView:
        """Raises NotFound."""
        return await self.context.store.aread(lambda tx: _view(tx, connection_by(tx, ref)))

    async def document(self, ref: str) -> AppConnection:
        """Raises NotFound."""
        return await self.context.store.aread(lambda tx: document(connection_by(tx, ref)))

    async def documents(self) -> tuple[AppConnection, ...]:
        rows = await self.context.store.aread(connections.list_all)
        return tuple(document(row) for row in rows)

    async def used_at(self, ref: str) -> list[tuple[str, str, str]]:
        """Where rotations use it: project id, environment, path. Raises NotFound."""
        return await self.context.store.aread(lambda tx: connections.used_at(tx, connection_by(tx, ref).id))

    async def test(self, ref: str) -> ConnectionTest:
        """Raises NotFound."""

        def look(tx: Tx) -> tuple[Connection, dict[str, str]]:
            row = connection_by(tx, ref)
            return row, connections.secret_credentials(tx, row)

        row, secrets = await self.context.store.aread(look)
        target = await self.context.targets.get(row, secrets)
        try:
            return ConnectionTest(True, await target.test())
        except TargetError as error:
            hidden = secrets.values()
            return ConnectionTest(False, redact(error.message, hidden), redact(error.remedy, hidden))

    async def remove(self, ref: str) -> str:
        """Remove one that no rotation uses; the name of what is gone. Raises NotFound, InUse."""

        def gone(tx: Tx) -> str:
            row = connection_by(tx, ref)
            if users := connections.rotations_using(tx, row.id):
                raise InUse(
                    f"Connection {row.name} is used by: {', '.join(users)}. Nothing was removed.",
                    remedy="Delete these rotations first.",
                )
            connections.remove(tx, row.id)
            self._event(tx, "delete-app-connection", row.name)
            return row.name

        return await self.context.store.awrite(gone)

    def _event(self, tx: Tx, action: str, subject: str, message: str = "") -> None:
        events.append(
            tx,
            at=self.context.clock(),
            actor=self.context.actor,
            action=action,
            result="success",
            subject=subject,
            message=message,
        )


def document(row: Connection) -> AppConnection:
    return AppConnection(
        id=row.id,
        name=row.name,
        description=row.description,
        app=row.app,
        method=row.method,
        credentials=dict(row.settings),
        credentials_hash=row.credentials_hash,
        project_id=row.project_id,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _project_id(tx: Tx, ref: str | None) -> str | None:
    """Raises NotFound."""
    return project_by(tx, ref).id if ref else None


def _view(tx: Tx, row: Connection) -> ConnectionView:
    try:
        title = connection_app(row.app).title
    except UnknownType:
        title = row.app
    return ConnectionView(
        id=row.id,
        name=row.name,
        app=row.app,
        app_title=title,
        method=row.method,
        description=row.description or "",
        settings=dict(row.settings),
        summary=_summary(row.settings),
        used_by=tuple(connections.rotations_using(tx, row.id)),
    )


def _summary(settings: Mapping[str, Any]) -> str:
    """One line for lists, from whatever public fields there are."""
    if {"host", "port", "database", "username"} <= settings.keys():
        return "{username}@{host}:{port}/{database}".format_map(settings)
    return ", ".join(f"{name} {value}" for name, value in settings.items() if "\n" not in str(value))
