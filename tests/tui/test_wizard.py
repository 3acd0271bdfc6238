"""The wizard from type to created, with the keyboard alone, on a real store and a real server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from screens.widgets.controls import CopyBlock
from tests.conftest import Database
from tests.tui.ground import SIZES, Walk, open_here, until, walking
from tests.tui.wizardry import (
    CONNECTION,
    DETAILS,
    MAPPING,
    PARAMETERS,
    REVIEW,
    at_step,
    down_to,
    field,
    fill,
    kept_draft,
    label,
    press,
    start,
    step,
    tab_to,
    users_of,
)

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def clocks_in_kolkata(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Half an hour off, so that hours and minutes both have to be right."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


async def enter_connection(walk: Walk, pg: Database) -> None:
    await walk.reaches("ConnectionFormScreen")
    for title, text in [
        ("Name", "ops-admin"),
        ("Description", "the main one"),
        ("Host", pg.host),
        ("Port", str(pg.port)),
        ("Database", pg.database),
        ("Username", pg.admin_user),
        ("Password", pg.admin_password),
    ]:
        await fill(walk, title, text)
        await press(walk, "enter")
    await field(walk, "Use TLS")
    await press(walk, "space", "ctrl+n")
    await walk.reaches("WizardScreen")


@pytest.mark.usefixtures("clocks_in_kolkata")
@pytest.mark.parametrize("size", [SIZES[0], pytest.param(SIZES[1], marks=pytest.mark.soak)])
async def test_from_type_to_a_password_that_logs_in(pg: Database, size: tuple[int, int]) -> None:
    first, second = users_of(pg)
    async with walking(size) as walk:
        await start(walk)
        await press(walk, "enter")

        await step(walk, CONNECTION)
        await walk.sees("none yet: set up a new one")
        await press(walk, "enter")
        await enter_connection(walk, pg)
        await walk.sees(f"ops-admin  {pg.admin_user}@{pg.host}:{pg.port}/{pg.database}")
        await fill(walk, "Rotation interval", "14")
        await press(walk, "enter")
        await fill(walk, "Rotate at", "03:40")
        await walk.sees("IST = 22:10 UTC")
        await press(walk, "enter")
        await field(walk, "Auto-rotation")
        await press(walk, "ctrl+n")

        await step(walk, PARAMETERS)
        await fill(walk, "First username", first)
        await press(walk, "down")
        await fill(walk, "Second username", second)
        await tab_to(walk, "prepare")
        await press(walk, "enter")
        await walk.reaches("PreparationScreen")
        await walk.sees(f"Create {first} and {second}")
        await press(walk, "r")
        await walk.reaches("Question")
        await press(walk, "enter")
        await walk.reaches("PreparationScreen")
        await walk.sees("✓ Done.")
        await press(walk, "escape")
        await walk.reaches("WizardScreen")
        await press(walk, "ctrl+n")

        await step(walk, MAPPING)
        await walk.sees("default", "dev  Development", "POSTGRES_DB_USERNAME", "POSTGRES_DB_PASSWORD")
        await press(walk, "ctrl+n")
        await step(walk, DETAILS)
        await fill(walk, "Name", "billing")
        await press(walk, "ctrl+n")

        await step(walk, REVIEW)
        await walk.sees("every 14 days", "03:40 IST = 22:10 UTC", "checks passed")
        await press(walk, "ctrl+n")
        await walk.sees("✓ billing is set up", "Active now", first, "Open the rotation")
        await press(walk, "enter")
        await walk.reaches("RotationScreen")
        await walk.sees("billing", first)

    async with open_here() as service:
        rotation = await service.rotations.document("billing")
        credentials = await service.rotations.credentials("billing")
    assert rotation.rotation_interval == 14
    assert (rotation.rotate_at_utc.hours, rotation.rotate_at_utc.minutes) == (22, 10)
    assert rotation.is_auto_rotation_enabled
    assert rotation.parameters == {"username1": first, "username2": second}, "what nobody touched is not sent"
    for item in credentials.generated_credentials:
        with psycopg.connect(
            host=pg.host, port=pg.port, dbname=pg.database, user=item["username"], password=item["password"]
        ) as connection:
            assert connection.execute("SELECT session_user").fetchone() == (item["username"],)
    assert await kept_draft() is None


async def test_done_goes_back_to_the_dashboard(pg: Database) -> None:
    async with at_step(pg, REVIEW) as walk:
        await walk.sees("checks passed")
        await press(walk, "ctrl+n")
        await walk.sees("✓ billing is set up")
        await press(walk, "escape")
        await walk.reaches("DashboardScreen")
        await walk.sees("✓ healthy", "billing")


@pytest.mark.soak
async def test_switches_and_choices_go_into_the_rotation(pg: Database) -> None:
    async with at_step(pg, CONNECTION) as walk:
        await field(walk, "Connection")
        await press(walk, "tab", "tab", "tab", "tab")
        await field(walk, "Auto-rotation")
        await press(walk, "space")
        await walk.sees("○ Off: rotates only when you say so")
        await press(walk, "ctrl+n")
        await step(walk, PARAMETERS)
        await press(walk, "ctrl+n")
        await step(walk, MAPPING)
        await press(walk, "tab")
        await field(walk, "Environment")
        await press(walk, "enter", *"stag", "enter")
        await walk.sees("staging")
        await press(walk, "tab")
        await fill(walk, "Path", "/billing/eu")
        await press(walk, "ctrl+n")
        await step(walk, DETAILS)
        await press(walk, "ctrl+n")
        await step(walk, REVIEW)
        await walk.sees("off: only when you say so", "default, staging, /billing/eu", "checks passed")
        await press(walk, "ctrl+n")
        await walk.sees("✓ billing is set up", "only by hand")
    async with open_here() as service:
        rotation = await service.rotations.document("billing")
    assert not rotation.is_auto_rotation_enabled
    assert (rotation.environment.slug, rotation.folder.path) == ("staging", "/billing/eu")


@pytest.mark.soak
@pytest.mark.parametrize(
    ("chosen", "hours", "shown", "sent"),
    [
        (["w", "a", "i"], "48", "a run waits up to 48 h, then warns and goes on", {"policy": "wait", "waitHours": 48}),
        pytest.param(["end"], "", "nobody looks", {"policy": "off"}, marks=pytest.mark.soak),
        pytest.param([], "", "a run warns and goes on", {"policy": "warn"}, marks=pytest.mark.soak),
    ],
)
async def test_the_guards_policy_is_chosen_reviewed_sent_and_shown(
    pg: Database, chosen: list[str], hours: str, shown: str, sent: dict[str, object]
) -> None:
    async with at_step(pg, CONNECTION, (120, 60)) as walk:
        await down_to(walk, "If still in use")
        if chosen:
            await press(walk, "enter", *chosen, "enter")
        await press(walk, "tab")
        if hours:
            await fill(walk, "Wait at most", hours)
        else:
            assert label(walk) != "Wait at most", "there is nothing to wait for"
        await press(walk, "ctrl+n")
        await step(walk, PARAMETERS)
        await press(walk, "ctrl+n")
        await step(walk, MAPPING)
        await press(walk, "ctrl+n")
        await step(walk, DETAILS)
        await press(walk, "ctrl+n")
        await step(walk, REVIEW)
        await walk.sees(shown, "checks passed")
        assert _sent(walk)["guard"] == sent
        await press(walk, "ctrl+n")
        await walk.sees("✓ billing is set up")
        await press(walk, "enter")
        await walk.reaches("RotationScreen")
        await walk.sees("g changes it.")
    async with open_here() as service:
        guard = (await service.rotations.document("billing")).guard
    assert (guard.policy, guard.wait_hours) == (sent["policy"], sent.get("waitHours", 24))


async def test_advanced_parameters_are_sent_when_they_were_touched(pg: Database) -> None:
    statement = "ALTER ROLE {{username}} PASSWORD '{{password}}'"
    async with at_step(pg, PARAMETERS) as walk:
        await press(walk, "tab", "tab", "tab", "enter", "tab")
        await field(walk, "Rotation statement")
        await fill(walk, "Rotation statement", statement)
        await press(walk, "tab")
        await fill(walk, "Length", "20")
        await press(walk, "enter")
        await fill(walk, "Digits", "4")
        await press(walk, "ctrl+n")
        await step(walk, MAPPING)
        await press(walk, "ctrl+n")
        await step(walk, DETAILS)
        await press(walk, "ctrl+n")
        await step(walk, REVIEW)
        await walk.sees(statement, "checks passed")
        await press(walk, "ctrl+n")
        await walk.sees("✓ billing is set up")
    async with open_here() as service:
        parameters = (await service.rotations.document("billing")).parameters
        credentials = await service.rotations.credentials("billing")
    assert parameters["rotationStatement"] == statement
    assert parameters["passwordRequirements"]["length"] == 20
    assert parameters["passwordRequirements"]["required"]["digits"] == 4
    for item in credentials.generated_credentials:
        assert len(item["password"]) == 20
        assert pg.login(item["username"], item["password"])


async def test_names_with_brackets_quotes_spaces_and_capitals(pg: Database) -> None:
    users = [f'[/] we"ird [@click=app.quit] Ünï {number}_{pg.suffix}' for number in (1, 2)]
    for user in users:
        pg.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(user)))
    async with at_step(pg, PARAMETERS, (120, 40), users=False) as walk:
        await fill(walk, "First username", users[0])
        await press(walk, "enter")
        await fill(walk, "Second username", users[1])
        await press(walk, "ctrl+n")
        await step(walk, MAPPING)
        for title, name in (("Username", "DB ][ [bold]USER"), ("Password", "db[prod]")):
            await down_to(walk, title)
            await fill(walk, title, name)
        await press(walk, "ctrl+n")
        await step(walk, DETAILS)
        await press(walk, "ctrl+n")
        await step(walk, REVIEW)
        await walk.sees(users[0], users[1], "DB ][ [bold]USER", "db[prod]", "checks passed")
        await press(walk, "ctrl+n")
        await walk.sees("✓ billing is set up", users[0])
    async with open_here() as service:
        for item in (await service.rotations.credentials("billing")).generated_credentials:
            assert pg.login(item["username"], item["password"])


async def test_review_says_what_happens_when_and_how_to_do_it_without_us(pg: Database) -> None:
    first, second = users_of(pg)
    async with at_step(pg, REVIEW, (120, 60)) as walk:
        await walk.sees(
            f"{second} and then {first} get a new password each",
            f"{first} becomes active: POSTGRES_DB_USERNAME and POSTGRES_DB_PASSWORD",
            "default, prod, /billing",
            "in 30 d",
            "checks passed",
        )
        async with open_here() as service:
            body = _sent(walk)
            runs = service.creation.outlook("postgres-credentials", body).runs
            assert await service.creation.problems("postgres-credentials", body) == []
        await walk.sees(*(f"{run:%Y-%m-%d %H:%M}" for run in runs))
        assert len(runs) == 3


def _sent(walk: Walk) -> dict[str, object]:
    """The body in the command that Review shows."""
    command = next(block.text for block in walk.screen.query(CopyBlock) if block.text.startswith("keyturn "))
    first, *lines, last = command.splitlines()
    assert (first, last) == ("keyturn rotations create postgres-credentials --file - <<'JSON'", "JSON")
    body: dict[str, object] = json.loads("\n".join(lines))
    return body


async def send_the_next_block(walk: Walk, part: str) -> None:
    """To the clipboard, where this part of it arrives."""
    await press(walk, "tab")
    while not isinstance(walk.focused(), CopyBlock):
        await press(walk, "tab")
    await press(walk, "c")
    await until(lambda: part in walk.app.clipboard, lambda: walk.app.clipboard)


async def test_a_statement_or_the_command_can_be_sent_to_the_terminals_clipboard(pg: Database) -> None:
    async with at_step(pg, REVIEW) as walk:
        await walk.sees("checks passed")
        await send_the_next_block(walk, 'GRANT "app_shared" TO')
        await send_the_next_block(walk, "keyturn rotations create postgres-credentials")
        await walk.sees("Sent to your terminal's clipboard")
