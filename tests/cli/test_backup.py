"""Backups are whole, sealed and private; a restore checks everything first, and loses nothing that was there."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.service import key_places, open_service
from app.settings import load_settings
from store import backup, events, leases, restore, rotations
from store.database import Tx
from store.keyring import create_key_file
from tests.cli.ground import (
    Ground,
    Ran,
    Running,
    done,
    keyturn,
    on_terminal,
    with_service,
    without_secrets,
)
from tests.conftest import Database
from tests.store.conftest import postgresql_url
from tests.store.ground import add_rotation

NAME = "my-pg-rotation"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "backups" / "keyturn.db"


@pytest.fixture
def filled(connected: Ground, file: Path) -> Ground:
    connected.create()
    file.parent.mkdir()
    return connected


def kept_beside(home: Path) -> list[Path]:
    return sorted(home.glob("keyturn.db.before-restore-*"))


def subjects(path: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return [subject for (subject,) in connection.execute("SELECT subject FROM event ORDER BY id")]


def change(work: Callable[[Tx], object]) -> None:
    with_service(lambda service: service.store.write(work))


def note_down(subject: str) -> None:
    def write(tx: Tx) -> None:
        events.append(tx, at=datetime.now(UTC), actor="x", action="x", result="success", subject=subject)

    change(write)


def test_a_backup_is_one_sealed_private_file(filled: Ground, file: Path, ready: Path) -> None:
    secrets = filled.published()
    ran = done("backup", str(file))
    assert str(ready / "keyturn.key") in ran.out
    assert "The key is not in it" in ran.out
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["keyturn.db"]
    text = file.read_bytes().decode("latin-1")
    assert without_secrets(text, [*filled.secrets, secrets["POSTGRES_DB_PASSWORD"]])
    assert NAME in text
    assert "back-up-store" in done("events", "--limit", "1").out

    first = file.read_bytes()
    refused = keyturn("backup", str(file))
    assert (refused.code, "--force" in refused.err, file.read_bytes() == first) == (2, True, True)
    assert done("backup", str(file), "--force", "--json").json["backup"]["bytes"] == file.stat().st_size
    assert file.read_bytes() != first
    assert keyturn("backup", str(ready / "keyturn.db"), "--force").code == 2
    assert keyturn("backup", str(file.parent)).code == 2
    nowhere = keyturn("backup", str(file.parent / "not" / "there.db"))
    assert (nowhere.code, "No such file or directory" in nowhere.err) == (1, True)
    assert [path.name for path in file.parent.iterdir()] == ["keyturn.db"]


def test_where_there_is_no_store_no_backup_of_an_empty_one_is_made(home: Path, tmp_path: Path) -> None:
    assert keyturn("backup", str(tmp_path / "b.db")).code == 3
    assert list(tmp_path.iterdir()) == []


def test_a_backup_is_of_one_moment_while_others_write(ready: Path, tmp_path: Path) -> None:
    service = open_service(load_settings(os.environ), "test")
    stop, wrote = threading.Event(), threading.Event()

    def pair(tx: Tx) -> None:
        for subject in ("one", "two"):
            events.append(tx, at=datetime.now(UTC), actor="x", action="x", result="success", subject=subject)

    def write() -> None:
        while not stop.is_set():
            service.store.write(pair, durable=False)
            wrote.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        sizes = []
        for number in range(4):
            wrote.clear()
            assert wrote.wait(30)
            copy = tmp_path / f"{number}.db"
            backup.write(service.store, copy, overwrite=False)
            restore.check(copy, key_places(load_settings(os.environ)))
            seen = subjects(copy)
            assert seen == ["one", "two"] * (len(seen) // 2)
            sizes.append(len(seen))
        assert sizes == sorted(set(sizes))
    finally:
        stop.set()
        writer.join()
        service.store.close()


def test_a_restore_brings_back_what_was_and_keeps_what_is(filled: Ground, file: Path, ready: Path) -> None:
    rotation_id = done("rotations", "show", NAME, "--json").json["secretRotation"]["id"]

    def take_lease(tx: Tx) -> None:
        soon = datetime.now(UTC) + timedelta(seconds=5)
        rotations.update_fields(tx, rotation_id, next_rotation_at=soon, due_at=soon)
        leases.claim(tx, rotation_id, "somebody", 600)

    then = filled.published()
    change(take_lease)
    done("backup", str(file))
    with_service(
        lambda service: service.store.write(lambda tx: rotations.update_fields(tx, rotation_id, lease_until=0.0))
    )
    done("rotations", "rotate", NAME)
    now = filled.published()
    assert now != then

    ran = done("restore", str(file), "--yes", "--json").json["restored"]
    (kept,) = kept_beside(ready)
    assert (ran["keptAs"], ran["rotations"]) == (str(kept), 1)
    assert stat.S_IMODE(kept.stat().st_mode) == stat.S_IMODE((ready / "keyturn.db").stat().st_mode) == 0o600
    assert filled.published() == then
    assert done("events", "--limit", "1").lines[0][2] == "restore-store"

    def look(tx: Tx) -> None:
        row = rotations.get(tx, rotation_id)
        assert row is not None
        assert row.lease_owner is None
        assert row.due_at is not None
        assert row.due_at > datetime.now(UTC) + restore.LOOK_FIRST / 2

    with_service(lambda service: service.store.read(look))

    async def unchecked() -> str | None:
        service = open_service(load_settings(os.environ), "test")
        try:
            return await service.context.engine.next_unchecked(timedelta(hours=6))
        finally:
            await service.aclose()

    assert asyncio.run(unchecked()) == rotation_id
    assert asyncio.run(unchecked()) is None
    done("rotations", "rotate", NAME, "--force")
    assert filled.published_logs_in()

    done("restore", str(kept), "--yes")
    assert filled.published() == now
    assert len(kept_beside(ready)) == 2


def test_it_is_refused_while_another_process_uses_the_store(ready: Path, file: Path) -> None:
    file.parent.mkdir()
    done("backup", str(file))
    note_down("later")
    with Running("--run-scheduler") as other:
        other.hear("event=started")
        ran = keyturn("restore", str(file), "--yes")
        assert ran.code == 4
        assert f"process {other.popen.pid} (" in ran.err
    assert kept_beside(ready) == []
    assert "later" in subjects(ready / "keyturn.db")
    done("restore", str(file), "--yes")
    assert "later" not in subjects(ready / "keyturn.db")


def refused(file: Path, *parts: str, code: int = 1) -> Ran:
    home = Path(os.environ["KEYTURN_HOME"])
    before = (home / "keyturn.db").read_bytes()
    ran = keyturn("restore", str(file), "--yes")
    assert ran.code == code, ran.said
    assert all(part in ran.err for part in parts), ran.err
    assert (home / "keyturn.db").read_bytes() == before
    assert not [path.name for path in home.iterdir() if "restore" in path.name or path.name.startswith(".")]
    return ran


def test_what_is_no_good_backup_touches_nothing(ready: Path, file: Path) -> None:
    change(add_rotation)
    file.parent.mkdir()
    done("backup", str(file))
    good, key = file.read_bytes(), ready / "keyturn.key"
    refused(file.with_name("none.db"), "There is no backup", code=3)
    refused(file.parent, "is no file", code=3)
    for text in (b"", b"garbage" * 999, good[:5000], good[:8192] + b"\xff" * 8192 + good[16384:]):
        file.write_bytes(text)
        refused(file)
    file.unlink()
    with closing(sqlite3.connect(file)) as other, other:
        other.execute("CREATE TABLE rotation (id)")
    refused(file, "is no backup of a Keyturn store")

    def changed(statement: str) -> None:
        file.write_bytes(good)
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute(statement)

    changed("UPDATE alembic_version SET version_num = '9999'")
    refused(file, "later version")
    changed("UPDATE connection SET sealed_credentials = zeroblob(200)")
    refused(file, "sealed values do not open: connection.sealed_credentials")
    changed("DELETE FROM project")
    refused(file, "is damaged")
    file.write_bytes(good)
    original = key.read_bytes()
    key.unlink()
    refused(file, "there is no key at")
    create_key_file(key)
    refused(file, f"is not the key of the store {file}")
    key.write_bytes(original)
    without = keyturn("restore", str(file))
    assert (without.code, "--yes" in without.err) == (2, True)
    assert kept_beside(ready) == []


def test_a_store_that_is_damaged_or_gone_is_replaced(ready: Path, file: Path) -> None:
    note_down("saved")
    file.parent.mkdir()
    done("backup", str(file))
    live = ready / "keyturn.db"
    live.write_bytes(b"no database " * 500)
    done("restore", str(file), "--yes")
    (kept,) = kept_beside(ready)
    assert kept.read_bytes() == b"no database " * 500
    assert "saved" in done("events").out
    live.unlink()
    ran = done("restore", str(file), "--yes")
    assert "kept" not in ran.out
    assert "saved" in done("events").out


def test_what_fails_half_way_leaves_the_store_as_it_was(
    ready: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.parent.mkdir()
    done("backup", str(file))
    note_down("later")

    def full(draft: Path, file: Path, *, overwrite: bool) -> None:
        raise OSError(28, "No space left on device", str(file))

    monkeypatch.setattr(backup, "place", full)
    ran = keyturn("restore", str(file), "--yes")
    assert (ran.code, "No space left on device. The store is as it was." in ran.err) == (1, True)
    assert "later" in done("events").out
    assert sorted(path.name for path in ready.iterdir()) == ["keyturn.db", "keyturn.key"]


def test_a_person_is_asked(ready: Path, file: Path) -> None:
    file.parent.mkdir()
    done("backup", str(file))
    note_down("later")
    code, screen = on_terminal("restore", str(file), answer=b"no\n", prompt=b"Type yes")
    assert (code, "Nothing was done." in screen) == (1, True)
    assert str(ready / "keyturn.db.before-restore-") in screen
    assert "later" in done("events").out


@pytest.fixture
def on_server(home: Path, pg: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYTURN_DATABASE_URL", postgresql_url(pg))


def test_a_store_in_postgresql_becomes_a_file_that_goes_into_either(
    on_server: None, home: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(add_rotation)
    note_down("saved")
    file.parent.mkdir()
    done("backup", str(file))
    note_down("later")

    holder = open_service(load_settings(os.environ), "test")
    try:
        holder.store.read(lambda tx: None)
        ran = keyturn("restore", str(file), "--yes")
        assert (ran.code, "session " in ran.err) == (4, True)
    finally:
        holder.store.close()
    assert "later" in done("events").out

    done("restore", str(file), "--yes")
    said = done("events").out
    assert ("saved" in said, "later" in said) == (True, False)
    note_down("goes on")  # the numbers of events go on where they were
    (kept,) = kept_beside(home)
    assert "later" in subjects(kept)

    monkeypatch.delenv("KEYTURN_DATABASE_URL")
    done("restore", str(kept), "--yes")
    assert "later" in done("events").out
    assert [row[0] for row in done("rotations", "list").lines] == ["r1"]
    assert home.joinpath("keyturn.db").exists()
