"""Secrets: names are reserved first, values are versions, applications read the newest."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from store import projects, rotations, secrets
from store.database import Store, Tx
from store.errors import Conflict, SealBroken
from store.tables import Secret, SecretVersion
from tests.store.ground import START, Ids, add_rotation, later, root_folder

NAMES = {"username": "DB_USER", "password": "DB_PASSWORD"}
FIRST = {"username": "user1", "password": "first-pw"}
SECOND = {"username": "user2", "password": "second-pw"}


@pytest.fixture
def ids() -> Ids:
    return Ids()


@pytest.fixture
def folder_id(store: Store, ids: Ids) -> str:
    """Of a rotation `r1` that has reserved NAMES."""

    def arrange(tx: Tx) -> str:
        folder = root_folder(tx)
        add_rotation(tx, "r1")
        secrets.reserve(tx, folder.id, "r1", NAMES, new_id=ids, now=START)
        return folder.id

    return store.write(arrange)


def publish(store: Store, ids: Ids, values: dict[str, str], attempt_id: str = "a1", minutes: float = 1) -> list[str]:
    def act(tx: Tx) -> list[str]:
        return secrets.put_values(tx, "r1", values, attempt_id, later(minutes), new_id=ids)

    return store.write(act)


def versions(store: Store) -> int | None:
    return store.read(lambda tx: tx.session.scalar(select(func.count()).select_from(SecretVersion)))


def test_reserved_names_are_taken_and_invisible(store: Store, folder_id: str) -> None:
    assert store.read(lambda tx: secrets.list_secrets(tx, folder_id)) == []
    assert store.read(lambda tx: secrets.values(tx, folder_id)) == {}
    assert store.read(lambda tx: secrets.value(tx, folder_id, "DB_USER")) is None
    assert {row.name: row.version for row in store.read(lambda tx: secrets.of_rotation(tx, "r1"))} == {
        "DB_USER": 0,
        "DB_PASSWORD": 0,
    }
    names = ["DB_USER", "FREE", "db_user"]
    assert store.read(lambda tx: secrets.taken(tx, folder_id, names)) == {"DB_USER"}
    assert store.read(lambda tx: secrets.taken(tx, folder_id, names, except_rotation="r1")) == set()
    assert store.read(lambda tx: secrets.taken(tx, folder_id, names, except_rotation="r2")) == {"DB_USER"}
    assert store.read(lambda tx: secrets.taken(tx, root_folder(tx, "prod").id, names)) == set()


def test_a_taken_name_is_a_conflict_that_names_it_and_reserves_nothing(store: Store, folder_id: str, ids: Ids) -> None:
    def act(tx: Tx) -> None:
        add_rotation(tx, "r2")
        names = {"username": "OTHER", "password": "DB_PASSWORD", "x": "DB_USER"}
        secrets.reserve(tx, folder_id, "r2", names, new_id=ids, now=START)

    with pytest.raises(Conflict, match="DB_PASSWORD, DB_USER") as caught:
        store.write(act)
    assert caught.value.names == ("DB_PASSWORD", "DB_USER")
    assert store.read(lambda tx: secrets.of_rotation(tx, "r2")) == []


def test_publishing_makes_the_values_readable(store: Store, folder_id: str, ids: Ids) -> None:
    assert sorted(publish(store, ids, FIRST)) == ["DB_PASSWORD", "DB_USER"]
    assert store.read(lambda tx: secrets.values(tx, folder_id)) == {"DB_PASSWORD": "first-pw", "DB_USER": "user1"}
    assert store.read(lambda tx: secrets.value(tx, folder_id, "DB_PASSWORD")) == "first-pw"
    listed = store.read(lambda tx: secrets.list_secrets(tx, folder_id))
    assert [(row.name, row.version, row.field) for row in listed] == [
        ("DB_PASSWORD", 1, "password"),
        ("DB_USER", 1, "username"),
    ]
    assert {row.updated_at for row in listed} == {later(1)}


def test_the_next_values_are_new_versions_and_the_same_ones_are_not(store: Store, folder_id: str, ids: Ids) -> None:
    publish(store, ids, FIRST)
    assert publish(store, ids, FIRST, "a2", 2) == []
    assert versions(store) == 2
    assert publish(store, ids, {**FIRST, "password": "third"}, "a3", 3) == ["DB_PASSWORD"]
    assert versions(store) == 3
    publish(store, ids, SECOND, "a4", 4)
    listed = store.read(lambda tx: secrets.list_secrets(tx, folder_id))
    assert {row.name: (row.version, row.updated_at) for row in listed} == {
        "DB_PASSWORD": (3, later(4)),
        "DB_USER": (2, later(4)),
    }
    assert store.read(lambda tx: secrets.values(tx, folder_id)) == {"DB_PASSWORD": "second-pw", "DB_USER": "user2"}


def test_an_empty_value_is_a_value_and_unmapped_fields_are_left_out(store: Store, folder_id: str, ids: Ids) -> None:
    publish(store, ids, {"username": "", "password": "x", "secretId": "not mapped"})
    assert store.read(lambda tx: secrets.values(tx, folder_id)) == {"DB_PASSWORD": "x", "DB_USER": ""}


def test_no_value_stands_in_the_clear(store: Store, folder_id: str, ids: Ids) -> None:
    publish(store, ids, FIRST)
    stored = store.read(lambda tx: list(tx.session.scalars(select(col(SecretVersion.sealed_value)))))
    assert len(stored) == 2
    assert all(b"first-pw" not in sealed and b"user1" not in sealed for sealed in stored)


def test_a_value_swapped_with_another_does_not_open(store: Store, folder_id: str, ids: Ids) -> None:
    publish(store, ids, FIRST)

    def swap(tx: Tx) -> None:
        first, second = tx.session.scalars(select(SecretVersion)).all()
        first.sealed_value, second.sealed_value = second.sealed_value, first.sealed_value

    store.write(swap)
    with pytest.raises(SealBroken, match=r"secret_version\.sealed_value"):
        store.read(lambda tx: secrets.values(tx, folder_id))


def test_detached_secrets_stay_and_reserved_ones_vanish(store: Store, folder_id: str, ids: Ids) -> None:
    publish(store, ids, {"password": "kept"})
    store.write(lambda tx: secrets.detach(tx, "r1"))
    store.write(lambda tx: rotations.delete(tx, "r1"))
    assert store.read(lambda tx: secrets.values(tx, folder_id)) == {"DB_PASSWORD": "kept"}
    (plain,) = store.read(lambda tx: secrets.list_secrets(tx, folder_id))
    assert (plain.rotation_id, plain.field, plain.version) == (None, None, 1)
    assert store.read(lambda tx: secrets.taken(tx, folder_id, NAMES.values())) == {"DB_PASSWORD"}


def test_removed_secrets_take_their_versions_along(store: Store, folder_id: str, ids: Ids) -> None:
    publish(store, ids, FIRST)
    publish(store, ids, SECOND, "a2", 2)
    store.write(lambda tx: secrets.remove(tx, "r1"))
    assert store.read(lambda tx: secrets.taken(tx, folder_id, NAMES.values())) == set()
    assert versions(store) == 0


def test_renaming_keeps_values_and_history_and_two_may_swap(store: Store, folder_id: str, ids: Ids) -> None:
    publish(store, ids, FIRST)
    swapped = {"username": "DB_PASSWORD", "password": "DB_USER"}
    store.write(lambda tx: secrets.rename(tx, "r1", swapped, later(2)))
    assert store.read(lambda tx: secrets.values(tx, folder_id)) == {"DB_PASSWORD": "user1", "DB_USER": "first-pw"}
    store.write(lambda tx: secrets.rename(tx, "r1", {"username": "LOGIN"}, later(3)))
    assert store.read(lambda tx: secrets.values(tx, folder_id)) == {"DB_USER": "first-pw", "LOGIN": "user1"}
    assert versions(store) == 2
    assert {row.version for row in store.read(lambda tx: secrets.of_rotation(tx, "r1"))} == {1}


def add_plain(tx: Tx, ids: Ids, folder_id: str, name: str) -> None:
    tx.session.add(Secret(id=ids(), folder_id=folder_id, name=name, created_at=START, updated_at=START))
    tx.session.flush()


def test_renaming_to_a_taken_name_changes_nothing(store: Store, folder_id: str, ids: Ids) -> None:
    store.write(lambda tx: add_plain(tx, ids, folder_id, "PLAIN"))
    with pytest.raises(Conflict, match="PLAIN"):
        store.write(lambda tx: secrets.rename(tx, "r1", {"username": "NEW", "password": "PLAIN"}, later(2)))
    assert {row.name for row in store.read(lambda tx: secrets.of_rotation(tx, "r1"))} == set(NAMES.values())


def test_moving_takes_values_and_history_along(store: Store, folder_id: str, ids: Ids) -> None:
    publish(store, ids, FIRST)
    target = store.write(
        lambda tx: projects.ensure_folder(tx, root_folder(tx, "prod").environment_id, "/billing", ids).id
    )
    store.write(lambda tx: secrets.move(tx, "r1", target, later(2)))
    assert store.read(lambda tx: secrets.values(tx, folder_id)) == {}
    assert store.read(lambda tx: secrets.values(tx, target)) == {"DB_PASSWORD": "first-pw", "DB_USER": "user1"}
    store.write(lambda tx: add_plain(tx, ids, folder_id, "DB_USER"))
    with pytest.raises(Conflict, match="DB_USER"):
        store.write(lambda tx: secrets.move(tx, "r1", folder_id, later(3)))
    assert store.read(lambda tx: secrets.value(tx, target, "DB_USER")) == "user1"
