"""Rotations, their slots, a look at their attempts."""

from __future__ import annotations

import pytest
from sqlmodel import select

from store import projects, rotations, secrets
from store.database import Store, Tx
from store.tables import Attempt, Credential, Environment, Project, Rotation
from tests.store.ground import START, Ids, add_rotation, later, new_attempt, new_rotation, root_folder


def test_a_rotation_comes_back_as_it_was_added(store: Store) -> None:
    def arrange(tx: Tx) -> None:
        rotation = add_rotation(tx)
        rotation.due_at = later(5)
        rotation.deletion = {"revoke": True, "delete_secrets": False}
        rotation.lease_until = 1_764_000_000.123456

    store.write(arrange)
    found = store.read(lambda tx: rotations.get(tx, "r1"))
    assert found is not None
    assert found.due_at == later(5)
    assert found.due_at.utcoffset() == START.utcoffset()
    assert found.lease_until == 1_764_000_000.123456
    assert found.deletion == {"revoke": True, "delete_secrets": False}
    assert list(found.secrets_mapping) == ["username", "password"]
    assert (found.rotation_status, found.fence, found.lease_owner) == (None, 0, None)
    assert store.read(lambda tx: rotations.get(tx, "none")) is None


def add_other_project(tx: Tx) -> str:
    tx.session.add(Project(id="p2", slug="other", name="Other", created_at=START))
    tx.session.flush()
    tx.session.add(Environment(id="e2", project_id="p2", slug="dev", name="Dev", position=0))
    tx.session.flush()
    return projects.ensure_folder(tx, "e2", "/", Ids()).id


def test_rotations_are_found_by_place_name_and_type(store: Store) -> None:
    def arrange(tx: Tx) -> None:
        first = add_rotation(tx, "r1")
        prod = root_folder(tx, "prod").id
        for rotation_id, folder_id, name in (("r2", prod, "r1"), ("r3", add_other_project(tx), "aws")):
            rotation = new_rotation(rotation_id, folder_id, first.connection_id, name)
            rotation.type = "aws-iam-user-secret" if name == "aws" else rotation.type
            rotations.add(tx, rotation)

    store.write(arrange)
    dev, default = store.read(lambda tx: (root_folder(tx), projects.find_project(tx, "default")))
    assert default is not None

    def ids(found: list[Rotation]) -> list[str]:
        return [rotation.id for rotation in found]

    assert ids(store.read(lambda tx: rotations.find_by_name(tx, "r1"))) == ["r1", "r2"]
    found = store.read(lambda tx: rotations.find(tx, dev.id, "r1"))
    assert found is not None
    assert found.id == "r1"
    assert store.read(lambda tx: rotations.find(tx, dev.id, "aws")) is None
    assert ids(store.read(rotations.list_all)) == ["r3", "r1", "r2"]
    assert ids(store.read(lambda tx: rotations.list_all(tx, project_id=default.id))) == ["r1", "r2"]
    assert ids(store.read(lambda tx: rotations.list_all(tx, type="aws-iam-user-secret"))) == ["r3"]
    assert store.read(lambda tx: rotations.list_all(tx, default.id, "aws-iam-user-secret")) == []


def test_single_columns_are_updated(store: Store) -> None:
    store.write(lambda tx: add_rotation(tx))
    store.write(lambda tx: rotations.update_fields(tx, "r1", description="text", parameters={"a": [1]}))
    found = store.read(lambda tx: rotations.get(tx, "r1"))
    assert found is not None
    assert (found.description, found.parameters, found.name) == ("text", {"a": [1]}, "r1")
    with pytest.raises(KeyError):
        store.write(lambda tx: rotations.update_fields(tx, "none", description="text"))
    with pytest.raises(TypeError, match="no such columns: descripton"):
        store.write(lambda tx: rotations.update_fields(tx, "r1", descripton="text"))


def test_a_locking_read_sees_the_row_as_it_is_now_and_keeps_what_was_set(store: Store) -> None:
    store.write(lambda tx: add_rotation(tx))

    def act(tx: Tx) -> None:
        row = rotations.get(tx, "r1")
        assert row is not None
        row.description = "set, not yet flushed"
        again = rotations.get(tx, "r1", lock=True)
        assert again is row
        assert row.description == "set, not yet flushed"

    store.write(act)


def put(tx: Tx, slot: int, password: str, row_id: str, attempt_id: str = "a1") -> None:
    rotations.put_credential(
        tx,
        id=row_id,
        rotation_id="r1",
        slot=slot,
        public={"username": f"user{slot}"},
        values={"username": f"user{slot}", "password": password},
        issued_at=START,
        expires_at=None,
        attempt_id=attempt_id,
    )


def test_slots_hold_sealed_credentials_and_are_replaced(store: Store) -> None:
    store.write(add_rotation)
    store.write(lambda tx: put(tx, 0, "old-pw", "c0"))
    store.write(lambda tx: put(tx, 1, "other-pw", "c1"))
    store.write(lambda tx: put(tx, 0, "new-pw", "c2", "a2"))
    rows = store.read(lambda tx: rotations.credentials(tx, "r1"))
    assert {slot: (row.id, row.attempt_id) for slot, row in rows.items()} == {0: ("c2", "a2"), 1: ("c1", "a1")}
    assert b"new-pw" not in rows[0].sealed_values
    values = store.read(lambda tx: {slot: rotations.credential_values(tx, row) for slot, row in rows.items()})
    assert values[0] == {"username": "user0", "password": "new-pw"}
    assert values[1] == {"username": "user1", "password": "other-pw"}
    assert store.read(lambda tx: rotations.credentials(tx, "none")) == {}


def test_attempts_come_newest_first_and_the_open_one_is_found(store: Store) -> None:
    def arrange(tx: Tx) -> None:
        add_rotation(tx)
        add_rotation(tx, "r2")
        for number in range(4):
            new_attempt(tx, f"a{number}", "r1", minutes=number)
        new_attempt(tx, "other", "r2", minutes=9, state="open")

    store.write(arrange)
    assert [a.id for a in store.read(lambda tx: rotations.attempts(tx, "r1", 3))] == ["a3", "a2", "a1"]
    assert store.read(lambda tx: rotations.open_attempt(tx, "r1")) is None
    store.write(lambda tx: new_attempt(tx, "open", "r1", minutes=2, state="open"))
    found = store.read(lambda tx: rotations.open_attempt(tx, "r1"))
    assert found is not None
    assert found.id == "open"


def test_deleting_takes_credentials_and_attempts_and_nothing_else(store: Store) -> None:
    def arrange(tx: Tx) -> None:
        for rotation_id in ("r1", "r2"):
            add_rotation(tx, rotation_id)
            new_attempt(tx, f"of-{rotation_id}", rotation_id, minutes=1)
        put(tx, 0, "pw", "c0")
        secrets.reserve(tx, root_folder(tx).id, "r1", {"password": "DB_PASSWORD"}, new_id=Ids(), now=START)

    store.write(arrange)
    store.write(lambda tx: secrets.remove(tx, "r1"))
    store.write(lambda tx: rotations.delete(tx, "r1"))

    def rest(tx: Tx) -> tuple[int, list[str], list[str]]:
        credentials = len(tx.session.exec(select(Credential)).all())
        attempts = [attempt.id for attempt in tx.session.exec(select(Attempt))]
        return credentials, attempts, [rotation.id for rotation in rotations.list_all(tx)]

    assert store.read(rest) == (0, ["of-r2"], ["r2"])
