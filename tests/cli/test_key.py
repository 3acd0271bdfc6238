"""A new key for the whole store: nothing is lost wherever it dies, and the key itself is never shown."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import stat
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.operations import key as operations
from app.rotation import failpoints
from app.service import open_service
from app.settings import load_settings
from store import connections, rekey
from store.database import Tx
from store.keyring import changing_key_file, replace_key_file, with_new_primary
from tests.cli.ground import Ground, done, keyturn, on_terminal, process, with_service, without_secrets
from tests.store.test_rekey import everything, fill


class Died(BaseException):
    """Stands for SIGKILL: nothing of ours may run after it."""


@pytest.fixture
def filled(ready: Path) -> Path:
    """A store with something in every sealed column."""
    with_service(lambda service: service.store.write(fill))
    return ready


def content() -> object:
    return with_service(lambda service: service.store.read(everything))


def ring(home: Path) -> dict[str, str]:
    keys: dict[str, str] = json.loads((home / "keyturn.key").read_text())["keys"]
    return keys


def sealed_with() -> dict[str, int]:
    return with_service(lambda service: service.store.read(rekey.sealed_with))


def test_the_key_is_told_of_and_never_shown(filled: Path) -> None:
    (kid,) = ring(filled)
    shown, as_json = done("key", "show"), done("key", "show", "--json")
    for ran in (shown, as_json):
        assert kid in ran.out
        assert str(filled / "keyturn.key") in ran.out
        assert without_secrets(ran.said, list(ring(filled).values()))
    assert as_json.json["key"]["values"] == {kid: 7}
    assert as_json.json["key"]["origin"] == "file"
    assert as_json.json["key"]["finished"] is True


def test_showing_the_key_creates_no_store(home: Path) -> None:
    assert keyturn("key", "show").code == 1
    assert not home.exists()


def test_everything_moves_to_a_new_key_and_old_backups_still_open(filled: Path, tmp_path: Path) -> None:
    before, (old,) = content(), ring(filled)
    done("backup", str(tmp_path / "old.db"))
    ran = done("key", "rotate", "--json")
    new = ran.json["key"]["id"]
    assert new != old
    assert (ran.json["key"]["former"], ran.json["key"]["values"], ran.json["key"]["resumed"]) == ([old], 6, False)
    assert without_secrets(ran.said, list(ring(filled).values()))
    assert set(ring(filled)) == {old, new}
    assert stat.S_IMODE((filled / "keyturn.key").stat().st_mode) == 0o600
    assert sealed_with() == {new: 7}
    assert content() == before
    assert "rotate-store-key" in done("events", "--limit", "1").out
    assert f"former keys\t{old}" in done("key", "show").out

    done("restore", str(tmp_path / "old.db"), "--yes")
    assert content() == before
    again = done("key", "rotate")
    assert "Finished what was begun" in again.out
    assert sealed_with() == {new: 7}


@pytest.mark.parametrize("point", ["key.replaced", "key.moved", "key.moved#2", "key.done"])
def test_dead_at_any_point_it_is_finished_by_the_next_call(
    filled: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    before, (old,) = content(), ring(filled)
    name, _, count = point.partition("#")
    hits: list[str] = []

    def die(at: str) -> None:
        hits.append(at)
        if hits.count(name) == int(count or 1) and at == name:
            raise Died

    monkeypatch.setattr(operations, "BATCH", 2)
    with monkeypatch.context() as armed:
        armed.setattr(failpoints, "_ARMED", point)
        armed.setattr(failpoints, "_reached", die)
        with contextlib.suppress(Died):
            with_service(lambda service: operations.rotate(service.context))
    assert name in hits
    assert content() == before
    shown = done("key", "show", "--json").json["key"]
    assert shown["finished"] is (point == "key.done")
    checks = keyturn("doctor", "--json").json["checks"]
    (told,) = [check["result"] for check in checks if check["title"] == "key ring"]
    assert told == ("passed" if point == "key.done" else "warning")
    if point != "key.done":
        assert done("key", "rotate", "--json").json["key"]["resumed"] is True
    (new,) = set(ring(filled)) - {old}
    assert sealed_with() == {new: 7}
    assert content() == before


def test_what_runs_seals_with_the_new_key_from_then_on(filled: Path) -> None:
    running = open_service(load_settings(os.environ), "test")
    try:
        done("key", "rotate")
        new = done("key", "show", "--json").json["key"]["id"]
        running.store.write(lambda tx: _reseal(tx, "hunter2"))
        assert running.store.keys.primary == new
        assert sealed_with() == {new: 7}
        (filled / "keyturn.key").write_text("broken")
        running.store.write(lambda tx: _reseal(tx, "hunter3"))  # goes on with what it has
    finally:
        running.store.close()


def _reseal(tx: Tx, text: str) -> None:
    connections.update_settings(
        tx, "id-of-for-r1", method="m", settings={}, secrets={"password": text}, now=datetime.now(UTC)
    )


def test_two_at_once_do_not_lose_a_key(filled: Path) -> None:
    with changing_key_file(filled / "keyturn.key") as alone:
        assert alone
        ran = keyturn("key", "rotate")
    assert (ran.code, "Somebody else is rotating the key" in ran.err) == (4, True)
    assert len(ring(filled)) == 1


def test_a_key_from_elsewhere_takes_two_steps(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, file = content(), tmp_path / "ring"
    text = (filled / "keyturn.key").read_text()
    (filled / "keyturn.key").unlink()
    monkeypatch.setenv("KEYTURN_KEY", text)
    refused = keyturn("key", "rotate")
    assert refused.code == 2
    assert "keyturn key rotate --to FILE" in refused.err
    assert "in KEYTURN_KEY, wherever that is set" in refused.err

    told = done("key", "rotate", "--to", str(file))
    assert "Put its content in KEYTURN_KEY" in told.out
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert without_secrets(told.said, list(json.loads(file.read_text())["keys"].values()))
    assert keyturn("key", "rotate", "--to", str(file)).code == 2
    assert content() == before
    monkeypatch.setenv("KEYTURN_KEY", file.read_text())
    assert keyturn("key", "rotate", "--to", str(tmp_path / "third")).code == 2
    assert done("key", "rotate", "--json").json["key"]["values"] == 6
    new = json.loads(file.read_text())["primary"]
    assert sealed_with() == {new: 7}
    assert content() == before


def test_what_was_published_before_still_logs_in(connected: Ground, ready: Path) -> None:
    connected.create()
    done("key", "rotate")
    assert connected.published_logs_in()
    done("rotations", "rotate", "my-pg-rotation")
    assert connected.published_logs_in()
    for value in ring(ready).values():
        assert len(base64.b64decode(value)) == 32
    assert all(value.encode() not in (ready / "keyturn.db").read_bytes() for value in ring(ready).values())


def test_former_keys_are_dropped_when_nothing_in_the_store_needs_them(filled: Path, tmp_path: Path) -> None:
    before, (old,) = content(), ring(filled)
    assert "There is no former key in the ring" in done("key", "prune").out
    done("backup", str(tmp_path / "old.db"))
    copy = (filled / "keyturn.key").read_bytes()
    new = done("key", "rotate", "--json").json["key"]["id"]
    done("backup", str(tmp_path / "new.db"))

    asked = keyturn("key", "prune")
    assert (asked.code, "Add --yes" in asked.err) == (2, True)
    code, seen = on_terminal("key", "prune", prompt=b"Type yes to go on: ", answer=b"no\n", columns=120)
    assert (code, "No key was dropped." in seen) == (1, True)
    assert f"This drops {old} from the key file" in seen
    assert "old.db of 20" in seen
    assert "new.db" not in seen
    assert set(ring(filled)) == {old, new}

    dropped = done("key", "prune", "--yes", "--json")
    assert (dropped.json["key"]["id"], dropped.json["key"]["ids"]) == (new, [old])
    assert set(ring(filled)) == {new}
    assert stat.S_IMODE((filled / "keyturn.key").stat().st_mode) == 0o600
    assert content() == before
    assert done("events", "--limit", "1").lines[0][2] == "drop-store-keys"
    refused = keyturn("restore", str(tmp_path / "old.db"), "--yes")
    assert (refused.code, old in refused.err) == (1, True)
    assert content() == before
    done("restore", str(tmp_path / "new.db"), "--yes")
    assert content() == before
    (filled / "keyturn.key").unlink()
    (filled / "keyturn.key").write_bytes(copy)
    (filled / "keyturn.key").chmod(0o600)
    (filled / "keyturn.db").unlink()
    done("restore", str(tmp_path / "old.db"), "--yes")
    assert content() == before


def test_what_a_killed_rotation_left_beside_the_key_goes_with_the_next(filled: Path) -> None:
    left, making, other = (filled / f".keyturn.key.{end}" for end in ("0123456789abcdef", "fedcba9876543210", "mine"))
    for path in (left, making, other):
        path.write_text("keys")
    for path in (left, other):
        os.utime(path, (time.time() - 90,) * 2)
    done("key", "rotate")
    assert (left.exists(), making.exists(), other.exists()) == (False, True, True)


def test_a_key_that_seals_a_value_is_not_dropped(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (old,) = ring(filled)
    replace_key_file(filled / "keyturn.key", with_new_primary(with_service(lambda service: service.store.keys)))
    refused = keyturn("key", "prune", "--yes")
    assert (refused.code, refused.out) == (1, "")
    assert f"still needs former keys (7 values with {old}). None was dropped." in refused.err
    assert "keyturn key rotate" in refused.err
    assert old in ring(filled)
    with changing_key_file(filled / "keyturn.key"):
        assert keyturn("key", "prune", "--yes").code == 4
    done("key", "rotate")
    killed = process("key", "prune", "--yes", KEYTURN_FAILPOINT="key.pruned")
    assert killed.code == -signal.SIGKILL
    assert content()
    assert old not in ring(filled)
    assert done("key", "prune", "--yes").code == 0


def test_a_ring_from_elsewhere_is_written_without_its_former_keys(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, file = content(), tmp_path / "ring"
    done("key", "rotate")
    monkeypatch.setenv("KEYTURN_KEY", (filled / "keyturn.key").read_text())
    (filled / "keyturn.key").unlink()
    refused = keyturn("key", "prune", "--yes")
    assert (refused.code, "keyturn key prune --to FILE" in refused.err) == (2, True)
    told = done("key", "prune", "--to", str(file))
    assert "Put its content in KEYTURN_KEY" in told.out
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert without_secrets(told.said, list(json.loads(file.read_text())["keys"].values()))
    assert keyturn("key", "prune", "--to", str(file)).code == 2
    monkeypatch.setenv("KEYTURN_KEY", file.read_text())
    assert content() == before
    assert keyturn("key", "prune", "--to", str(tmp_path / "other")).code == 2
    assert "There is no former key" in keyturn("key", "prune", "--to", str(tmp_path / "other")).err
