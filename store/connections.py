"""Connections: named admin access to a target. Their secret fields leave by one function alone."""

from __future__ import annotations

import json
import secrets as random_secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlmodel import col, or_, select

from store.database import Tx
from store.tables import Connection, Environment, Folder, Rotation


def add(
    tx: Tx,
    *,
    id: str,  # noqa: A002 - the column's name
    name: str,
    app: str,
    method: str,
    description: str | None,
    settings: Mapping[str, Any],
    secrets: Mapping[str, str],
    now: datetime,
    project_id: str | None = None,
) -> Connection:
    """`settings` are the public fields of the credentials, `secrets` the others. No project: it serves all."""
    connection = Connection(
        id=id,
        name=name,
        app=app,
        method=method,
        description=description,
        settings=dict(settings),
        sealed_credentials=_sealed(tx, id, secrets),
        project_id=project_id,
        credentials_hash=_new_hash(),
        created_at=now,
        updated_at=now,
    )
    tx.session.add(connection)
    tx.session.flush()
    return connection


def get(tx: Tx, connection_id: str) -> Connection | None:
    return tx.session.get(Connection, connection_id)


def find(tx: Tx, id_or_name: str) -> Connection | None:
    """An id wins over a name that looks like it."""
    query = select(Connection).where(or_(Connection.id == id_or_name, Connection.name == id_or_name))
    return min(tx.session.exec(query).all(), key=lambda found: found.id != id_or_name, default=None)


def list_all(tx: Tx) -> list[Connection]:
    return list(tx.session.exec(select(Connection).order_by(col(Connection.name))))


def update_settings(
    tx: Tx,
    connection_id: str,
    *,
    method: str,
    settings: Mapping[str, Any],
    secrets: Mapping[str, str],
    now: datetime,
) -> Connection:
    """Replace the credentials as a whole. Raises KeyError when there is no such connection."""
    connection = _locked(tx, connection_id)
    connection.method = method
    connection.settings = dict(settings)
    connection.sealed_credentials = _sealed(tx, connection_id, secrets)
    connection.credentials_hash = _new_hash()
    connection.version += 1
    connection.updated_at = now
    tx.session.flush()
    return connection


def update_details(tx: Tx, connection_id: str, *, name: str, description: str | None, now: datetime) -> Connection:
    """Raises KeyError when there is no such connection."""
    connection = _locked(tx, connection_id)
    connection.name = name
    connection.description = description
    connection.version += 1
    connection.updated_at = now
    tx.session.flush()
    return connection


def remove(tx: Tx, connection_id: str) -> None:
    """Conflict when a rotation uses it."""
    connection = get(tx, connection_id)
    if connection is not None:
        tx.session.delete(connection)
        tx.session.flush()


def secret_credentials(tx: Tx, connection: Connection) -> dict[str, str]:
    text = tx.unseal(connection.sealed_credentials, "connection", connection.id, "sealed_credentials")
    secrets: dict[str, str] = json.loads(text)
    return secrets


def rotations_using(tx: Tx, connection_id: str) -> list[str]:
    """Their names."""
    query = select(Rotation.name).where(Rotation.connection_id == connection_id).order_by(col(Rotation.name))
    return list(tx.session.exec(query))


def used_at(tx: Tx, connection_id: str) -> list[tuple[str, str, str]]:
    """Where rotations use it: project id, environment, path."""
    query = (
        select(Environment.project_id, Environment.slug, Folder.path)
        .where(Folder.environment_id == Environment.id, Rotation.folder_id == Folder.id)
        .where(Rotation.connection_id == connection_id)
        .distinct()
    )
    return [(project, slug, path) for project, slug, path in tx.session.exec(query)]


def _new_hash() -> str:
    """Random: one made from the credentials could be used to guess them."""
    return random_secrets.token_hex(16)


def _locked(tx: Tx, connection_id: str) -> Connection:
    connection = tx.session.get(Connection, connection_id, populate_existing=True, with_for_update=True)
    if connection is None:
        raise KeyError(connection_id)
    return connection


def _sealed(tx: Tx, connection_id: str, secrets: Mapping[str, str]) -> bytes:
    return tx.seal(json.dumps(dict(secrets)), "connection", connection_id, "sealed_credentials")
