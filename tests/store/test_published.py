"""Reading published values with the driver alone: the same values as by the service, or no answer at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from store import projects, published, revision, rotations, secrets
from store.database import Store, Tx
from store.keyring import KeyPlaces, load_key_ring, replace_key_file, with_new_primary
from store.published import Source
from store.tables import Project
from tests.store.ground import START, Ids, add_rotation, later, root_folder

AWKWARD = {
    "PLAIN": "abcXYZ019",
    "EMPTY": "",
    "UNICODE": "żółć ☃ \U0001f511",
    "LINES": "one\ntwo\r\n",
    "a name, with: all": 'it\'s "quoted" $HOME \\ `id`',
}
HERE = ("default", "dev", "/")


@pytest.fixture
def source(sqlite_url: str, places: KeyPlaces) -> Source:
    return Source(sqlite_url, places)


@pytest.fixture
def ids() -> Ids:
    return Ids()


def publish(store: Store, ids: Ids, values: dict[str, str], rotation_id: str = "r1", path: str = "/") -> None:
    """As fields and names at once; the rotation is made when there is none of that id."""

    def act(tx: Tx) -> None:
        root = root_folder(tx)
        folder = projects.ensure_folder(tx, root.environment_id, path, ids)
        if rotations.get(tx, rotation_id) is None:
            add_rotation(tx, rotation_id, folder)
            secrets.reserve(tx, folder.id, rotation_id, {name: name for name in values}, new_id=ids, now=START)
        secrets.put_values(tx, rotation_id, values, "a1", later(1), new_id=ids)

    store.write(act)


def by_the_store(store: Store, path: str = "/") -> dict[str, str]:
    def look(tx: Tx) -> dict[str, str]:
        folder = projects.find_folder(tx, root_folder(tx).environment_id, path)
        assert folder is not None
        return secrets.values(tx, folder.id)

    return store.read(look)


def test_the_values_are_those_of_the_store(sqlite_store: Store, source: Source, ids: Ids) -> None:
    assert published.values(source, *HERE) == {}
    publish(sqlite_store, ids, AWKWARD)
    found = published.values(source, *HERE)
    assert found == AWKWARD == by_the_store(sqlite_store)
    assert list(found) == list(by_the_store(sqlite_store))
    assert {name: published.value(source, *HERE, name) for name in AWKWARD} == AWKWARD
    assert published.of_rotation(source, "r1", "postgres-credentials") == AWKWARD
    assert published.of_rotation(source, "r1", "aws-iam-user-secret") is None
    assert published.of_rotation(source, "nonsense", "postgres-credentials") is None


def test_a_new_version_replaces_the_value_while_the_store_is_open_elsewhere(
    sqlite_store: Store, source: Source, ids: Ids
) -> None:
    for value in ("first", "second", "third"):
        publish(sqlite_store, ids, {"A": value, "B": "stays"})
        assert published.values(source, *HERE) == {"A": value, "B": "stays"}


def test_a_folder_is_found_by_any_way_of_writing_it(sqlite_store: Store, source: Source, ids: Ids) -> None:
    publish(sqlite_store, ids, {"A": "deep"}, path="/billing/eu")
    for path in ("/billing/eu", "billing/eu", "/billing/eu/"):
        assert (
            published.values(source, "default", "dev", path)
            == {"A": "deep"}
            == by_the_store(sqlite_store, "/billing/eu")
        )
    assert published.values(source, *HERE) == {}
    project = sqlite_store.read(lambda tx: projects.find_project(tx, "default"))
    assert project is not None
    assert published.values(source, project.id, "dev", "/billing/eu") == {"A": "deep"}


def test_the_id_of_a_project_wins_over_a_slug_that_looks_like_it(sqlite_store: Store, source: Source, ids: Ids) -> None:
    publish(sqlite_store, ids, {"A": "mine"})
    project = sqlite_store.read(lambda tx: projects.find_project(tx, "default"))
    assert project is not None
    other = Project(id="0", slug=project.id, name="Other", created_at=START)
    sqlite_store.write(lambda tx: tx.session.add(other))
    assert published.values(source, project.id, "dev", "/") == {"A": "mine"}


def test_what_was_moved_renamed_or_deleted_is_where_it_is_now(sqlite_store: Store, source: Source, ids: Ids) -> None:
    publish(sqlite_store, ids, {"A": "1", "B": "2"})

    def move(tx: Tx) -> None:
        secrets.rename(tx, "r1", {"A": "B", "B": "A"}, later(2))
        folder = projects.ensure_folder(tx, root_folder(tx).environment_id, "/new", ids)
        secrets.move(tx, "r1", folder.id, later(2))

    sqlite_store.write(move)
    assert published.values(source, *HERE) == {}
    assert published.values(source, "default", "dev", "/new") == {"A": "2", "B": "1"}
    assert published.value(source, *HERE, "A") is None
    sqlite_store.write(lambda tx: secrets.remove(tx, "r1"))
    assert published.values(source, "default", "dev", "/new") == {}


def test_what_a_rotation_only_reserved_is_not_published(sqlite_store: Store, source: Source, ids: Ids) -> None:
    def reserve(tx: Tx) -> None:
        add_rotation(tx, "r1")
        secrets.reserve(tx, root_folder(tx).id, "r1", {"password": "P"}, new_id=ids, now=START)

    sqlite_store.write(reserve)
    assert published.values(source, *HERE) == {}
    assert published.value(source, *HERE, "P") is None


@pytest.mark.parametrize(
    "place", [("nonsense", "dev", "/"), ("default", "nonsense", "/"), ("default", "dev", "/nonsense")]
)
def test_no_answer_for_a_place_that_is_not_there(
    sqlite_store: Store, source: Source, place: tuple[str, str, str]
) -> None:
    assert published.values(source, *place) is None
    assert published.value(source, *place, "A") is None


def other_key(source: Source) -> Source:
    loaded = load_key_ring(source.keys)
    assert loaded is not None
    fresh = with_new_primary(loaded.ring)
    path = source.keys.default_file.with_name("other.key")
    path.touch(0o600)
    replace_key_file(path, replace(fresh, keys={fresh.primary: fresh.keys[fresh.primary]}))
    return replace(source, keys=KeyPlaces(path))


def unvouched_key(source: Source) -> Source:
    loaded = load_key_ring(source.keys)
    assert loaded is not None
    path = source.keys.default_file.with_name("newer.key")
    path.touch(0o600)
    replace_key_file(path, with_new_primary(loaded.ring))
    return replace(source, keys=KeyPlaces(path))


def open_key(source: Source) -> Source:
    source.keys.default_file.chmod(0o644)
    return source


def changed(statement: str) -> Callable[[Source], Source]:
    def change(source: Source) -> Source:
        assert source.file is not None
        connection = sqlite3.connect(source.file, isolation_level=None)
        connection.execute(statement)
        connection.close()
        return source

    return change


def damaged(source: Source) -> Source:
    assert source.file is not None
    for name in (source.file, *source.file.parent.glob("*-wal")):
        name.write_bytes(b"no database at all" * 500)
    return source


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(other_key, id="another key"),
        pytest.param(unvouched_key, id="a newer key"),
        pytest.param(open_key, id="a key others can read"),
        pytest.param(lambda source: replace(source, keys=KeyPlaces(Path("/nonexistent/key"))), id="no key"),
        pytest.param(changed("UPDATE alembic_version SET version_num = '9999'"), id="a later format"),
        pytest.param(changed("DELETE FROM alembic_version"), id="no format"),
        pytest.param(changed("DELETE FROM canary"), id="no canary"),
        pytest.param(changed("DROP TABLE canary"), id="no table of canaries"),
        pytest.param(changed("UPDATE secret_version SET sealed_value = x'00'"), id="a value cut off"),
        pytest.param(changed("UPDATE secret_version SET sealed_value = 'text'"), id="a text"),
        pytest.param(changed("UPDATE secret_version SET sealed_value = 7"), id="a number"),
        pytest.param(damaged, id="damaged"),
        pytest.param(lambda source: replace(source, url=source.url + ".elsewhere"), id="no file"),
        pytest.param(lambda source: replace(source, url=source.url + "?mode=ro"), id="options in the address"),
        pytest.param(lambda source: replace(source, url="sqlite:///:memory:"), id="memory"),
        pytest.param(lambda source: replace(source, url="postgresql+psycopg://user:pw@127.0.0.1:1/x"), id="a server"),
    ],
)
def test_no_answer_when_something_is_not_in_order(
    sqlite_store: Store, source: Source, ids: Ids, spoil: Callable[[Source], Source]
) -> None:
    publish(sqlite_store, ids, {"A": "value"})
    assert published.value(source, *HERE, "A") == "value"
    sqlite_store.close()
    spoilt = spoil(source)
    assert published.values(spoilt, *HERE) is None
    assert published.value(spoilt, *HERE, "A") is None
    assert published.of_rotation(spoilt, "r1", "postgres-credentials") is None
    assert spoilt.file is None or not spoilt.file.with_name(spoilt.file.name + ".elsewhere").exists()


def test_no_lock_is_left_and_nothing_can_be_written(
    sqlite_store: Store, source: Source, ids: Ids, sqlite_url: str
) -> None:
    publish(sqlite_store, ids, {"A": "value"})
    sqlite_store.close()
    assert published.value(source, *HERE, "A") == "value"
    assert source.file is not None
    # An exclusive lock on the whole file is had only when nobody has any lock on it.
    connection = sqlite3.connect(source.file, timeout=0, isolation_level=None)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("BEGIN EXCLUSIVE")
    # A writer that holds everything keeps a reader waiting no longer than a moment.
    assert published.value(source, *HERE, "A") is None
    connection.execute("ROLLBACK")
    connection.close()
    assert published.value(source, *HERE, "A") == "value"


def test_the_known_revision_is_the_one_that_is_looked_for(
    sqlite_store: Store, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert published.values(source, *HERE) == {}
    monkeypatch.setattr(published, "HEAD", revision.HEAD + "x")
    assert published.values(source, *HERE) is None
