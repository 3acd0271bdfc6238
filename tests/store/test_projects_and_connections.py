"""Where secrets live, and the admin access that rotations use."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import text

from store import connections, projects
from store.database import Store, Tx
from store.errors import SealBroken
from store.tables import Environment, Project
from tests.store.ground import START, Ids, add_connection, add_rotation, later, root_folder


def add_project(tx: Tx, project_id: str, slug: str) -> Project:
    project = Project(id=project_id, slug=slug, name=slug.title(), created_at=START)
    tx.session.add(project)
    tx.session.flush()
    return project


def test_a_project_is_found_by_id_or_slug_and_the_id_wins(store: Store) -> None:
    def arrange(tx: Tx) -> None:
        add_project(tx, "p1", "billing")
        add_project(tx, "billing", "other")

    store.write(arrange)
    found = [store.read(partial(projects.find_project, id_or_slug=key)) for key in ("p1", "other", "billing")]
    assert [project and project.id for project in found] == ["p1", "billing", "billing"]
    assert store.read(lambda tx: projects.find_project(tx, "none")) is None
    assert [p.name for p in store.read(projects.list_projects)] == ["Billing", "Default", "Other"]


def test_environments_stand_in_their_order(store: Store) -> None:
    def arrange(tx: Tx) -> tuple[str, list[str]]:
        project = projects.find_project(tx, "default")
        assert project is not None
        tx.session.add(Environment(id="e0", project_id=project.id, slug="zero", name="Zero", position=-1))
        return project.id, [found.slug for found in projects.list_environments(tx, project.id)]

    project_id, slugs = store.write(arrange)
    assert slugs == ["zero", "dev", "staging", "prod"]
    prod = store.read(lambda tx: projects.find_environment(tx, project_id, "prod"))
    assert prod is not None
    assert prod.name == "Production"
    assert store.read(lambda tx: projects.find_environment(tx, project_id, "test")) is None
    assert store.read(lambda tx: projects.find_environment(tx, "none", "prod")) is None


def test_a_folder_is_created_once(store: Store) -> None:
    ids = Ids()

    def ensure(tx: Tx, path: str) -> str:
        return projects.ensure_folder(tx, root_folder(tx).environment_id, path, ids).id

    first = store.write(lambda tx: ensure(tx, "/billing"))
    assert store.write(lambda tx: ensure(tx, "/billing")) == first
    assert store.write(lambda tx: ensure(tx, "/")) == store.read(root_folder).id
    environment_id = store.read(root_folder).environment_id
    listed = store.read(lambda tx: projects.list_folders(tx, environment_id))
    assert [folder.path for folder in listed] == ["/", "/billing"]
    assert store.read(lambda tx: projects.find_folder(tx, environment_id, "/none")) is None


def test_folders_know_what_is_above_them(store: Store) -> None:
    dev, prod = store.read(lambda tx: (root_folder(tx, "dev").id, root_folder(tx, "prod").id))
    place = store.read(lambda tx: projects.place_of(tx, prod))
    assert (place.project.slug, place.environment.slug, place.folder.path) == ("default", "prod", "/")
    places = store.read(lambda tx: projects.places_of(tx, [dev, prod, dev, "none"]))
    assert {key: found.environment.slug for key, found in places.items()} == {dev: "dev", prod: "prod"}
    assert store.read(lambda tx: projects.places_of(tx, [])) == {}
    with pytest.raises(KeyError, match="none"):
        store.read(lambda tx: projects.place_of(tx, "none"))


SECRETS = {"password": "hunter2-äöü", "key": "-----BEGIN\n"}


def test_a_connection_keeps_its_secrets_sealed(store: Store) -> None:
    store.write(lambda tx: add_connection(tx, "main", SECRETS))
    found = store.read(lambda tx: connections.find(tx, "main"))
    assert found is not None
    assert found.settings == {"host": "db", "port": 5432, "username": "admin"}
    assert b"hunter2" not in found.sealed_credentials
    assert store.read(lambda tx: connections.secret_credentials(tx, found)) == SECRETS


def test_sealed_credentials_moved_to_another_connection_do_not_open(store: Store) -> None:
    def arrange(tx: Tx) -> None:
        add_connection(tx, "a")
        add_connection(tx, "b")
        tx.session.execute(
            text(
                "UPDATE connection SET sealed_credentials ="
                " (SELECT sealed_credentials FROM connection WHERE name = 'a') WHERE name = 'b'"
            )
        )

    store.write(arrange)
    with pytest.raises(SealBroken, match=r"connection\.sealed_credentials of id-of-b"):
        store.read(lambda tx: [connections.secret_credentials(tx, c) for c in connections.list_all(tx)])


def test_connections_are_found_and_listed(store: Store) -> None:
    store.write(lambda tx: [add_connection(tx, name) for name in ("b", "a", "id-of-a")])
    assert [c.name for c in store.read(connections.list_all)] == ["a", "b", "id-of-a"]
    for key, name in (("b", "b"), ("id-of-b", "b"), ("id-of-a", "a")):
        found = store.read(partial(connections.find, id_or_name=key))
        assert found is not None
        assert found.name == name
    assert store.read(lambda tx: connections.find(tx, "none")) is None
    assert store.read(lambda tx: connections.get(tx, "b")) is None


def test_credentials_are_replaced_as_a_whole(store: Store) -> None:
    store.write(lambda tx: add_connection(tx, "main", SECRETS))
    store.write(
        lambda tx: connections.update_settings(
            tx, "id-of-main", method="other", settings={"host": "new"}, secrets={"password": "p2"}, now=later(1)
        )
    )
    found = store.read(lambda tx: connections.get(tx, "id-of-main"))
    assert found is not None
    assert (found.method, found.settings, found.updated_at) == ("other", {"host": "new"}, later(1))
    assert found.created_at == START
    assert store.read(lambda tx: connections.secret_credentials(tx, found)) == {"password": "p2"}


def test_name_and_description_are_replaced(store: Store) -> None:
    store.write(lambda tx: add_connection(tx, "main", SECRETS))
    store.write(lambda tx: connections.update_details(tx, "id-of-main", name="new", description="text", now=later(1)))
    found = store.read(lambda tx: connections.find(tx, "new"))
    assert found is not None
    assert (found.description, found.updated_at) == ("text", later(1))
    assert store.read(lambda tx: connections.secret_credentials(tx, found)) == SECRETS
    with pytest.raises(KeyError):
        store.write(lambda tx: connections.update_details(tx, "none", name="x", description=None, now=START))


def test_a_connection_tells_who_uses_it_and_goes_when_nobody_does(store: Store) -> None:
    store.write(lambda tx: (add_connection(tx, "idle"), add_rotation(tx, "r1")))
    assert store.read(lambda tx: connections.rotations_using(tx, "id-of-for-r1")) == ["r1"]
    assert store.read(lambda tx: connections.rotations_using(tx, "id-of-idle")) == []
    store.write(lambda tx: connections.remove(tx, "id-of-idle"))
    store.write(lambda tx: connections.remove(tx, "id-of-idle"))
    assert [c.name for c in store.read(connections.list_all)] == ["for-r1"]
