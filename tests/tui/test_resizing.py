"""The terminal gets another size at any moment: nothing typed is lost, the focus stays, and all goes on."""

from __future__ import annotations

import pytest
from psycopg import sql
from textual.widgets import Input

from screens.widgets.controls import text_of
from tests.conftest import Database
from tests.tui.ground import Walk, row_of, set_up, until, walking
from tests.tui.wizardry import DETAILS, at_step, down_to, field, fill, label, press

pytestmark = pytest.mark.usefixtures("home")

SIZES = ((120, 40), (60, 20), (59, 19), (80, 24))
"""One of them is too small for anything but a line that says so."""


async def through_all_sizes(walk: Walk, *shown: str) -> None:
    """There and back: each time the same is shown, and the same has the focus."""
    screen, focused = walk.screen, walk.focused()
    for columns, rows in SIZES:
        await walk.pilot.resize_terminal(columns, rows)
        if (columns, rows) == (59, 19):
            await walk.reaches("TooSmallScreen")
            await walk.sees("59x19 is a little small.")
            continue
        await until(lambda: walk.screen is screen, lambda: f"{screen}, not {walk.screen}")
        await walk.sees(*shown)
        assert walk.focused() is focused
        if focused is not None:
            assert walk.screen.region.overlaps(focused.region), f"{focused} at {focused.region}\n{walk.text}"


def typed(walk: Walk) -> str:
    focused = walk.focused()
    assert focused is not None
    return text_of(focused)


async def test_while_a_filter_is_typed_and_windows_are_open(pg: Database) -> None:
    await set_up(pg, "billing", "reports")
    async with walking() as walk:
        await walk.press("/", "r", "e", "p")
        await walk.sees_not("billing")
        await through_all_sizes(walk, "reports")
        await walk.press("o")
        assert typed(walk) == "repo"
        await walk.press("enter")
        await walk.sees("reports")

        for key, window, text in (("d", "DeleteDialog", "rep"), ("ctrl+p", "Palette", "rot")):
            await walk.press(key)
            await walk.reaches(window)
            await until(lambda: isinstance(walk.focused(), Input), "a line to type in")
            await walk.press(*text)
            await through_all_sizes(walk, text)
            await walk.press("o")
            assert typed(walk) == f"{text}o"
            await walk.press("escape")
            await walk.reaches("DashboardScreen")


async def test_while_it_rotates(pg: Database) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    second = pg.role_name("billing2")
    async with walking() as walk:
        with pg.connect() as other, other.transaction(force_rollback=True):
            other.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT 5").format(sql.Identifier(second)))
            await walk.press("r")
            await walk.reaches("Question")
            await through_all_sizes(walk, "Rotate billing now?", "Cancel")
            await walk.press("enter")
            await walk.reaches("ProgressScreen")
            await walk.sees("issue", "running")
            await through_all_sizes(walk, "issue", "running", "Leave it running")
            await walk.pilot.resize_terminal(59, 19)
            await walk.reaches("TooSmallScreen")
        await until(lambda: walk.app.desk is not None and not walk.app.desk.busy, "the rotation to end")
        await walk.pilot.resize_terminal(60, 20)
        await walk.reaches("ProgressScreen")
        await walk.sees("Done: the new credential logs in", "Close")
    assert (await row_of(rotation_id)).active_identity == second


@pytest.mark.soak
async def test_in_the_middle_of_the_wizard(pg: Database) -> None:
    async with at_step(pg, DETAILS, name="") as walk:
        await field(walk, "Name")
        await press(walk, *"bil")
        await through_all_sizes(walk, "bil", "4 Details")
        assert label(walk) == "Name"
        await press(walk, *"ling")
        await down_to(walk, "Description")
        await fill(walk, "Description", "of the shop")
        await through_all_sizes(walk, "billing", "of the shop")
        assert label(walk) == "Description"
        await press(walk, "ctrl+n")
        await walk.sees("● 5 Review")
        await through_all_sizes(walk, "5 Review", "Create rotation")


@pytest.mark.soak
async def test_a_page_that_comes_up_while_there_is_no_room_waits_for_it(pg: Database) -> None:
    """What was open above it ended by itself."""
    await set_up(pg, "billing")
    async with walking() as walk:
        await walk.press("2")
        await walk.reaches("ConnectionsScreen")
        await walk.press("e")
        await walk.reaches("ConnectionFormScreen")
        await until(lambda: walk.focused() is not None, "something to have the focus")
        form = walk.screen
        await walk.pilot.resize_terminal(59, 19)
        await walk.reaches("TooSmallScreen")
        form.dismiss(None)
        await until(lambda: form not in walk.app.screen_stack, "the form to be gone")
        await walk.reaches("TooSmallScreen")
        await walk.sees("59x19 is a little small.")
        await walk.pilot.resize_terminal(80, 24)
        await walk.reaches("ConnectionsScreen")
        assert [type(screen).__name__ for screen in walk.app.screen_stack] == ["DashboardScreen", "ConnectionsScreen"]
