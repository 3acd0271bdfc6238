"""Review can be read, left and come back to while a server thinks; creation can be left and goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from app.demo.server import PrivateServer
from app.rotation.attempt import AttemptRun
from tests.conftest import Database, own_database
from tests.tui.ground import Walk, open_here, until
from tests.tui.wizardry import (
    CONNECTION,
    DETAILS,
    MAPPING,
    PARAMETERS,
    REVIEW,
    at_step,
    down_to,
    fill,
    kept_draft,
    label,
    press,
    step,
    users_of,
)

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def own_pg() -> Iterator[Database]:
    """A server of one's own, to halt."""
    with PrivateServer("18") as server, own_database(server) as database:
        yield database


@pytest.mark.parametrize(
    ("key", "at", "title", "text", "shown"),
    [
        pytest.param("1", CONNECTION, "Rotation interval", "5", "every 5 days", marks=pytest.mark.soak),
        pytest.param("2", PARAMETERS, "Second username", "", "", marks=pytest.mark.soak),
        ("3", MAPPING, "Path", "/other", "default, prod, /other"),
        pytest.param("4", DETAILS, "Description", "for [prod]", "for [prod]", marks=pytest.mark.soak),
    ],
)
async def test_each_part_has_a_key_to_its_step_and_back(
    pg: Database, key: str, at: int, title: str, text: str, shown: str
) -> None:
    async with at_step(pg, REVIEW) as walk:
        await walk.sees("checks passed")
        await press(walk, key)
        await step(walk, at)
        await walk.sees("Back to the review")
        if text:
            await down_to(walk, title)
            await fill(walk, title, text)
        await press(walk, "ctrl+n")
        await step(walk, REVIEW)
        await press(walk, *["tab"] * (at - 1))
        await walk.sees("checks passed", shown)


async def test_a_part_can_be_reached_by_tab_and_enter_and_left_by_escape(pg: Database) -> None:
    async with at_step(pg, REVIEW) as walk:
        await walk.sees("checks passed")
        await press(walk, "tab", "enter")
        await step(walk, PARAMETERS)
        await press(walk, "escape")
        await step(walk, REVIEW)
        await press(walk, "escape")
        await step(walk, DETAILS)


async def test_an_invalid_change_leads_to_the_step_that_it_breaks(pg: Database) -> None:
    async with at_step(pg, REVIEW) as walk:
        await walk.sees("checks passed")
        await press(walk, "2")
        await step(walk, PARAMETERS)
        await fill(walk, "First username", users_of(pg)[1])
        await press(walk, "ctrl+n")
        await walk.sees("The two users must differ")
        await step(walk, PARAMETERS)


async def test_a_server_that_hangs_freezes_nothing(own_pg: Database) -> None:
    async with at_step(own_pg, DETAILS) as walk:
        own_pg.server.pause()
        try:
            await press(walk, "ctrl+n")
            await step(walk, REVIEW)
            await walk.sees("↻ checking…")
            await press(walk, "3")
            await step(walk, MAPPING)
            await down_to(walk, "Path")
            await fill(walk, "Path", "/elsewhere")
            await press(walk, "ctrl+n")
            await step(walk, REVIEW)
            await walk.sees("↻ checking…")
        finally:
            own_pg.server.resume()
        await walk.sees("checks passed")


async def test_a_server_that_is_away_says_so_and_is_asked_again(own_pg: Database) -> None:
    async with at_step(own_pg, DETAILS) as walk:
        own_pg.server.halt()
        await press(walk, "ctrl+n")
        await step(walk, REVIEW)
        await walk.sees("checks failed")
        await press(walk, *["tab"] * 4)
        await walk.sees("Server answers  failed:", "Check the connection's host and port")
        own_pg.server.start()
        await press(walk, "r")
        await walk.sees("checks passed")


async def test_the_creation_can_be_left_and_goes_on(pg: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = asyncio.Event()
    steps = AttemptRun._steps

    async def slowly(run: AttemptRun) -> None:
        await go_on.wait()
        await steps(run)

    monkeypatch.setattr(AttemptRun, "_steps", slowly)
    async with at_step(pg, REVIEW) as walk:
        await walk.sees("checks passed")
        await press(walk, "ctrl+n")
        await walk.sees("Setting it up", "Leave it running", "✓ plan")
        await press(walk, "ctrl+n")
        await press(walk, "escape")
        await walk.reaches("DashboardScreen")
        await walk.sees("creating", "billing")
        go_on.set()
        await walk.sees("✓ healthy", "Rotation billing is set up.")
        await until(lambda: not _creating(walk), "the creation to end")
    assert await kept_draft() is None
    async with open_here() as service:
        for item in (await service.rotations.credentials("billing")).generated_credentials:
            assert pg.login(item["username"], item["password"])


def _creating(walk: Walk) -> bool:
    return any(worker.name == "create a rotation" for worker in walk.app.workers)


async def test_two_hasty_presses_create_once(pg: Database) -> None:
    async with at_step(pg, REVIEW) as walk:
        await walk.sees("checks passed")
        await press(walk, "ctrl+n", "ctrl+n", "ctrl+n")
        await until(lambda: walk.reads("is set up") or walk.reads("Credentials"), "the rotation")
    async with open_here() as service:
        assert [row.name for row in (await service.rotations.snapshot()).rows] == ["billing"]


async def test_hasty_keys_between_two_steps_press_nothing(pg: Database) -> None:
    async with at_step(pg, PARAMETERS) as walk:
        await press(walk, "ctrl+n", "ctrl+n", "ctrl+n")
        await step(walk, REVIEW)
        assert label(walk) == ""
        await walk.sees("checks passed")
