"""Plain secrets to deliver, published as a rotation would: a new version each time."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from sqlmodel import select

from app.deliver import quick
from app.views import Place
from store import projects
from store.database import Tx
from store.tables import Secret, SecretVersion
from tests.cli.ground import with_service


def publish(values: dict[str, str], path: str = "/") -> None:
    """In one transaction; equal values become new versions, too."""

    def act(tx: Tx) -> None:
        folder_id, now = _folder(tx, path), datetime.now(UTC)
        for name, value in values.items():
            query = select(Secret).where(Secret.folder_id == folder_id, Secret.name == name)
            row = tx.session.exec(query).one_or_none()
            row = row or Secret(id=_id(), folder_id=folder_id, name=name, created_at=now, updated_at=now)
            row.version += 1
            tx.session.add(row)
            tx.session.flush()
            version = _id()
            sealed = tx.seal(value, "secret_version", version, "sealed_value")
            tx.session.add(
                SecretVersion(id=version, secret_id=row.id, version=row.version, sealed_value=sealed, created_at=now)
            )

    with_service(lambda service: service.store.write(act))


def published() -> tuple[str, str]:
    """Username and password at one moment, of a rotation of `Ground`, read as `keyturn run` does."""
    values = quick.values(Place("default", "dev", "/"))
    assert values is not None
    return values["POSTGRES_DB_USERNAME"], values["POSTGRES_DB_PASSWORD"]


def withdraw(name: str) -> None:
    """Remove a secret of the root folder."""

    def act(tx: Tx) -> None:
        query = select(Secret).where(Secret.folder_id == _folder(tx, "/"), Secret.name == name)
        tx.session.delete(tx.session.exec(query).one())

    with_service(lambda service: service.store.write(act))


def _folder(tx: Tx, path: str) -> str:
    project = projects.find_project(tx, "default")
    assert project is not None
    environment = projects.find_environment(tx, project.id, "dev")
    assert environment is not None
    return projects.ensure_folder(tx, environment.id, path, _id).id


def _id() -> str:
    return str(uuid.uuid4())
