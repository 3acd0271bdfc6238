"""Who is rotated by whom. A user has one password, or two keys at most: two rotations of it would break each
other's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from providers.base import Problem, Provider
from store import connections, projects, rotations
from store.database import Tx
from store.tables import Connection, Rotation


def held_elsewhere(
    tx: Tx,
    kind: Provider,
    parameters: BaseModel,
    connection: Connection,
    *,
    project_id: str | None,
    except_rotation: str | None = None,
) -> list[Problem]:
    """What is wrong with rotating these users: another rotation does, or promised a former password of theirs.

    Outside of this project it is not named: who asks need not know what others have. None: no project is chosen yet.
    """
    if kind.retires:
        return []  # several credentials of one principal live side by side
    holders = {
        identity: row
        for row in rotations.list_all(tx, type=kind.type)
        if row.id != except_rotation and _address(tx, row.connection_id) == _address(tx, connection.id)
        for identity in _identities(tx, kind, row)
    }
    mine = {kind.identity(parameters, slot) for slot in (0, 1)}
    value = "password" if kind.restores else "credential"
    return [
        Problem(
            _field(parameters, identity),
            f"{identity} belongs to {_named(tx, holders[identity], project_id)}: each new {value} would break what "
            "that one has published",
        )
        for identity in sorted(mine & holders.keys())
    ]


def _named(tx: Tx, row: Rotation, project_id: str | None) -> str:
    if project_id in (None, projects.place_of(tx, row.folder_id).project.id):
        return f"the rotation {row.name}"
    return "a rotation of another project"


def _identities(tx: Tx, kind: Provider, row: Rotation) -> Iterator[str]:
    def identity(parameters: Mapping[str, Any], slot: int) -> str:
        return kind.identity(kind.parameters.model_validate(parameters), slot)

    for parameters in (row.parameters, row.succession):
        if parameters is not None:
            yield from (identity(parameters, slot) for slot in (0, 1))
    for attempt in rotations.unfinished(tx, row.id):
        yield identity(attempt.previous_parameters or attempt.parameters, attempt.slot)


def _address(tx: Tx, connection_id: str) -> tuple[str, object, object]:
    """Where users live: two connections may lead to one server."""
    row = connections.get(tx, connection_id)
    assert row is not None
    return row.app, row.settings.get("host", row.id), row.settings.get("port")


def _field(parameters: BaseModel, identity: str) -> str:
    """The parameter that names somebody, under its documented name."""
    for name, info in type(parameters).model_fields.items():
        if getattr(parameters, name) == identity:
            return f"parameters.{info.alias or name}"
    return "parameters"
