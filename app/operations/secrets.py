"""Reading secrets: names freely, values only on request."""

from __future__ import annotations

from dataclasses import dataclass

from app.errors import NotFound
from app.operations.context import Context, folder_by, project_by, rotation_by
from app.operations.documents import provider_or_none, secret_view
from app.views import Place, SecretView
from store import events, projects, rotations, secrets
from store.database import Tx


@dataclass(frozen=True)
class Secrets:
    """All raise NotFound for an unknown project, environment or folder: nothing is never the answer for that."""

    context: Context

    async def names(self, place: Place) -> list[SecretView]:
        def look(tx: Tx) -> list[SecretView]:
            folder = folder_by(tx, place)
            owners = {r.id: r for r in rotations.list_all(tx) if r.folder_id == folder.id}
            found = []
            for row in secrets.list_secrets(tx, folder.id):
                owner = owners.get(row.rotation_id or "")
                kind = provider_or_none(owner.type) if owner else None
                found.append(secret_view(row, owner.name if owner else None, kind))
            return found

        return await self.context.store.aread(look)

    async def values(self, place: Place) -> dict[str, str]:
        """Name to value, for programs."""
        return await self.context.store.aread(lambda tx: secrets.values(tx, folder_by(tx, place).id))

    async def value(self, place: Place, name: str) -> str:
        def look(tx: Tx) -> str:
            value = secrets.value(tx, folder_by(tx, place).id, name)
            if value is None:
                raise NotFound(f"There is no secret {name!r} at {place.project}/{place.environment} {place.path}.")
            return value

        return await self.context.store.aread(look)

    async def reveal(self, rotation: str, name: str) -> str:
        """The value of a mapped secret, for a person's eyes; an event says who looked."""

        def look(tx: Tx) -> str:
            row = rotation_by(tx, rotation)
            value = secrets.value(tx, row.folder_id, name)
            if value is None:
                raise NotFound(f"Rotation {row.name} has no secret {name!r}.")
            events.append(
                tx,
                at=self.context.clock(),
                actor=self.context.actor,
                action="reveal-secret",
                result="success",
                subject=row.name,
                rotation_id=row.id,
                message=name,
            )
            return value

        return await self.context.store.awrite(look)

    async def places(self) -> list[Place]:
        """Every folder there is, by project, environment and path."""

        def look(tx: Tx) -> list[Place]:
            return [
                Place(project.slug, environment.slug, folder.path)
                for project in projects.list_projects(tx)
                for environment in projects.list_environments(tx, project.id)
                for folder in projects.list_folders(tx, environment.id)
            ]

        return await self.context.store.aread(look)

    async def environments(self, project: str) -> list[tuple[str, str]]:
        """(slug, name) of a project's environments, in their order."""

        def look(tx: Tx) -> list[tuple[str, str]]:
            return [(e.slug, e.name) for e in projects.list_environments(tx, project_by(tx, project).id)]

        return await self.context.store.aread(look)

    async def projects(self) -> list[tuple[str, str]]:
        """(slug, name) of all projects."""
        found = await self.context.store.aread(projects.list_projects)
        return [(p.slug, p.name) for p in found]
