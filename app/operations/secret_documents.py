"""Secrets as the documented objects, for the HTTP API and for what is printed as JSON."""

from __future__ import annotations

import uuid
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.errors import NotFound
from app.operations.context import Context, environment_by
from app.operations.plain_secrets import Written, missing
from app.secret_bodies import HIDDEN, SecretObject
from app.views import Place
from store import projects, served_secrets
from store.database import Tx
from store.served_secrets import Served
from store.tables import Environment, Project


@dataclass(frozen=True)
class FolderThere:
    """`created_at`: when its project was."""

    id: str
    path: str
    environment_id: str
    created_at: datetime


@dataclass(frozen=True)
class SecretDocuments:
    """One short read each. Raises NotFound for an unknown place, which is no empty one."""

    context: Context

    async def at(self, place: Place, *, recursive: bool = False) -> list[Served]:
        """By path and name."""
        place = _normal(place)
        statement, more = served_secrets.AT, {}
        if recursive:
            statement, more = served_secrets.AT_AND_BELOW, served_secrets.below(place.path)
        found = served_secrets.served(await self.context.store.glance(statement, **_asked(place), **more))
        if not found:
            await self.context.store.aread(lambda tx: _look_for(tx, place))
        return found

    async def named(self, place: Place, name: str, version: int | None = None) -> Served:
        """The current one, or an older version of it."""
        place = _normal(place)
        if version is None:
            rows = await self.context.store.glance(served_secrets.NAMED, **_asked(place), name=name)
        else:
            rows = await self.context.store.glance(
                served_secrets.NAMED_VERSION, **_asked(place), name=name, version=version
            )
        found = served_secrets.served(rows)
        if not found:
            project, _ = await self.context.store.aread(lambda tx: _look_for(tx, place))
            place = replace(place, project=project.slug)
            raise missing(place, name) if version is None else _no_version(place, name, version)
        return found[0]

    async def by_id(self, secret_id: str) -> Served:
        return _only(await self.context.store.glance(served_secrets.BY_ID, id=secret_id), secret_id)

    async def written(self, made: Written) -> Served:
        """The version that was written, whatever others have written since."""
        rows = await self.context.store.glance(served_secrets.BY_ID_VERSION, id=made.id, version=made.version)
        return _only(rows, made.id)

    async def folders(self, place: Place, *, recursive: bool = False) -> list[FolderThere]:
        """Those directly inside, or all below, by path; those too that only hold others."""
        place = _normal(place)
        inside = f"{place.path.rstrip('/')}/"

        def look(tx: Tx) -> list[FolderThere]:
            project, environment = _look_for(tx, place)
            known = {folder.path: folder.id for folder in projects.list_folders(tx, environment.id)}
            below = {above for path in known for above in _with_those_above(path) if above.startswith(inside)} - {"/"}
            return [
                FolderThere(known.get(path) or _id_of(environment, path), path, environment.id, project.created_at)
                for path in sorted(below)
                if recursive or "/" not in path[len(inside) :]
            ]

        return await self.context.store.aread(look)

    def document(self, row: Served, *, show: bool = True, told: Container[str] | None = None) -> SecretObject:
        """`show`: with its value; `told`: with these of its details (by documented name) alone."""
        kept = served_secrets.details(self.context.store, row)
        return SecretObject.model_validate(
            {
                "id": row.id,
                "_id": row.id,
                "workspace": row.project_id,
                "workspaceId": row.project_id,
                "environment": row.environment,
                "version": row.value_version,
                "secretKey": row.name,
                "secretValue": served_secrets.value(self.context.store, row) if show else HIDDEN,
                "secretValueHidden": not show,
                "secretPath": row.path,
                "createdAt": row.created_at,
                "updatedAt": row.updated_at,
                "isRotatedSecret": row.rotation_id is not None,
                "rotationId": row.rotation_id,
                **{name: detail for name, detail in kept.items() if told is None or name in told},
            }
        )


def _only(rows: Sequence[Sequence[Any]], secret_id: str) -> Served:
    """Raises NotFound for none."""
    for row in served_secrets.served(rows):
        return row
    raise no_such_id(secret_id)


def no_such_id(secret_id: str) -> NotFound:
    return NotFound(f"There is no secret {secret_id!r}.")


def _asked(place: Place) -> dict[str, str]:
    return {"project": place.project, "environment": place.environment, "path": place.path}


def _normal(place: Place) -> Place:
    path = "/" + place.path.strip("/")
    return place if path == place.path else replace(place, path=path)


def _look_for(tx: Tx, place: Place) -> tuple[Project, Environment]:
    """What holds a folder is one, too. Raises NotFound for a place that is not there."""
    project, environment = environment_by(tx, place.project, place.environment)
    paths = [folder.path for folder in projects.list_folders(tx, environment.id)]
    if place.path != "/" and not any(place.path in _with_those_above(path) for path in paths):
        raise NotFound(f"There is no folder {place.path} in {project.slug}/{place.environment}.")
    return project, environment


def _with_those_above(path: str) -> list[str]:
    """ "/a/b": "/a" and "/a/b"."""
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(2, len(parts) + 1)]


def _id_of(environment: Environment, path: str) -> str:
    """The same whenever it is asked for; none is kept of a folder that only holds others."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{environment.id}{path}"))


def _no_version(place: Place, name: str, version: int) -> NotFound:
    where = f"{place.project}/{place.environment} {place.path}"
    return NotFound(f"There is no version {version} of a secret {name!r} at {where}.")
