"""Every action is in view at every size, and a terminal that is too small gets a friendly line."""

from __future__ import annotations

import pytest
from textual.widgets import Button

from screens.widgets.bars import KeyBar
from tests.conftest import Database
from tests.tui.ground import Walk, set_up, walking
from tests.variants import few

pytestmark = pytest.mark.usefixtures("home")
SIZES = [(60, 20), (80, 24), (96, 26), (120, 40), (200, 20)]


def in_view(walk: Walk) -> None:
    """Buttons and key bar of the top screen lie inside the terminal, and nothing of the bar is cut at 80 columns."""
    width, height = walk.app.size
    things = [*walk.screen.query(Button), *walk.screen.query(KeyBar)]
    assert things
    for thing in things:
        region = thing.region
        assert region.height >= 1, thing
        assert region.width >= 1, thing
        assert region.x >= 0, thing
        assert region.right <= width, thing
        assert region.bottom <= height, f"{thing} ends at {region.bottom} of {height}"


@pytest.mark.parametrize("size", few(SIZES))
async def test_every_action_is_inside_the_view(pg: Database, size: tuple[int, int]) -> None:
    await set_up(pg, "billing")
    async with walking(size) as walk:
        in_view(walk)
        if size[0] >= 80:
            await walk.sees(
                "enter Open", "n New", "r Rotate", "p Pause", "d Delete", "c Connections", "? Help", "q Quit"
            )
        await walk.press("d")
        await walk.reaches("DeleteDialog")
        in_view(walk)
        await walk.press("escape")
        await walk.reaches("DashboardScreen")
        await walk.press("enter")
        await walk.reaches("RotationScreen")
        in_view(walk)
        if size[0] >= 80:
            await walk.sees(
                "esc Back", "r Rotate", "c Check", "v Reveal", "p Pause", "X Emergency", "d Delete", "? Help"
            )
        for key, opened in [("X", "EmergencyDialog"), ("m", "MoveDialog"), ("l", "ReadingScreen"), ("e", "EditScreen")]:
            await walk.press(key)
            await walk.reaches(opened)
            in_view(walk)
            await walk.press("escape")
            await walk.reaches("RotationScreen")
        await walk.press("end")
        await walk.sees("create by")
        await walk.press("r")
        await walk.reaches("Question")
        in_view(walk)
        await walk.press("enter")
        await walk.reaches("ProgressScreen")
        await walk.sees("Done")
        in_view(walk)


async def test_a_small_terminal_gets_a_line_and_what_was_open_comes_back(pg: Database) -> None:
    await set_up(pg, "billing")
    async with walking((40, 10)) as walk:
        await walk.reaches("TooSmallScreen")
        await walk.sees("40x10 is a little small.", "Keyturn needs 60x20.", "press q to quit")
        await walk.pilot.resize_terminal(80, 24)
        await walk.reaches("DashboardScreen")
        await walk.press("enter")
        await walk.reaches("RotationScreen")
        await walk.pilot.resize_terminal(30, 3)
        await walk.reaches("TooSmallScreen")
        await walk.sees("30x3")
        await walk.pilot.resize_terminal(80, 24)
        await walk.reaches("RotationScreen")
        await walk.sees("Credentials")

        await walk.press("r")
        await walk.reaches("Question")
        await walk.pilot.resize_terminal(30, 10)
        await walk.reaches("TooSmallScreen")
        walk.app.action_help()  # as whatever opens a window by itself while there is no room for it
        await walk.reaches("HelpScreen")
        await walk.pilot.resize_terminal(31, 10)
        await walk.pilot.resize_terminal(80, 24)
        await walk.press("escape")
        await walk.reaches("Question")
        await walk.press("escape")
        await walk.reaches("RotationScreen")


async def test_columns_follow_the_width(pg: Database) -> None:
    await set_up(pg, "billing")
    async with walking((80, 24)) as walk:
        assert "Last run" not in walk.text
        await walk.pilot.resize_terminal(100, 24)
        await walk.sees("Last run")
        await walk.pilot.resize_terminal(120, 40)
        await walk.sees("Type", "PostgreSQL ")
        await walk.pilot.resize_terminal(160, 40)
        await walk.sees("PostgreSQL credentials  prod /")


async def test_the_key_bar_can_be_clicked(pg: Database) -> None:
    await set_up(pg, "billing")
    async with walking() as walk:
        line = walk.text.splitlines()[-1]
        await walk.pilot.click(offset=(line.index("? Help") + 2, 23))
        await walk.reaches("HelpScreen")
