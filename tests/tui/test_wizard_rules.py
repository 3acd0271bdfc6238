"""What the wizard asks the service, and how it tells times: no screen needed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from screens.troubles import sentence
from screens.wizard import clock
from screens.wizard.draft import Draft, body_of, command_of, mistakes
from tests.conftest import Database
from tests.tui.ground import connect, open_here, rotate_users

TYPE = "postgres-credentials"


@pytest.fixture(params=["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Pacific/Chatham", "Pacific/Apia"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("now", [datetime(2026, 1, 5, 23, 59, tzinfo=UTC), datetime(2026, 7, 5, 0, 1, tzinfo=UTC)])
def test_local_times_survive_the_way_to_utc_and_back(zone: str, now: datetime) -> None:
    for hours in range(24):
        for minutes in (0, 1, 29, 30, 59):
            text = f"{hours:02}:{minutes:02}"
            utc = clock.to_utc(text, now)
            assert utc is not None
            assert clock.to_local(*utc, now) == text, f"{text} in {zone}"


def test_a_local_time_is_what_the_clock_shows_at_that_time_in_utc(zone: str) -> None:
    now = datetime(2026, 7, 5, 12, 0, tzinfo=UTC)
    utc = clock.to_utc("03:30", now)
    assert utc is not None
    assert f"{now.replace(hour=utc[0], minute=utc[1]).astimezone():%H:%M}" == "03:30"
    assert clock.beside("03:30", now).endswith(f"{utc[0]:02}:{utc[1]:02} UTC") is (zone != "UTC")


@pytest.mark.parametrize(
    "text", ["24:00", "12:60", "1200", "noon", "", "-1:00", "\u0661\u0662:\u0660\u0660", "12:00:00"]
)
def test_what_is_no_time_of_day(text: str) -> None:
    assert clock.to_utc(text, datetime(2026, 1, 1, tzinfo=UTC)) is None
    assert mistakes(Draft(defaults={"rotateAt": text}), datetime(2026, 1, 1, tzinfo=UTC))[0][0] == "rotateAt"


@pytest.mark.usefixtures("home")
async def test_each_part_of_an_unfinished_body_is_checked_for_itself(pg: Database) -> None:
    async with open_here() as service:
        connection = await connect(service, pg)
        await rotate_users(service, pg, connection, "billing")
        place = {"projectId": "default", "environment": "prod", "secretPath": "/"}

        async def problems(**body: Any) -> dict[str, str]:
            found = await service.creation.problems(TYPE, body)
            return {p.field: p.message for p in found if p.message != "is required"}

        same = {"username1": "one", "username2": "one"}
        assert list(await problems(parameters=same)) == ["parameters.username2"]
        own = {"username1": pg.admin_user, "username2": "other"}
        assert await problems(parameters=own) == {}
        assert list(await problems(parameters=own, connectionId="ops-admin")) == ["parameters.username1"]
        assert list(await problems(parameters={"username1": "one"}, connectionId="nobody")) == ["connectionId"]
        taken = {"username": "billing_USER", "password": "FREE"}
        assert await problems(secretsMapping=taken) == {}
        assert list(await problems(**place, secretsMapping=taken)) == ["secretsMapping.username"]
        assert list(await problems(**place, name="billing", rotationInterval="x")) == ["rotationInterval", "name"]
        assert list(await problems(**{**place, "environment": "nowhere"}, name="billing")) == ["environment"]


@pytest.mark.usefixtures("home")
async def test_what_nobody_touched_is_not_sent_and_the_rest_is_as_documented() -> None:
    async with open_here() as service:
        kind = service.catalog.rotation_type(TYPE)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    draft = Draft(TYPE, {"name": " Billing ", "parameters.username1": "one", "rotationInterval": "1.5"})
    draft.defaults = {f"parameters.{f.key}": f.default for f in kind.parameters}
    body = body_of(draft, kind, now)
    assert body["parameters"] == {"username1": "one"}
    assert body["rotationInterval"] == "1.5", "what is no number goes to the service as it is"
    assert "description" not in body
    draft.put("parameters.passwordRequirements.length", "20")
    draft.put("parameters.passwordRequirements.required.digits", "2")
    draft.put("rotationInterval", " 7 ")
    body = body_of(draft, kind, now)
    assert body["parameters"]["passwordRequirements"] == {"length": 20, "required": {"digits": 2}}
    assert body["rotationInterval"] == 7
    draft.put("parameters.passwordRequirements.length", "48")
    assert body_of(draft, kind, now)["parameters"]["passwordRequirements"] == {"required": {"digits": 2}}
    assert command_of(kind, body).startswith(f"keyturn rotations create {TYPE} --file - <<'JSON'\n{{")


@pytest.mark.usefixtures("home")
async def test_the_outlook_tells_effects_and_runs() -> None:
    body: dict[str, Any] = {
        "name": "billing",
        "projectId": "default",
        "environment": "prod",
        "secretPath": "/",
        "connectionId": "any",
        "parameters": {"username1": "one", "username2": "two"},
        "secretsMapping": {"username": "U", "password": "P"},
        "rotationInterval": 7,
        "rotateAtUtc": {"hours": 3, "minutes": 5},
    }
    async with open_here() as service:
        outlook = service.creation.outlook(TYPE, body)
        assert outlook.effects[0].startswith("two and then one get a new password each")
        assert "stops working" in outlook.effects[0]
        assert outlook.effects[1].startswith("one becomes active: U and P in default, prod, /")
        first, second, third = outlook.runs
        assert (first.hour, first.minute) == (3, 5)
        assert (second - first).days == (third - second).days == 7
        assert service.creation.outlook(TYPE, {**body, "isAutoRotationEnabled": False}).runs == ()
        assert service.creation.outlook(TYPE, {**body, "rotationInterval": "soon"}).runs == ()
        assert service.creation.outlook(TYPE, {}).effects == ()


@pytest.mark.parametrize(
    ("complaint", "shown"),
    [
        ("must be at least 1", "Must be at least 1."),
        ("is required", "Is required."),
        ("app_user is the connection's own user.", "app_user is the connection's own user."),
        ('must not contain ":" or "/"', 'Must not contain ":" or "/".'),
    ],
)
def test_complaints_read_as_sentences(complaint: str, shown: str) -> None:
    assert sentence(complaint) == shown
