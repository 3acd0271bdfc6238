"""`keyturn events verify`: says whether the history is what was written, and where it is not."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.cli.ground import Ground, Ran, done, keyturn


def meddle(home: Path, statement: str) -> Ran:
    with closing(sqlite3.connect(home / "keyturn.db")) as connection, connection:
        connection.execute(statement)
    return keyturn("events", "verify")


def test_the_history_of_a_rotation_is_intact_until_somebody_meddles(connected: Ground, ready: Path) -> None:
    connected.create()
    done("rotations", "rotate", "my-pg-rotation")
    ran = done("events", "verify", "--json")
    count = len(done("events").lines)
    assert ran.json["history"]["events"] == count >= 3
    assert (ran.json["history"]["intact"], ran.json["history"]["broken"]) == (True, None)
    head = ran.json["history"]["head"]
    assert done("events", "--json", "verify").json == ran.json
    assert done("events", "verify").out == f"All {count} events are as they were written. Head: {head}\n"

    done("rotations", "pause", "my-pg-rotation")
    assert done("events", "verify", "--known", head).out.startswith(f"All {count + 1} events")
    other = keyturn("events", "verify", "--known", f"{count}:{'0' * 64}")
    assert (other.code, "history was rewritten" in other.err) == (1, True)
    assert keyturn("events", "verify", "--known", "12").code == 2

    cut = meddle(ready, "DELETE FROM event WHERE id = (SELECT max(id) FROM event)")
    assert cut.code == 1
    assert f"intact up to event {count}; then the newest events were removed" in cut.err
    changed = meddle(ready, "UPDATE event SET actor = 'nobody' WHERE id = (SELECT min(id) + 1 FROM event)")
    assert (changed.code, changed.out) == (1, "")
    assert "intact up to event 1; then the event number 2 (" in changed.err
    assert "was changed" in changed.err
    assert keyturn("events", "verify", "--json").json["history"]["intact"] is False
    checks = {check["title"]: check["result"] for check in keyturn("doctor", "--json").json["checks"]}
    assert checks["history"] == "failed"
    assert done("events", "--limit", "1").lines  # it can still be read


def test_looking_at_the_history_creates_no_store(home: Path) -> None:
    assert keyturn("events", "verify").code == 1
    assert not home.exists()
