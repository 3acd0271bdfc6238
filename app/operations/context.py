"""What every operation shares, and the look-ups that turn what people type into rows."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from app.errors import NotFound, UsageError
from app.rotation.engine import Engine
from app.rotation.surroundings import new_id
from app.rotation.targets import Targets
from app.views import Place
from store import connections, events, projects, rotations
from store.database import Store, Tx
from store.projects import FolderPlace
from store.tables import Connection, Environment, Folder, Project, Rotation


@dataclass(frozen=True)
class Context:
    """`actor` names who acts in the history ("cli:anna")."""

    store: Store
    engine: Engine
    targets: Targets
    clock: Callable[[], datetime]
    random: random.Random
    actor: str

    def new_id(self) -> str:
        return new_id(self.random)


def record(context: Context, tx: Tx, action: str, subject: str, *, result: str = "success", message: str = "") -> None:
    """A line of history: what is done now, by who acts."""
    events.append(
        tx, at=context.clock(), actor=context.actor, action=action, result=result, subject=subject, message=message
    )


def connection_by(tx: Tx, ref: str) -> Connection:
    """Raises NotFound."""
    found = connections.find(tx, ref)
    if found is None:
        raise NotFound(f"There is no connection {ref!r}.", remedy="keyturn connections list shows all.")
    return found


def rotation_by(tx: Tx, ref: str) -> Rotation:
    """By id, or by name where that is unambiguous. Raises NotFound, UsageError."""
    if (found := rotations.get(tx, ref)) is not None:
        return found
    named = rotations.find_by_name(tx, ref)
    if not named:
        raise NotFound(f"There is no rotation {ref!r}.", remedy="keyturn rotations list shows all.")
    if len(named) > 1:
        places = projects.places_of(tx, [r.folder_id for r in named])
        listed = "\n".join(f"  {r.id}  {place_text(places[r.folder_id])}" for r in named)
        raise UsageError(f"{len(named)} rotations are named {ref!r}; use an id:\n{listed}")
    return named[0]


def project_by(tx: Tx, ref: str) -> Project:
    """By id or slug. Raises NotFound naming those that exist."""
    found = projects.find_project(tx, ref)
    if found is None:
        known = ", ".join(p.slug for p in projects.list_projects(tx))
        raise NotFound(f"There is no project {ref!r}.", remedy=f"Known projects: {known}.")
    return found


def environment_by(tx: Tx, project: str, environment: str) -> tuple[Project, Environment]:
    """Raises NotFound naming what is unknown."""
    found = project_by(tx, project)
    inside = projects.find_environment(tx, found.id, environment)
    if inside is None:
        known = ", ".join(e.slug for e in projects.list_environments(tx, found.id))
        raise NotFound(f"Project {found.slug} has no environment {environment!r}.", remedy=f"It has: {known}.")
    return found, inside


def folder_by(tx: Tx, place: Place) -> Folder:
    """Raises NotFound."""
    project, environment = environment_by(tx, place.project, place.environment)
    path = "/" + place.path.strip("/")
    found = projects.find_folder(tx, environment.id, path)
    if found is None:
        raise NotFound(f"There is no folder {path} in {project.slug}/{place.environment}.")
    return found


def place_text(place: FolderPlace) -> str:
    return f"{place.project.slug} {place.environment.slug} {place.folder.path}"
