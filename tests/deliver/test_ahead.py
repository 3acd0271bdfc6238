"""What is about to be published stands in some files already, and no file keeps a publication waiting for long."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import psycopg
import pytest

from app.operations import ahead
from tests.cli.ground import Ground, done, keyturn, process, until
from tests.deliver.ground import published
from tests.deliver.test_targets import add, state


def log_in_by(file: Path, ground: Ground) -> None:
    pg = ground.pg
    for user in ground.users:
        psycopg.connect(host=pg.host, port=pg.port, dbname=pg.database, user=user, passfile=str(file)).close()


def test_it_stands_there_whenever_whoever_rotates_dies(connected: Ground, tmp_path: Path) -> None:
    name, file, told = connected.create()["name"], tmp_path / "pass", tmp_path / "told"
    assert add("pgpass", file, "--rotation", name, "--reload", f"echo told >> {told}").code == 0
    before = published()
    died = process("rotations", "rotate", name, KEYTURN_FAILPOINT="publish.uncommitted", KEYTURN_LEASE_SECONDS="1")
    assert died.code == -signal.SIGKILL
    assert published() == before
    log_in_by(file, connected)
    assert told.read_text() == "told\n" * 2
    assert keyturn("targets", "render", "--check").code == 0
    until(lambda: keyturn("rotations", "rotate", name).code == 0)  # as soon as the dead one's lease has run out
    assert published() != before
    log_in_by(file, connected)
    assert keyturn("targets", "render", "--check").code == 0


def test_what_cannot_be_written_or_takes_long_does_not_keep_the_publication(
    connected: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, gate, away = connected.create()["name"], tmp_path / "gate", tmp_path / "away"
    gate.touch()
    away.mkdir()
    wait = f"while test ! -e {gate}; do sleep 0.05; done"
    assert add("pgpass", tmp_path / "slow", "--rotation", name, "--reload", wait, name="slow").code == 0
    assert add("pgpass", away / "pass", "--rotation", name, name="away").code == 0
    (away / "pass").unlink()
    (away / "pass").mkdir()
    gate.unlink()
    monkeypatch.setattr(ahead, "PATIENCE", 0.1)
    before = published()

    def open_gate() -> None:
        try:
            until(lambda: published() != before)
        finally:
            gate.touch()

    watching = threading.Thread(target=open_gate)
    watching.start()
    done("rotations", "rotate", name)  # ends when the slow program has been told, after the publication
    watching.join()
    assert published() != before
    assert (state("slow")[0], state("away")) == ("written", ("failed", f"{away}/pass is a directory."))
