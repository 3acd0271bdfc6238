"""A client secret that is going to expire is watched: when a rotation is paused, and as the day comes near."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.service import open_service
from app.settings import load_settings
from app.views import Status
from tests.cli.ground import done
from tests.cli.test_azure import NAME, connection_body, create
from tests.entra import Standing, standing

DAYS = 67
"""What a secret of a rotation of 30 days lives."""


@pytest.fixture
def created(ready: Path) -> Iterator[Standing]:
    for entra in standing():
        done("connections", "add", "azure-client-secrets", "--file", "-", stdin=json.dumps(connection_body(entra)))
        create(entra)
        yield entra


def day() -> str:
    return f"{datetime.now(UTC) + timedelta(days=DAYS):%Y-%m-%d}"


def expiries() -> list[tuple[str, str]]:
    found = done("events", "--json").json["events"]
    return [(event["actor"], event["message"]) for event in found if event["action"] == "secret-rotation-expiry"]


def test_pausing_warns_with_the_date(created: Standing) -> None:
    ran = done("rotations", "pause", NAME)
    assert f"The published credential expires at {day()}" in ran.err
    assert "no run is scheduled before." in ran.err
    assert "rotate by hand" in ran.err
    assert len(expiries()) == 1
    assert "expires" not in done("rotations", "resume", NAME).err


def test_a_longer_interval_warns_when_the_next_run_comes_too_late(created: Standing) -> None:
    def edited(days: int) -> str:
        body = json.dumps({"rotationInterval": days})
        return done("rotations", "edit", NAME, "--file", "-", stdin=body).err

    assert edited(60) == ""
    assert f"expires at {day()}" in edited(90)
    assert "the next run comes later." in edited(90)


def test_another_edit_warns_of_nothing_new(created: Standing) -> None:
    done("rotations", "pause", NAME)
    done("rotations", "edit", NAME, "--file", "-", stdin=json.dumps({"description": "another"}))
    assert len(expiries()) == 1


async def status_after(days: int) -> tuple[Status, str, int]:
    """What a loop that runs then makes of it, twice; and how many events there are of it."""
    now = datetime.now(UTC) + timedelta(days=days)
    service = open_service(load_settings(os.environ), "test", clock=lambda: now)
    try:
        for _ in range(2):
            await service.context.engine.next_unchecked(timedelta(0))
        [row] = (await service.rotations.snapshot()).rows
        found = await service.history.recent(100)
        told = [event for event in found if event.action == "secret-rotation-expiry" and event.actor == "scheduler"]
        return row.status, row.last_message, len(told)
    finally:
        await service.aclose()


def test_what_nothing_replaces_is_expiring_as_the_day_comes_near(created: Standing) -> None:
    done("rotations", "pause", NAME)
    assert asyncio.run(status_after(DAYS - 15)) == (Status.PAUSED, "", 0)
    status, message, told = asyncio.run(status_after(DAYS - 13))
    assert (status, told) == (Status.EXPIRING, 1)
    assert message.startswith(f"The published credential expires at {day()}")
    assert asyncio.run(status_after(DAYS - 3))[2] == 1
    assert asyncio.run(status_after(DAYS + 1))[0] is Status.EXPIRING


def test_what_is_rotated_in_time_is_not_warned_of(created: Standing) -> None:
    assert "expires" not in done("rotations", "rotate", NAME).err
    assert expiries() == []
