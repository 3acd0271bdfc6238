"""What the wizard knows while it asks: read from the service anew for every step."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from screens import guarding
from screens.wizard import clock
from screens.wizard.draft import GUARD, GUARD_HOURS, ROTATE_AT, Draft

if TYPE_CHECKING:
    from app.operations.catalog import RotationType
    from app.service import Service
    from app.views import ConnectionView, Place

INTERVAL = "30"
"""Days; what the original offers too."""
WAIT_HOURS = "24"


@dataclass(frozen=True)
class Facts:
    types: tuple[RotationType, ...]
    connections: tuple[ConnectionView, ...]
    projects: tuple[tuple[str, str], ...]
    environments: Mapping[str, tuple[tuple[str, str], ...]]
    """(slug, name) by project."""
    places: tuple[Place, ...]
    now: datetime

    def kind(self, draft: Draft) -> RotationType | None:
        """None until a type is chosen; also when the draft's is not installed here."""
        return next((kind for kind in self.types if kind.type == draft.type), None)

    def connection(self, draft: Draft) -> ConnectionView | None:
        name = draft.text("connectionId")
        return next((view for view in self.connections if view.name == name), None)

    def usable(self, draft: Draft) -> list[ConnectionView]:
        """The connections to what the type is about."""
        kind = self.kind(draft)
        return [view for view in self.connections if kind is not None and view.app == kind.app]

    def paths(self, draft: Draft) -> list[str]:
        project, environment = draft.text("projectId"), draft.text("environment")
        return [p.path for p in self.places if (p.project, p.environment) == (project, environment)]

    def defaults(self, draft: Draft) -> dict[str, str]:
        """What the fields hold that nobody has touched."""
        usable = self.usable(draft)
        project = draft.values.get("projectId") or (self.projects[0][0] if self.projects else "")
        environments = self.environments.get(project, ())
        kind = self.kind(draft)
        return {
            "connectionId": usable[0].name if len(usable) == 1 else "",
            "rotationInterval": INTERVAL,
            ROTATE_AT: clock.to_local(0, 0, self.now),
            "isAutoRotationEnabled": "true",
            GUARD: guarding.WARN,
            GUARD_HOURS: WAIT_HOURS,
            "projectId": project,
            "environment": environments[0][0] if environments else "",
            "secretPath": "/",
            **{f"parameters.{f.key}": f.default for f in (kind.parameters if kind else ())},
            **{f"secretsMapping.{f.key}": f.default for f in (kind.mapping if kind else ())},
        }


async def learn(service: Service) -> Facts:
    projects = await service.secrets.projects()
    return Facts(
        types=tuple(await asyncio.to_thread(service.catalog.rotation_types)),  # the first time, it loads them
        connections=tuple(await service.connections.views()),
        projects=tuple(projects),
        environments={slug: tuple(await service.secrets.environments(slug)) for slug, _ in projects},
        places=tuple(await service.secrets.places()),
        now=service.context.clock(),
    )
