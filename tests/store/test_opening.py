"""Opening a store: the first start, every later one, and the stores and keys that do not fit."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from store import engines, projects, rekey, setup
from store.database import Store, Tx
from store.errors import KeyMissing, KeyUnusable, StoreNewer, StoreUnavailable, WrongKey
from store.keyring import KeyPlaces, create_key_file, format_key_ring, replace_key_file, with_new_primary
from store.sealing import KeyRing, Place, seal
from tests.store.conftest import Opener
from tests.store.ground import PRELUDE, ROOT, Child


def default_tree(tx: Tx) -> list[tuple[str, str, list[str]]]:
    (project,) = projects.list_projects(tx)
    assert (project.slug, project.name) == ("default", "Default")
    return [
        (found.slug, found.name, [folder.path for folder in projects.list_folders(tx, found.id)])
        for found in projects.list_environments(tx, project.id)
    ]


TREE = [("dev", "Development", ["/"]), ("staging", "Staging", ["/"]), ("prod", "Production", ["/"])]


def test_the_first_start_creates_the_default_project_and_the_second_finds_it(
    url: str, opener: Opener, places: KeyPlaces
) -> None:
    first = opener(url)
    assert first.created
    assert first.key_source.created
    assert first.read(default_tree) == TREE
    second = opener(url)
    assert not second.created
    assert not second.key_source.created
    assert second.key_source.path == places.default_file
    assert second.keys == first.keys
    assert second.read(default_tree) == TREE


def test_a_key_that_is_there_already_is_used_for_a_new_store(url: str, opener: Opener, places: KeyPlaces) -> None:
    key = create_key_file(places.default_file)
    store = opener(url)
    assert store.created
    assert store.keys == key.ring
    assert not store.key_source.created


@pytest.mark.parametrize(
    "with_key", [False, pytest.param(True, marks=pytest.mark.soak)], ids=["fresh key", "given key"]
)
def test_processes_that_start_first_at_once_share_one_store(
    url: str, opener: Opener, places: KeyPlaces, with_key: bool
) -> None:
    if with_key:
        create_key_file(places.default_file)
    script = (
        PRELUDE
        + """
print("ready", flush=True)
input()
store = open_at(sys.argv[1], sys.argv[2])
print(store.created, store.keys.primary, len(store.read(projects.list_projects)))
"""
    )
    children = [Child(script, url, str(places.default_file)) for _ in range(3)]
    assert [child.hear() for child in children] == ["ready"] * 3
    for child in children:
        child.tell()
    answers = [child.finish() for child in children]
    primary = opener(url).keys.primary
    assert sorted(answers) == [f"False {primary} 1", f"False {primary} 1", f"True {primary} 1"]
    assert opener(url).read(default_tree) == TREE


def test_all_files_are_private_whatever_the_umask(sqlite_url: str, opener: Opener, home_directory: Path) -> None:
    former = os.umask(0)
    try:
        store = opener(sqlite_url)
    finally:
        os.umask(former)
    store.read(default_tree)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home_directory.iterdir()}
    assert modes == dict.fromkeys(("keyturn.db", "keyturn.db-wal", "keyturn.db-shm", "keyturn.key"), 384)
    assert stat.S_IMODE(home_directory.stat().st_mode) == 0o700


def test_sqlite_is_set_up_to_lose_nothing(sqlite_store: Store) -> None:
    def settings(tx: Tx) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [tx.session.execute(text(f"PRAGMA {name}")).scalar_one() for name in names]

    assert sqlite_store.read(settings) == ["wal", 2, 1, 10_000]
    assert sqlite_store.write(settings) == ["wal", 2, 1, 10_000]


def test_opening_again_imports_no_alembic(sqlite_url: str, opener: Opener, places: KeyPlaces) -> None:
    opener(sqlite_url)
    script = """
import sys, uuid
from datetime import UTC, datetime
from pathlib import Path
from store.database import open_store
from store.keyring import KeyPlaces
open_store(sys.argv[1], key=KeyPlaces(Path(sys.argv[2])), now=lambda: datetime.now(UTC), new_id=str)
print(sorted({"alembic", "mako", "psycopg"} & sys.modules.keys()))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, sqlite_url, str(places.default_file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_a_missing_key_is_never_replaced(url: str, opener: Opener, places: KeyPlaces) -> None:
    opener(url)
    places.default_file.unlink()
    with pytest.raises(KeyMissing, match="its key is missing") as caught:
        opener(url)
    assert str(places.default_file) in caught.value.remedy
    assert "Restore" in caught.value.remedy
    assert not places.default_file.exists()


def test_a_missing_key_is_not_replaced_while_a_store_is_brought_up_to_date(
    url: str, opener: Opener, places: KeyPlaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    opener(url)
    places.default_file.unlink()
    monkeypatch.setattr(setup, "HEAD", "one that is newer than the store's")
    with pytest.raises(KeyMissing):
        opener(url)
    assert not places.default_file.exists()


class Refusing(sqlite3.Connection):
    """Answers like a file that others are changing to WAL at this moment."""

    refusals = 3
    code = sqlite3.SQLITE_BUSY

    def execute(self, *statement: Any) -> sqlite3.Cursor:
        if not self.refusals:
            return super().execute(*statement)
        self.refusals -= 1
        error = sqlite3.OperationalError("database is locked")
        error.sqlite_errorcode = self.code
        raise error


def test_the_change_to_wal_is_tried_again_as_sqlite_does_not_wait_for_it(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "x.db", factory=Refusing)
    engines._enter_wal(connection, busy_timeout=60)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.refusals = 2
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        engines._enter_wal(connection, busy_timeout=0)
    connection.refusals, connection.code = 1, sqlite3.SQLITE_NOTADB
    with pytest.raises(sqlite3.OperationalError):
        engines._enter_wal(connection, busy_timeout=60)
    assert connection.refusals == 0
    connection.close()


def test_another_key_is_a_wrong_key(url: str, opener: Opener, tmp_path: Path) -> None:
    opener(url)
    create_key_file(tmp_path / "other.key")
    with pytest.raises(WrongKey, match=r"other\.key is not the key of the store"):
        opener(url, key=KeyPlaces(tmp_path / "other.key"))


def test_another_key_under_the_same_id_is_a_wrong_key(sqlite_url: str, opener: Opener, places: KeyPlaces) -> None:
    primary = opener(sqlite_url).keys.primary
    forged = KeyRing({primary: b"x" * 32}, primary)
    replace_key_file(places.default_file, forged)
    with pytest.raises(WrongKey):
        opener(sqlite_url)


def test_a_ring_that_lacks_a_key_the_store_had_is_a_wrong_key(
    sqlite_url: str, opener: Opener, places: KeyPlaces
) -> None:
    former = opener(sqlite_url).keys
    replace_key_file(places.default_file, with_new_primary(former))
    opener(sqlite_url)
    replace_key_file(places.default_file, former)
    with pytest.raises(WrongKey):
        opener(sqlite_url)


def test_a_new_primary_key_is_vouched_for_at_the_next_start(sqlite_url: str, opener: Opener, places: KeyPlaces) -> None:
    wider = with_new_primary(opener(sqlite_url).keys)
    replace_key_file(places.default_file, wider)
    store = opener(sqlite_url)
    assert not store.created
    kids = store.read(lambda tx: set(tx.session.execute(text("SELECT key_id FROM canary")).scalars()))
    assert kids == set(wider.keys)


def test_a_key_that_others_can_read_stops_the_start(sqlite_url: str, opener: Opener, places: KeyPlaces) -> None:
    opener(sqlite_url)
    places.default_file.chmod(0o644)
    with pytest.raises(KeyUnusable):
        opener(sqlite_url)


def test_the_key_may_come_from_the_environment(url: str, opener: Opener, places: KeyPlaces) -> None:
    ring = create_key_file(places.default_file).ring
    places.default_file.unlink()
    given = KeyPlaces(places.default_file, environ={"KEYTURN_KEY": format_key_ring(ring)})
    store = opener(url, key=given)
    assert store.keys == ring
    assert "KEYTURN_KEY" in store.key_source.text
    assert not places.default_file.exists()


def test_a_store_of_a_later_version_is_left_alone(url: str, opener: Opener) -> None:
    store = opener(url)
    store.write(lambda tx: tx.session.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(StoreNewer, match="later version of Keyturn") as caught:
        opener(url)
    assert "Update Keyturn" in caught.value.remedy
    version = store.read(lambda tx: tx.session.execute(text("SELECT version_num FROM alembic_version")).scalar())
    assert version == "9999"


def test_a_later_version_is_told_before_the_key_is_asked_for(url: str, opener: Opener, places: KeyPlaces) -> None:
    def become_newer(tx: Tx) -> None:
        tx.session.execute(text("DROP TABLE canary"))
        tx.session.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    opener(url).write(become_newer)
    places.default_file.unlink()
    with pytest.raises(StoreNewer):
        opener(url)


def test_a_store_without_canary_is_damaged_not_new(sqlite_url: str, opener: Opener) -> None:
    opener(sqlite_url).write(lambda tx: tx.session.execute(text("DELETE FROM canary")))
    with pytest.raises(StoreUnavailable, match="damaged"):
        opener(sqlite_url)


def test_a_first_start_that_fails_leaves_nothing_half_done(
    url: str, opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(setup, "_add_default_project", die)
        with pytest.raises(RuntimeError, match="power cut"):
            opener(url)
    store = opener(url)
    assert store.created
    assert store.read(default_tree) == TREE


def test_a_running_process_takes_up_a_rotated_key_by_itself(sqlite_url: str, opener: Opener, places: KeyPlaces) -> None:
    running, other = opener(sqlite_url), opener(sqlite_url)
    replace_key_file(places.default_file, with_new_primary(running.keys))
    assert other.reload_keys()
    other.write(rekey.vouch)
    sealed = other.read(lambda tx: tx.seal("value", "secret", "row", "field"))
    assert running.read(lambda tx: tx.unseal(sealed, "secret", "row", "field")) == "value"
    assert running.keys == other.keys


def test_a_value_of_a_key_that_is_nowhere_is_a_wrong_key(sqlite_store: Store) -> None:
    foreign = KeyRing({"lost": b"x" * 32}, "lost")
    sealed = seal(foreign, b"value", Place("secret", "row", "field"))
    with pytest.raises(WrongKey, match="'lost'"):
        sqlite_store.read(lambda tx: tx.unseal(sealed, "secret", "row", "field"))


@pytest.mark.parametrize(
    "address",
    ["", "nonsense", "sqlite://", "sqlite:///:memory:", "mysql://u:hunter2@h/db", "postgresql+asyncpg://u:hunter2@h/d"],
)
def test_an_address_of_no_store_is_refused_without_repeating_it(address: str, opener: Opener) -> None:
    with pytest.raises(StoreUnavailable, match="address") as caught:
        opener(address)
    assert "hunter2" not in caught.value.message + caught.value.remedy


def test_the_location_is_for_people_and_holds_no_password(store: Store, url: str) -> None:
    if store.dialect == "sqlite":
        assert store.location == url.removeprefix("sqlite:///")
    else:
        assert store.location.startswith("postgresql://postgres@127.0.0.1:")
        assert url.split(":")[2].split("@", maxsplit=1)[0] not in store.location
