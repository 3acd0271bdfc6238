"""Secrets that people write themselves, beside those that rotations write: these refuse, and say whose they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from app.errors import InUse, NotFound
from app.operations.context import Context, environment_by, folder_by, project_by, record
from app.secret_bodies import (
    CreateSecret,
    UpdateSecret,
    details_of,
    parse_create,
    parse_place,
    parse_several,
    parse_update,
)
from app.views import Place
from store import plain_secrets, projects, rotations
from store.database import Tx
from store.tables import Secret


@dataclass(frozen=True)
class Written:
    """`before`: which version it was; 0 for a new one. `version`: which it is, the same when its value was the same."""

    id: str
    name: str
    before: int
    version: int


async def create(context: Context, place: Place, name: str, data: Any) -> Written:
    """Its folder comes into being with it. Raises InvalidInput, NotFound, and Conflict for a name that is taken."""
    body, (there, valid) = parse_create(data), _parsed(place, name)

    def work(tx: Tx) -> Written:
        folder_id = _folder(context, tx, there)
        if plain_secrets.find(tx, folder_id, valid) is not None:
            raise plain_secrets.taken(valid)
        return _created(context, tx, folder_id, valid, body, there)

    return await context.store.awrite(work)


async def create_several(context: Context, place: Place, data: Any) -> list[Written]:
    """All of them, or none. Raises as `create` does."""
    bodies = parse_several(data)
    there = _parsed(place, bodies[0].secret_key)[0]

    def work(tx: Tx) -> list[Written]:
        folder_id, written = _folder(context, tx, there), []
        for body in bodies:
            if plain_secrets.find(tx, folder_id, body.secret_key) is not None:
                raise plain_secrets.taken(body.secret_key)
            written.append(_created(context, tx, folder_id, body.secret_key, body, there))
        return written

    return await context.store.awrite(work)


async def update(context: Context, place: Place, name: str, data: Any) -> Written:
    """Value, name, and what is told about it, as far as given. Raises InvalidInput, NotFound, InUse, Conflict."""
    body = parse_update(data)
    return await context.store.awrite(lambda tx: _changed(context, tx, _mine(tx, place, name), body, place))


async def put(context: Context, place: Place, name: str, data: Any) -> Written:
    """Create it, or change what is there. Raises InvalidInput, NotFound, InUse."""
    body, (there, valid) = parse_update(data), _parsed(place, name)

    def work(tx: Tx) -> Written:
        folder_id = _folder(context, tx, there)
        row = plain_secrets.find(tx, folder_id, valid, lock=True)
        if row is None:
            return _created(context, tx, folder_id, valid, parse_create(data), there)
        _refuse_mapped(tx, row)
        return _changed(context, tx, row, body, there)

    return await context.store.awrite(work)


async def remove(context: Context, place: Place, name: str) -> Written:
    """With all versions. Raises NotFound, InUse."""

    def work(tx: Tx) -> Written:
        row = _mine(tx, place, name)
        plain_secrets.remove(tx, row)
        _record(context, tx, "delete-secret", place, name)
        return Written(row.id, name, row.version, row.version)

    return await context.store.awrite(work)


def _parsed(place: Place, name: str) -> tuple[Place, str]:
    """Both as they are stored. Raises InvalidInput."""
    there = parse_place(place.path, name)
    return replace(place, path=there.secret_path), there.secret_name


def _folder(context: Context, tx: Tx, place: Place) -> str:
    """Its id; it is made where there is none. Raises NotFound."""
    _, environment = environment_by(tx, place.project, place.environment)
    return projects.ensure_folder(tx, environment.id, place.path, context.new_id).id


def _created(context: Context, tx: Tx, folder_id: str, name: str, body: CreateSecret, place: Place) -> Written:
    told, now = _kept(details_of(body)), context.clock()
    row = plain_secrets.create(tx, folder_id, name, body.secret_value, told, new_id=context.new_id, now=now)
    _record(context, tx, "create-secret", place, f"{name}, version 1")
    return Written(row.id, name, 0, row.version)


def _changed(context: Context, tx: Tx, row: Secret, body: UpdateSecret, place: Place) -> Written:
    """Only what is really another than before is written, and told of."""
    before, name, now = row.version, row.name, context.clock()
    changes = []
    if body.secret_value is not None and plain_secrets.set_value(
        tx, row, body.secret_value, new_id=context.new_id, now=now
    ):
        changes.append(f"version {row.version}")
    known = plain_secrets.details(tx, row)
    details = _kept({**known, **details_of(body)})
    if details != known:
        plain_secrets.set_details(tx, row, details, now)
        changes.append("what is told about it")
    if body.new_secret_name is not None and body.new_secret_name != name:
        plain_secrets.rename(tx, row, body.new_secret_name, now)
        changes.append(f"renamed to {row.name}")
    if changes:
        _record(context, tx, "update-secret", place, f"{name}, {', '.join(changes)}")
    return Written(row.id, row.name, before, row.version)


def _kept(details: dict[str, Any]) -> dict[str, Any]:
    """An empty comment is none."""
    return {name: value for name, value in details.items() if value}


def _mine(tx: Tx, place: Place, name: str) -> Secret:
    """Raises NotFound, InUse."""
    row = plain_secrets.find(tx, folder_by(tx, place).id, name, lock=True)
    if row is None:
        raise missing(replace(place, project=project_by(tx, place.project).slug), name)
    _refuse_mapped(tx, row)
    return row


def missing(place: Place, name: str) -> NotFound:
    return NotFound(f"There is no secret {name!r} at {place.project}/{place.environment} {place.path}.")


def _refuse_mapped(tx: Tx, row: Secret) -> None:
    if row.rotation_id is None:
        return
    owner = rotations.get(tx, row.rotation_id)
    whose = owner.name if owner else row.rotation_id
    raise InUse(
        f"{row.name} is written by the rotation {whose} alone; nothing was changed.",
        remedy=f"For a new value: keyturn rotations rotate {whose}. For another name: change the rotation's mapping. "
        "Deleting the rotation without its secrets makes them plain ones.",
    )


def _record(context: Context, tx: Tx, action: str, place: Place, message: str) -> None:
    record(context, tx, action, f"{place.environment} {place.path}", message=message)
