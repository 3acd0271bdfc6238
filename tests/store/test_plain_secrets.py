"""Plain secrets, and the short reads of a server, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import select

from store import events, identities, plain_secrets, projects, rekey, secrets, served_secrets, trail
from store.database import Store, Tx
from store.errors import Conflict
from store.events import Line
from store.tables import AccessToken, Identity, SecretVersion
from tests.store.ground import START, Ids, add_rotation, later, root_folder

HERE = {"project": "default", "environment": "dev"}


def folder(tx: Tx, path: str, ids: Ids) -> str:
    return projects.ensure_folder(tx, root_folder(tx).environment_id, path, ids).id


def add(tx: Tx, name: str, value: str, ids: Ids, path: str = "/", **details: str) -> str:
    return plain_secrets.create(tx, folder(tx, path, ids), name, value, details, new_id=ids, now=START).id


def test_versions_stay_and_an_equal_value_is_none(store: Store) -> None:
    ids = Ids()
    secret_id = store.write(lambda tx: add(tx, "KEY", "one", ids, comment="hunter2"))

    def change(tx: Tx) -> list[bool]:
        row = plain_secrets.find(tx, root_folder(tx).id, "KEY", lock=True)
        assert row is not None
        assert plain_secrets.details(tx, row) == {"comment": "hunter2"}
        changed = [
            plain_secrets.set_value(tx, row, text, new_id=ids, now=later(1)) for text in ("one", "two", "two", "one")
        ]
        plain_secrets.set_details(tx, row, {}, later(2))
        plain_secrets.rename(tx, row, "OTHER", later(3))
        return changed

    assert store.write(change) == [False, True, False, True]
    assert store.read(lambda tx: secrets.values(tx, root_folder(tx).id)) == {"OTHER": "one"}
    held = store.read(lambda tx: list(tx.session.exec(select(SecretVersion.version))))
    assert sorted(held) == [1, 2, 3]
    assert store.read(rekey.unreadable) == []

    def clash(tx: Tx) -> None:
        add(tx, "KEY", "x", ids)
        row = plain_secrets.find(tx, root_folder(tx).id, "KEY")
        assert row is not None
        plain_secrets.rename(tx, row, "OTHER", START)

    with pytest.raises(Conflict, match="OTHER"):
        store.write(clash)

    def remove(tx: Tx) -> None:
        row = plain_secrets.find(tx, root_folder(tx).id, "OTHER")
        assert row is not None
        assert row.id == secret_id
        plain_secrets.remove(tx, row)

    store.write(remove)
    assert store.read(lambda tx: list(tx.session.exec(select(SecretVersion.version)))) == []


async def test_a_glance_finds_what_is_published_there_and_below(store: Store) -> None:
    ids = Ids()

    def arrange(tx: Tx) -> None:
        for name, path in (("A", "/"), ("B", "/db"), ("C", "/db/eu"), ("D", "/DB"), ("E", "/dbx"), ("F", "/d_")):
            add(tx, name, f"value of {name}", ids, path, comment=name)
        add_rotation(tx, "r1")
        secrets.reserve(tx, root_folder(tx).id, "r1", {"password": "RESERVED"}, new_id=ids, now=START)

    store.write(arrange)

    async def names(path: str, below: bool) -> list[str]:
        statement = served_secrets.AT_AND_BELOW if below else served_secrets.AT
        more = served_secrets.below(path) if below else {}
        return [row.name for row in served_secrets.served(await store.glance(statement, **HERE, path=path, **more))]

    assert await names("/", below=False) == ["A"]
    assert await names("/db", below=True) == ["B", "C"]
    assert await names("/d_", below=True) == ["F"]
    assert sorted(await names("/", below=True)) == ["A", "B", "C", "D", "E", "F"]
    (row,) = served_secrets.served(await store.glance(served_secrets.NAMED, **HERE, path="/db/eu", name="C"))
    assert served_secrets.value(store, row) == "value of C"
    assert served_secrets.details(store, row) == {"comment": "C"}
    assert (row.created_at, row.updated_at, row.path) == ("2026-11-21T10:30:15.250Z",) * 2 + ("/db/eu",)
    by_version = {**HERE, "path": "/db/eu", "name": "C"}
    assert len(await store.glance(served_secrets.NAMED_VERSION, **by_version, version=1)) == 1
    assert await store.glance(served_secrets.NAMED_VERSION, **by_version, version=2) == []
    assert len(await store.glance(served_secrets.BY_ID, id=row.id)) == 1
    assert await store.glance(served_secrets.NAMED, **HERE, path="/db", name="c") == []


async def test_a_glance_knows_a_token_until_it_expires_or_is_revoked(store: Store) -> None:
    def arrange(tx: Tx) -> None:
        project = projects.find_project(tx, "default")
        assert project is not None
        identity = Identity(
            id="i1",
            name="ci",
            project_id=project.id,
            environments=["dev"],
            paths=["/db/**"],
            allowed=["read"],
            secret_hash=b"x",
            token_seconds=60,
            created_at=START,
        )
        identities.add(tx, identity)
        token = AccessToken(
            id="t1",
            identity_id="i1",
            hash=b"\x00\xff",
            created_at=START,
            expires_at=later(1),
            renewable_until=later(9),
        )
        identities.add_token(tx, token)

    store.write(arrange)
    found = await identities.holder_of(store, b"\x00\xff", later(1) - timedelta(microseconds=1))
    assert found is not None
    assert (found.name, found.project_slug, found.environments, found.paths) == (
        "ci",
        "default",
        '["dev"]',
        '["/db/**"]',
    )
    assert await identities.holder_of(store, b"\x00\xff", later(1)) is None
    assert await identities.holder_of(store, b"\x00\xfe", START) is None
    store.write(lambda tx: identities.revoke_tokens(tx, "i1"))
    assert await identities.holder_of(store, b"\x00\xff", START) is None


def test_lines_that_are_written_together_are_one_chain(store: Store) -> None:
    lines = [Line(later(number), "api:ci", "get-secret", "success", "dev /", None, f"K{number}") for number in range(3)]
    store.write(lambda tx: events.append_all(tx, lines), durable=False)
    store.write(lambda tx: events.append(tx, at=START, actor="a", action="b", result="success", subject="c"))
    assert [event.message for event in store.read(lambda tx: events.recent(tx, 10))] == ["", "K2", "K1", "K0"]
    verdict = store.read(trail.verify)
    assert (verdict.count, verdict.broken) == (4, "")
