"""Projects, environments and folders: where secrets live."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlmodel import col, or_, select

from store.database import Tx
from store.tables import Environment, Folder, Project


@dataclass(frozen=True)
class FolderPlace:
    """A folder with all that is above it."""

    project: Project
    environment: Environment
    folder: Folder


def find_project(tx: Tx, id_or_slug: str) -> Project | None:
    """An id wins over a slug that looks like it."""
    found = tx.session.exec(select(Project).where(or_(Project.id == id_or_slug, Project.slug == id_or_slug))).all()
    return min(found, key=lambda project: project.id != id_or_slug, default=None)


def list_projects(tx: Tx) -> list[Project]:
    return list(tx.session.exec(select(Project).order_by(col(Project.name), col(Project.slug))))


def find_environment(tx: Tx, project_id: str, slug: str) -> Environment | None:
    query = select(Environment).where(Environment.project_id == project_id, Environment.slug == slug)
    return tx.session.exec(query).one_or_none()


def list_environments(tx: Tx, project_id: str) -> list[Environment]:
    query = select(Environment).where(Environment.project_id == project_id)
    return list(tx.session.exec(query.order_by(col(Environment.position), col(Environment.slug))))


def find_folder(tx: Tx, environment_id: str, path: str) -> Folder | None:
    query = select(Folder).where(Folder.environment_id == environment_id, Folder.path == path)
    return tx.session.exec(query).one_or_none()


def list_folders(tx: Tx, environment_id: str) -> list[Folder]:
    return list(
        tx.session.exec(select(Folder).where(Folder.environment_id == environment_id).order_by(col(Folder.path)))
    )


def ensure_folder(tx: Tx, environment_id: str, path: str, new_id: Callable[[], str]) -> Folder:
    """The folder at this path, created if need be; also when two do so at once."""
    found = find_folder(tx, environment_id, path)
    if found is None:
        tx.insert_new(Folder, id=new_id(), environment_id=environment_id, path=path)
        found = tx.session.exec(
            select(Folder).where(Folder.environment_id == environment_id, Folder.path == path)
        ).one()
    return found


def place_of(tx: Tx, folder_id: str) -> FolderPlace:
    """Raises KeyError when there is no such folder."""
    return places_of(tx, [folder_id])[folder_id]


def places_of(tx: Tx, folder_ids: Iterable[str]) -> dict[str, FolderPlace]:
    """By folder id, in one query."""
    query = (
        select(Project, Environment, Folder)
        .where(Environment.project_id == Project.id, Folder.environment_id == Environment.id)
        .where(col(Folder.id).in_(set(folder_ids)))
    )
    return {
        folder.id: FolderPlace(project, environment, folder) for project, environment, folder in tx.session.exec(query)
    }
