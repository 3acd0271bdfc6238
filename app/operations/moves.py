"""Moving a rotation with its secrets to another environment or folder. The target is not touched."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.contract import MoveRotation, SecretRotation, UpdateRotation
from app.errors import Busy, InvalidInput, NotFound
from app.operations.context import Context, environment_by, rotation_by
from app.operations.documents import document_of
from app.rotation.failpoints import reached
from app.validation import known_part, validated
from providers.base import Problem
from store import events, leases, projects, rotations, secrets
from store.database import Tx
from store.errors import LeaseBusy
from store.tables import Environment, Rotation


@dataclass(frozen=True)
class _Names:
    """What has to be free where it goes."""

    rotation: str
    secrets: Collection[str]


@dataclass
class _Destination:
    """`taken`: names of ours that secrets have there."""

    environment: Environment
    taken: Collection[str] = ()
    problems: list[Problem] = field(default_factory=list)


async def problems(context: Context, ref: str, data: Any, edit: Mapping[str, Any] | None = None) -> list[Problem]:
    """Everything that `move` would refuse, after that edit if one comes first. Nothing is changed."""

    def look(tx: Tx) -> _Destination:
        row = rotation_by(tx, ref)
        return _look(tx, row, body, _names_after(row, edit or {}))

    try:
        body = _parsed(data)
        found = await context.store.aread(look)
    except InvalidInput as error:
        return list(error.problems)
    except NotFound as error:
        return [Problem("destinationEnvironment", error.message)]
    return found.problems


async def move(context: Context, ref: str, data: Any) -> SecretRotation:
    """Raises NotFound, InvalidInput, and Busy while an attempt runs."""
    body = _parsed(data)

    def work(tx: Tx) -> SecretRotation:
        found = rotation_by(tx, ref)
        lease = context.engine.claim_in(tx, found.id)
        row = leases.hold(tx, lease)
        _move(context, tx, row, body)
        row.lease_owner, row.lease_until = None, 0.0
        document = document_of(tx, row)
        reached("move.uncommitted")
        return document

    try:
        moved = await context.store.awrite(work)
        reached("move.recorded")
        return moved
    except LeaseBusy as error:
        raise Busy(error.message, remedy=error.remedy) from None


def _parsed(data: Any) -> MoveRotation:
    problems: list[Problem] = []
    given = known_part(MoveRotation, data, []) if isinstance(data, Mapping) else data
    body = validated(MoveRotation, given, "", problems)
    if body is None:
        raise InvalidInput(problems)
    return body


def _move(context: Context, tx: Tx, row: Rotation, body: MoveRotation) -> None:
    now, path = context.clock(), body.destination_secret_path
    here, found = projects.place_of(tx, row.folder_id), _look(tx, row, body, _names_after(row, {}))
    if found.problems:
        raise InvalidInput(found.problems)
    folder = projects.ensure_folder(tx, found.environment.id, path, context.new_id)
    secrets.remove_named(tx, folder.id, found.taken)
    secrets.move(tx, row.id, folder.id, now)
    row.folder_id, row.updated_at = folder.id, now
    events.append(
        tx,
        at=now,
        actor=context.actor,
        action="update-secret-rotation",
        result="success",
        subject=row.name,
        rotation_id=row.id,
        message=f"moved from {here.environment.slug} {here.folder.path} to {found.environment.slug} {path}",
    )


def _names_after(row: Rotation, edit: Mapping[str, Any]) -> _Names:
    """Of an edit that is not valid nothing counts: it is refused for itself."""
    change = validated(UpdateRotation, known_part(UpdateRotation, edit, []), "", []) or UpdateRotation()
    mapping = row.secrets_mapping if change.secrets_mapping is None else change.secrets_mapping
    return _Names(change.name or row.name, [str(name).strip() for name in mapping.values()])


def _look(tx: Tx, row: Rotation, body: MoveRotation, names: _Names) -> _Destination:
    """What is in the way there. Raises NotFound for an unknown environment."""
    here = projects.place_of(tx, row.folder_id)
    _, environment = environment_by(tx, here.project.id, body.destination_environment)
    folder = projects.find_folder(tx, environment.id, body.destination_secret_path)
    found = _Destination(environment)
    if folder is None:
        return found
    if folder.id == row.folder_id:
        found.problems.append(Problem("destinationSecretPath", f"{row.name} is there already"))
    elif rotations.find(tx, folder.id, names.rotation):
        found.problems.append(
            Problem("destinationSecretPath", f"a rotation named {names.rotation} exists there already")
        )
    found.taken = secrets.taken(tx, folder.id, names.secrets, row.id)
    owned = secrets.owned(tx, folder.id, found.taken)
    if found.taken and (not body.overwrite_destination or owned):
        whose = ", which a rotation owns" if body.overwrite_destination else ""
        said = f"taken there: {', '.join(sorted(found.taken))}{whose}"
        found.problems.append(Problem("destinationSecretPath", said))
    return found
