"""Secrets and their versions: what applications read. A rotation reserves names first and publishes later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, delete, insert, update
from sqlalchemy import select as select_columns
from sqlmodel import SQLModel, col, select
from sqlmodel.sql.expression import Select

from store.database import Tx
from store.errors import Conflict, SealBroken
from store.tables import Secret, SecretVersion


def taken(tx: Tx, folder_id: str, names: Iterable[str], except_rotation: str | None = None) -> set[str]:
    """Which of the names are in use in the folder, by anybody but this rotation."""
    query = select(Secret.name, Secret.rotation_id).where(
        Secret.folder_id == folder_id, col(Secret.name).in_(set(names))
    )
    return {name for name, owner in tx.session.exec(query) if except_rotation is None or owner != except_rotation}


def owned(tx: Tx, folder_id: str, names: Iterable[str]) -> set[str]:
    """Which of the names belong to a rotation."""
    query = select(Secret.name).where(
        Secret.folder_id == folder_id, col(Secret.name).in_(set(names)), col(Secret.rotation_id).is_not(None)
    )
    return set(tx.session.exec(query))


def remove_named(tx: Tx, folder_id: str, names: Iterable[str]) -> None:
    """With all their versions."""
    tx.session.execute(delete(Secret).where(col(Secret.folder_id) == folder_id, col(Secret.name).in_(set(names))))


def reserve(
    tx: Tx,
    folder_id: str,
    rotation_id: str,
    names: Mapping[str, str],
    *,
    new_id: Callable[[], str],
    now: datetime,
) -> list[Secret]:
    """Claim names ({credential field: name}) for a rotation; they hold nothing yet.

    Conflict names those that are taken.
    """
    _refuse_taken(taken(tx, folder_id, names.values()))
    rows = [
        Secret(
            id=new_id(),
            folder_id=folder_id,
            name=name,
            rotation_id=rotation_id,
            field=field,
            created_at=now,
            updated_at=now,
        )
        for field, name in names.items()
    ]
    tx.session.add_all(rows)
    tx.session.flush()
    return rows


def rename(tx: Tx, rotation_id: str, names: Mapping[str, str], now: datetime) -> None:
    """Give mapped secrets other names, keeping their history; two may swap. Conflict names the taken ones."""
    changed = {
        row.field: row
        for row in of_rotation(tx, rotation_id, lock=True)
        if row.field and names.get(row.field, row.name) != row.name
    }
    for row in changed.values():
        _refuse_taken(taken(tx, row.folder_id, names.values(), except_rotation=rotation_id))
        row.name = f"/{row.id}"  # out of each other's way first; no secret's name holds a "/"
    tx.session.flush()
    for field, row in changed.items():
        row.name, row.updated_at = names[field], now
    tx.session.flush()


def move(tx: Tx, rotation_id: str, folder_id: str, now: datetime) -> None:
    """Take a rotation's secrets to another folder with their history. Conflict names the taken ones."""
    rows = of_rotation(tx, rotation_id)
    _refuse_taken(taken(tx, folder_id, [row.name for row in rows], except_rotation=rotation_id))
    for row in rows:
        row.folder_id = folder_id
        row.updated_at = now
    tx.session.flush()


_SECRET, _VERSION = SQLModel.metadata.tables["secret"], SQLModel.metadata.tables["secret_version"]
_PROJECT, _ENVIRONMENT, _FOLDER, _ROTATION = (
    SQLModel.metadata.tables[name] for name in ("project", "environment", "folder", "rotation")
)
_MINE = (
    select_columns(
        _SECRET.c.id, _SECRET.c.name, _SECRET.c.field, _SECRET.c.version, _VERSION.c.id, _VERSION.c.sealed_value
    )
    .outerjoin(_VERSION, and_(_VERSION.c.secret_id == _SECRET.c.id, _VERSION.c.version == _SECRET.c.version))
    .where(_SECRET.c.rotation_id == bindparam("rotation"))
    .order_by(_SECRET.c.name)
    .with_for_update(of=_SECRET)
)
"""A rotation's secrets with their current versions, locked."""
_ADD_VERSIONS = insert(_VERSION)
_COUNT_VERSIONS = update(_SECRET).where(_SECRET.c.id == bindparam("secret"))


def put_values(
    tx: Tx,
    rotation_id: str,
    values: Mapping[str, str],
    attempt_id: str,
    now: datetime,
    *,
    new_id: Callable[[], str],
) -> list[str]:
    """Publish {credential field: value}: a new version each, none where the value is the same.

    Fields that are not mapped are left out. Returns the names of the changed ones.
    """
    changed, versions, counts = [], [], []
    found = tx.connection.execute(_MINE, {"rotation": rotation_id}).all()
    for secret_id, name, field, version, current_id, sealed in found:
        text = values.get(field or "")
        if text is None or (current_id is not None and _holds(tx, current_id, sealed, text)):
            continue
        changed.append(name)
        counts.append({"secret": secret_id, "version": version + 1, "updated_at": now})
        versions.append(_version(tx, new_id(), secret_id, version + 1, text, attempt_id, now))
    if changed:
        tx.connection.execute(_ADD_VERSIONS, versions)
        tx.connection.execute(_COUNT_VERSIONS, counts)
    return changed


def list_secrets(tx: Tx, folder_id: str) -> list[Secret]:
    """The published ones, by name; without values."""
    query = select(Secret).where(Secret.folder_id == folder_id, Secret.version > 0)
    return list(tx.session.exec(query.order_by(col(Secret.name))))


class Listed(NamedTuple):
    """A published secret and where it is; `type` is that of the rotation that owns it."""

    project: str
    environment: str
    path: str
    name: str
    version: int
    updated_at: datetime
    field: str | None
    rotation_id: str | None
    type: str | None


_EVERYWHERE = (
    select_columns(
        _PROJECT.c.slug,
        _ENVIRONMENT.c.slug,
        _FOLDER.c.path,
        _SECRET.c.name,
        _SECRET.c.version,
        _SECRET.c.updated_at,
        _SECRET.c.field,
        _SECRET.c.rotation_id,
        _ROTATION.c.type,
    )
    .join(_FOLDER, _FOLDER.c.id == _SECRET.c.folder_id)
    .join(_ENVIRONMENT, _ENVIRONMENT.c.id == _FOLDER.c.environment_id)
    .join(_PROJECT, _PROJECT.c.id == _ENVIRONMENT.c.project_id)
    .outerjoin(_ROTATION, _ROTATION.c.id == _SECRET.c.rotation_id)
    .where(_SECRET.c.version > 0)
    .order_by(
        _PROJECT.c.name, _PROJECT.c.slug, _ENVIRONMENT.c.position, _ENVIRONMENT.c.slug, _FOLDER.c.path, _SECRET.c.name
    )
)


def list_everywhere(tx: Tx) -> list[Listed]:
    """The published ones of all folders, by place and name; as plain rows, for there may be many."""
    found = tx.connection.execute(_EVERYWHERE)
    return [Listed._make(row) for rows in found.partitions(500) for row in rows]


def values(tx: Tx, folder_id: str) -> dict[str, str]:
    """Name to current value, by name."""
    query = _current().where(Secret.folder_id == folder_id).order_by(col(Secret.name))
    return {secret.name: _open(tx, version) for secret, version in tx.session.exec(query)}


def value(tx: Tx, folder_id: str, name: str) -> str | None:
    """The current value; None when there is no such secret or nothing is published yet."""
    found = tx.session.exec(_current().where(Secret.folder_id == folder_id, Secret.name == name)).one_or_none()
    return None if found is None else _open(tx, found[1])


def owner(tx: Tx, folder_id: str, name: str) -> str | None:
    """The id of the rotation that owns it; None for a plain one, and where there is none."""
    query = select(Secret.rotation_id).where(Secret.folder_id == folder_id, Secret.name == name)
    return tx.session.exec(query).one_or_none()


def of_rotation(tx: Tx, rotation_id: str, *, lock: bool = False) -> list[Secret]:
    """Reserved ones too, by name."""
    query = select(Secret).where(Secret.rotation_id == rotation_id).order_by(col(Secret.name))
    return list(tx.session.exec(query.with_for_update() if lock else query))


def detach(tx: Tx, rotation_id: str) -> None:
    """They become plain secrets; those that never held a value vanish."""
    mine = col(Secret.rotation_id) == rotation_id
    tx.session.execute(delete(Secret).where(mine, col(Secret.version) == 0))
    tx.session.execute(update(Secret).where(mine).values(rotation_id=None, field=None))


def remove(tx: Tx, rotation_id: str) -> None:
    """With all their versions."""
    tx.session.execute(delete(Secret).where(col(Secret.rotation_id) == rotation_id))


def _current() -> Select[Secret, SecretVersion]:
    return select(Secret, SecretVersion).where(
        SecretVersion.secret_id == Secret.id, SecretVersion.version == Secret.version
    )


def _version(
    tx: Tx, version_id: str, secret_id: str, version: int, text: str, attempt_id: str, now: datetime
) -> dict[str, Any]:
    return {
        "id": version_id,
        "secret_id": secret_id,
        "version": version,
        "sealed_value": tx.seal(text, "secret_version", version_id, "sealed_value"),
        "attempt_id": attempt_id,
        "created_at": now,
    }


def _open(tx: Tx, version: SecretVersion) -> str:
    return _opened(tx, version.id, version.sealed_value)


def _holds(tx: Tx, version_id: str, sealed: bytes, text: str) -> bool:
    """One that does not open any more holds nothing: it is to be replaced, too."""
    try:
        return _opened(tx, version_id, sealed) == text
    except SealBroken:
        return False


def _opened(tx: Tx, version_id: str, sealed: bytes) -> str:
    return tx.unseal(sealed, "secret_version", version_id, "sealed_value")


def _refuse_taken(names: set[str]) -> None:
    if names:
        listed = ", ".join(sorted(names))
        raise Conflict(
            f"Taken already in this folder: {listed}.",
            remedy="Choose other secret names, or remove the secrets that hold these.",
            constraint="uq_secret_folder_id_name",
            names=tuple(sorted(names)),
        )
