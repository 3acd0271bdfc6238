"""Reading secrets: names freely, values only on request. Writing those that no rotation writes."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from app.errors import NotFound, UsageError
from app.operations import plain_secrets
from app.operations.context import Context, folder_by, project_by, rotation_by
from app.operations.documents import provider_or_none, secret_view
from app.operations.plain_secrets import Written
from app.operations.secret_documents import SecretDocuments
from app.views import Place, PlacedSecret, SecretView
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

    async def value(self, place: Place, name: str, version: int | None = None) -> str:
        """The current one, or an older version's."""
        return self.documents.document(await self.documents.named(place, name, version)).secret_value

    async def of_rotation(self, ref: str, kind: str) -> dict[str, str]:
        """Credential field to published value. UsageError for a rotation of another type than `kind`."""

        def look(tx: Tx) -> dict[str, str]:
            row = rotation_by(tx, ref)
            if row.type != kind:
                raise UsageError(f"The rotation {row.name} is of type {row.type}; this is for {kind}.")
            current = secrets.values(tx, row.folder_id)
            mapped = secrets.of_rotation(tx, row.id)
            return {secret.field: current[secret.name] for secret in mapped if secret.field and secret.version > 0}

        return await self.context.store.aread(look)

    async def reveal(self, rotation: str, name: str) -> str:
        """The value of a mapped secret, for a person's eyes; an event says who looked."""

        def look(tx: Tx) -> str:
            row = rotation_by(tx, rotation)
            value = secrets.value(tx, row.folder_id, name)
            if value is None:
                raise NotFound(f"Rotation {row.name} has no secret {name!r}.")
            self._record(tx, name, row.name, row.id)
            return value

        return await self.context.store.awrite(look)

    async def reveal_at(self, place: Place, name: str, *, how: str = "") -> str:
        """The same for any secret. `how`: what is done with it, for the history ("sent to the clipboard")."""

        def look(tx: Tx) -> str:
            folder = folder_by(tx, place)
            value, owner_id = secrets.value(tx, folder.id, name), secrets.owner(tx, folder.id, name)
            if value is None:
                raise NotFound(f"There is no secret {name!r} at {place.project}/{place.environment} {place.path}.")
            owner = rotations.get(tx, owner_id) if owner_id else None
            subject = owner.name if owner else f"{place.environment} {place.path}"
            self._record(tx, f"{name}, {how}" if how else name, subject, owner_id)
            return value

        return await self.context.store.awrite(look)

    def _record(self, tx: Tx, what: str, subject: str, rotation_id: str | None) -> None:
        events.append(
            tx,
            at=self.context.clock(),
            actor=self.context.actor,
            action="reveal-secret",
            result="success",
            subject=subject,
            rotation_id=rotation_id,
            message=what,
        )

    async def put(self, place: Place, name: str, data: Any) -> Written:
        """Create a plain one, or change it. Raises InvalidInput, InUse for a mapped one."""
        return await plain_secrets.put(self.context, place, name, data)

    async def create(self, place: Place, name: str, data: Any) -> Written:
        """Raises InvalidInput, Conflict."""
        return await plain_secrets.create(self.context, place, name, data)

    async def create_several(self, place: Place, data: Any) -> list[Written]:
        """All of them, or none. Raises InvalidInput, Conflict."""
        return await plain_secrets.create_several(self.context, place, data)

    async def update(self, place: Place, name: str, data: Any) -> Written:
        """Raises InvalidInput, Conflict for the new name, InUse for a mapped one."""
        return await plain_secrets.update(self.context, place, name, data)

    async def remove(self, place: Place, name: str) -> Written:
        """With all versions. Raises InUse for a mapped one."""
        return await plain_secrets.remove(self.context, place, name)

    @property
    def documents(self) -> SecretDocuments:
        """The documented objects."""
        return SecretDocuments(self.context)

    async def everywhere(self) -> list[PlacedSecret]:
        """All that is published, by project, environment, path and name."""

        def look(tx: Tx) -> list[PlacedSecret]:
            public = functools.cache(_is_public)
            places = functools.cache(Place)
            return [
                PlacedSecret(
                    place=places(row.project, row.environment, row.path),
                    name=row.name,
                    version=row.version,
                    updated_at=row.updated_at,
                    rotation_id=row.rotation_id,
                    secret=not public(row.type, row.field),
                )
                for row in secrets.list_everywhere(tx)
            ]

        return await self.context.store.aread(look)

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


def _is_public(type_name: str | None, field: str | None) -> bool:
    """Whether a credential field of that type may be shown."""
    kind = provider_or_none(type_name) if type_name else None
    return kind is not None and field is not None and field not in kind.secret_fields
