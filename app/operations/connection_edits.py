"""Changing a connection: a part of a body, laid over what is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.errors import Busy, InvalidInput
from app.operations.access import Parsed, parse, refuse_taken, split
from app.operations.context import connection_by
from app.validation import validated
from providers.base import ConnectionApp, Problem
from providers.registry import UnknownType, connection_app, provider
from store import connections, projects, rotations
from store.database import Tx
from store.tables import Connection


@dataclass(frozen=True)
class Edit:
    """`parsed` is the connection as it will be, `changed` names what differs. `access`: how to log in was given."""

    row: Connection
    kind: ConnectionApp
    parsed: Parsed
    changed: tuple[str, ...]
    access: bool


def read(tx: Tx, ref: str, data: Any, *, whole: bool = False) -> Edit:
    """`whole`: credentials that are given replace all that is kept.

    Raises NotFound; InvalidInput, also where a rotation would be left to rotate the connection's own user.
    """
    row = connection_by(tx, ref)
    if not isinstance(data, Mapping):
        raise InvalidInput([Problem("body", "must be a JSON object")])
    if data.get("app", row.app) != row.app:
        raise InvalidInput([Problem("app", f"can't be changed: {row.name} leads to {row.app}. Add another connection")])
    if data.get("projectId") and not _same_project(tx, row, data["projectId"]):
        raise InvalidInput([Problem("projectId", "can't be changed. Add another connection")])
    kind = connection_app(row.app)
    secrets = connections.secret_credentials(tx, row)
    parsed = parse(kind, _laid_over(row, secrets, kind, data, whole=whole))
    if parsed.body.name != row.name:
        refuse_taken(tx, parsed.body.name)
    settings, new_secrets = split(parsed.credentials)
    if problems := [*_locked_out(tx, row, settings)]:
        raise InvalidInput(problems, parsed.ignored)
    changed = {
        "name": parsed.body.name != row.name,
        "description": (parsed.body.description or None) != row.description,
        "method": parsed.body.method != row.method,
        "credentials": (settings, new_secrets) != (row.settings, secrets),
    }
    names = tuple(name for name, differs in changed.items() if differs)
    return Edit(row, kind, parsed, names, access=not {"method", "credentials"}.isdisjoint(data))


def apply(tx: Tx, edit: Edit, now: datetime) -> Connection:
    """Raises Busy when the connection was changed since the edit was read; Conflict when the name was taken."""
    row = connection_by(tx, edit.row.id)
    if row.updated_at != edit.row.updated_at:
        raise Busy(f"Somebody else changed connection {row.name} just now; nothing was kept.", remedy="Look again.")
    body = edit.parsed.body
    if {"method", "credentials"} & set(edit.changed):
        settings, secrets = split(edit.parsed.credentials)
        connections.update_settings(tx, row.id, method=body.method, settings=settings, secrets=secrets, now=now)
    if {"name", "description"} & set(edit.changed):
        connections.update_details(tx, row.id, name=body.name, description=body.description or None, now=now)
    return connection_by(tx, row.id)


def _same_project(tx: Tx, row: Connection, ref: Any) -> bool:
    found = projects.find_project(tx, ref) if isinstance(ref, str) else None
    return found is not None and found.id == row.project_id


def _laid_over(
    row: Connection, secrets: Mapping[str, str], kind: ConnectionApp, data: Mapping[str, Any], *, whole: bool
) -> dict[str, Any]:
    """The whole body. With another method only what is public stays, where that method has a use for it."""
    body = {"name": row.name, "description": row.description, "method": row.method, **data}
    body.pop("app", None)
    given = data.get("credentials", {})
    if not isinstance(given, Mapping) or (whole and "credentials" in data):
        return body
    kept: dict[str, Any] = {**row.settings, **secrets}
    if body["method"] != row.method:
        method = kind.methods.get(str(body["method"]).strip())
        fields = method.model_fields if method is not None else {}
        known = {info.alias or name for name, info in fields.items()}
        kept = {key: value for key, value in row.settings.items() if key in known}
    return {**body, "credentials": {**kept, **given}}


def _locked_out(tx: Tx, row: Connection, settings: Mapping[str, Any]) -> list[Problem]:
    """Rotations that would rotate the user whom the connection logs in as."""
    problems: list[Problem] = []
    for rotation in rotations.list_all(tx):
        if rotation.connection_id != row.id:
            continue
        try:
            kind = provider(rotation.type)
        except UnknownType:
            continue
        parameters = validated(kind.parameters, rotation.parameters, "parameters", [])
        if parameters is None:
            continue
        before = {problem.message for problem in kind.check_parameters(parameters, row.settings)}
        problems += [
            Problem("credentials", f"Rotation {rotation.name}: {problem.message}")
            for problem in kind.check_parameters(parameters, settings)
            if problem.message not in before
        ]
    return problems
