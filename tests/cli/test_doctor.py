"""What `keyturn doctor` finds, and that it leaves everything as it was."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.doctor import files, storage
from app.service import open_service
from app.settings import load_settings
from store import connections, events, hooks, rotations
from store.database import Tx
from store.keyring import create_key_file
from store.tables import Delivery, Hook, Rotation
from tests.cli.ground import Ground, done, keyturn, with_service
from tests.conftest import Database
from tests.deliver.ground import publish
from tests.store.conftest import postgresql_url
from tests.store.ground import add_rotation, new_attempt

Found = dict[str, tuple[str, str, str]]


def examined(*, code: int, words: tuple[str, ...] = ()) -> Found:
    """Result, detail and remedy by title, those of one title run together with the worst result."""
    ran = keyturn("doctor", "--json", *words)
    assert ran.code == code, ran.said
    assert ran.json["ok"] is (code == 0)
    found: Found = {}
    rank = ["passed", "warning", "failed"]
    for check in ran.json["checks"]:
        result, detail, remedy = found.get(check["title"], ("passed", "", ""))
        assert check["remedy"] or check["result"] == "passed", check
        worst = max(result, check["result"], key=rank.index)
        found[check["title"]] = (worst, detail + check["detail"], remedy + check["remedy"])
    return found


def change(work: Callable[[Tx], object]) -> None:
    with_service(lambda service: service.store.write(work))


def content(folder: Path) -> dict[str, bytes]:
    """-shm holds the locks of readers."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith("-shm")}


def test_without_a_store_it_says_so_and_makes_none(home: Path) -> None:
    found = examined(code=0)
    assert found["store"][:2] == ("warning", f"there is no store at {home / 'keyturn.db'} yet")
    assert not home.exists()
    create_key_file(home / "keyturn.key")
    lost = examined(code=0)
    assert "the store that it opens is not" in lost["key"][1]
    assert "keyturn restore FILE" in lost["store"][2]
    assert [path.name for path in home.iterdir()] == ["keyturn.key"]


def test_all_is_well_and_stays_as_it_was(connected: Ground, ready: Path) -> None:
    connected.create()
    assert examined(code=0)["backup"][:2] == ("warning", "the history knows of none made with keyturn backup")
    done("backup", str(ready.parent / "backup.db"))
    before = content(ready)
    found = examined(code=0)
    assert {result for result, _, _ in found.values()} == {"passed"}
    outside = {"key", "store", "rights", "disk space", "integrity"}
    assert outside | {"sealed values", "clock", "leases", "backup"} <= found.keys()
    assert found["rotations"][1] == "1 of 1 need nobody"
    assert "PostgreSQL 18" in found["connection my-pg-connection"][1]
    assert content(ready) == before
    cells = done("doctor").lines
    assert all(len(line) == 4 and line[0] == "passed" for line in cells)


def test_what_others_may_read_is_named_with_the_command_that_mends_it(ready: Path) -> None:
    ready.chmod(0o755)
    found = examined(code=0)["rights"]
    assert found == ("warning", f"{ready} is open to other users (mode 0755, should be 0700)", f"chmod 700 {ready}")
    ready.chmod(0o700)
    file = ready / "keyturn.db"
    file.chmod(0o640)
    assert examined(code=1)["rights"][2] == f"chmod 600 {file}"
    file.chmod(0o600)
    key = ready / "keyturn.key"
    key.chmod(0o604)
    found_all = examined(code=1)
    assert "Other users can read" in found_all["key"][1]
    assert found_all["rights"][2] == f"chmod 600 {key}"
    key.chmod(0o600)
    former = ready / "keyturn.db.before-restore-x"
    former.touch(0o644)
    former.chmod(0o644)
    assert str(former) in examined(code=1)["rights"][1]


def test_a_store_that_does_not_open_is_told_why(ready: Path, tmp_path: Path) -> None:
    key, file = ready / "keyturn.key", ready / "keyturn.db"
    good_key, good_file = key.read_bytes(), file.read_bytes()

    key.unlink()
    assert "its key is missing" in examined(code=1)["key"][1]
    create_key_file(key)
    wrong = examined(code=1)
    assert "is not the key of the store" in wrong["key"][1]
    assert wrong["integrity"][0] == "passed"
    assert "store" not in wrong
    key.write_bytes(good_key)

    for revision, text in (("9999", "later version"), ("0000", "later version")):
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        assert text in examined(code=1)["store"][1]
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DROP TABLE alembic_version")
    assert examined(code=1)["store"][1] == f"There is no store at {file} yet."

    for leftover in ready.glob("keyturn.db-*"):
        leftover.unlink()
    file.write_bytes(b"not a database at all" * 100)
    damaged = examined(code=1)
    assert "no SQLite database" in damaged["integrity"][1]
    assert "no SQLite database" in damaged["store"][1]
    assert "is there; whether it opens the store could not be tried" in damaged["key"][1]
    key.unlink()
    assert examined(code=1)["key"][:2] == ("warning", "there is none")
    key.write_bytes(good_key)
    key.chmod(0o600)
    file.write_bytes(good_file)
    assert examined(code=0)["store"][0] == "passed"


def test_damage_inside_a_store_that_opens_is_found(ready: Path) -> None:
    def fill(tx: Tx) -> None:
        row = add_rotation(tx)
        new_attempt(tx, "a1", row.id, 0).sealed_issued = b"KT1 no seal"

    change(fill)
    with closing(sqlite3.connect(ready / "keyturn.db")) as connection, connection:
        connection.execute("UPDATE attempt SET rotation_id = 'nobody'")
    found = examined(code=1)
    assert found["integrity"][:2] == (
        "failed",
        "the database file is damaged: a row of attempt refers to one of rotation that is gone",
    )
    assert found["sealed values"][0] == "failed"
    assert "attempt.sealed_issued a1" in found["sealed values"][1]


def test_rotations_that_need_somebody_have_a_line_each(ready: Path) -> None:
    now = datetime.now(UTC)
    gone = f"{socket.gethostname()[:32]}:{2**22 + 1}:abcd"  # more than a process id can be
    states: dict[str, dict[str, Any]] = {
        "well": {"next_rotation_at": now + timedelta(days=9)},
        "failing": {"rotation_status": "failed", "last_rotation_message": "no such user"},
        "overdue": {"next_rotation_at": now - timedelta(hours=1)},
        "stuck": {"next_rotation_at": now + timedelta(days=9), "due_at": now - timedelta(hours=2)},
        "left": {"next_rotation_at": now + timedelta(days=9), "lease_owner": "elsewhere:1:ab", "lease_until": 1.0},
        "orphan": {"lease_owner": gone, "lease_until": now.timestamp() + 600},
        "slow": {"lease_owner": f"elsewhere:{os.getpid()}:ab", "lease_until": now.timestamp() + 600},
        "expiring": {"next_rotation_at": now + timedelta(days=9)},
        "expired": {"next_rotation_at": now + timedelta(days=9)},
    }
    ends = {"expiring": now + timedelta(days=2), "expired": now - timedelta(days=1)}

    def fill(tx: Tx) -> None:
        for name, columns in states.items():
            row: Rotation = add_rotation(tx, name)
            rotations.update_fields(tx, row.id, last_rotated_at=now, **columns)
            end = ends.get(name, now + timedelta(days=300))
            rotations.put_credential(
                tx,
                id=f"c-{name}",
                rotation_id=name,
                slot=0,
                public={},
                values={},
                issued_at=now,
                expires_at=end,
                attempt_id="a",
            )
        new_attempt(tx, "a1", "slow", 0, "open").updated_at = now - timedelta(hours=1)
        for connection in connections.list_all(tx):
            connection.app = "none-of-ours"

    change(fill)
    found = examined(code=1)
    results = {name: found.get(f"rotation {name}", ("none", "", "")) for name in states}
    assert found["rotations"][1] == "3 of 9 need nobody"  # a lease alone needs nobody: somebody resumes it
    assert {name: result for name, (result, _, _) in results.items()} == {
        "well": "none",
        "failing": "failed",
        "overdue": "failed",
        "stuck": "failed",
        "left": "none",
        "orphan": "none",
        "slow": "warning",
        "expiring": "warning",
        "expired": "failed",
    }
    assert "fails (default dev /): no such user" in results["failing"][1]
    assert "keyturn rotations rotate failing" in results["failing"][2]
    assert "keyturn --run-scheduler" in results["overdue"][2]
    assert "unfinished since" in results["stuck"][1]
    assert "expired at" in results["expired"][1]
    assert found["leases"][0] == "warning"
    assert "elsewhere:1:ab died while it worked on left" in found["leases"][1]
    assert f"{gone} died while it worked on orphan; it runs out in" in found["leases"][1]
    assert "slow" not in found["leases"][1]
    assert found["connection for-well"][0] == "failed"  # of a provider that is not installed, and hides no other


def test_what_could_not_be_delivered_is_told(ready: Path, tmp_path: Path) -> None:
    publish({"A": "one"})
    well, ill = tmp_path / "well", tmp_path / "ill"
    for file in (well, ill):
        done("targets", "add", file.name, "--kind", "dotenv", "--file", str(file))
    now = datetime.now(UTC)

    def hook(tx: Tx, name: str, **state: Any) -> None:
        row = Hook(id=name, name=name, kind="command", shown="true", created_at=now, sealed_action=b"")
        hooks.add(tx, row, {})
        fields: dict[str, Any] = {"rotation_id": "r", "event": "published", "event_id": name, "at": now}
        tx.session.add(Delivery(hook_id=row.id, since=now, due_at=now, **fields, **state))

    def fill(tx: Tx) -> None:
        hook(tx, "well", state="done", finished_at=now)
        hook(tx, "long ago", state="given up", finished_at=now - timedelta(days=8))
        hook(tx, "unheard", state="given up", finished_at=now, answer="exit code 3")
        hook(tx, "trying", answer="HTTP 500")

    change(fill)
    ill.unlink()
    ill.mkdir()
    assert keyturn("targets", "render").code == 1
    found = examined(code=1)
    assert found["targets"][:2] == ("passed", "1 of 2 are as they should be")
    assert found["target ill"][0] == "failed"
    assert f"{ill} is a directory." in found["target ill"][1]
    assert "keyturn targets render ill" in found["target ill"][2]
    assert found["hook unheard"][0] == "failed"
    assert found["hook unheard"][1].endswith("UTC: exit code 3")
    assert "keyturn deliveries retry 3" in found["hook unheard"][2]
    assert found["hook trying"][:2] == ("warning", "1 delivery was waiting to be tried again: HTTP 500")
    assert not {"target well", "hook well", "hook long ago"} & found.keys()


def test_a_target_that_hangs_delays_no_other(connected: Ground) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def second(tx: Tx) -> None:
            real = connections.list_all(tx)[0]
            settings = {**real.settings, "port": server.getsockname()[1]}
            connections.add(
                tx,
                id="hung",
                name="hung",
                app=real.app,
                method=real.method,
                description=None,
                settings=settings,
                secrets=connections.secret_credentials(tx, real),
                now=datetime.now(UTC),
            )

        change(second)
        found = examined(code=1, words=("--timeout", "2"))
    assert found["connection my-pg-connection"][0] == "passed"
    assert found["connection hung"][:2][0] == "failed"
    assert "no answer within 2 s" in found["connection hung"][1]
    assert "keyturn connections test hung" in found["connection hung"][2]


def test_a_store_in_postgresql_is_neither_created_nor_skipped(
    home: Path, pg: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYTURN_DATABASE_URL", postgresql_url(pg))
    assert "There is no store at postgresql://" in examined(code=1)["store"][1]
    assert pg.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
    done("connections", "list")
    found = examined(code=0)
    assert "the database's clock is" in found["clock"][1]
    assert "integrity" not in found
    for hours, result in ((0, "passed"), (1, "failed"), (-1, "failed")):
        assert clock_with(hours) == result


def clock_with(hours: float) -> str:
    """What is said of the clock by somebody whose own is wrong by so much."""
    service = open_service(load_settings(os.environ), "test", clock=lambda: datetime.now(UTC) + timedelta(hours=hours))
    try:
        return service.store.read(lambda tx: storage.clock(tx, service.context)).result
    finally:
        service.store.close()


def test_a_clock_that_was_set_back_is_noticed(ready: Path) -> None:
    later = datetime.now(UTC) + timedelta(hours=3)
    change(lambda tx: events.append(tx, at=later, actor="x", action="x", result="success", subject="x"))
    result, detail, _ = examined(code=1)["clock"]
    assert (result, "set back" in detail) == ("failed", True)
    assert clock_with(4) == "passed"


def test_a_disk_that_fills_up_is_told_before_it_is_full(tmp_path: Path) -> None:
    results = [files.free(tmp_path, mebibytes * 1024**2).result for mebibytes in (5000, 100, 5)]
    assert results == ["passed", "warning", "failed"]
    assert files.free(tmp_path, 5 * 1024**2).detail == f"5 MiB free at {tmp_path}"
    (on_disk,) = files.space([tmp_path, tmp_path / "not" / "there"])
    assert f"{shutil.disk_usage(tmp_path).total and on_disk.detail}".endswith(f"free at {tmp_path}")
