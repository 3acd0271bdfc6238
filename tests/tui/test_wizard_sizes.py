"""Every button is in view at every size, whatever the step; what does not fit scrolls."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from textual.widgets import Button

from screens.widgets.bars import KeyBar
from tests.conftest import Database
from tests.tui.ground import Walk, until, walking
from tests.tui.wizardry import (
    CONNECTION,
    DETAILS,
    MAPPING,
    PARAMETERS,
    REVIEW,
    at_step,
    field,
    fill,
    label,
    press,
    step,
    tab_to,
)
from tests.variants import few

pytestmark = pytest.mark.usefixtures("home")

Sizes = Sequence[tuple[int, int]]

WAYS = few([[(120, 40), (80, 24)], [(96, 26), (120, 40), (200, 20), (80, 24)]])


def out_of_view(walk: Walk) -> list[str]:
    """What should be seen and is not: buttons, keys, room for the form, the focus."""
    whole, missing = walk.screen.region, []
    bottom = [
        *walk.screen.query("#buttons Button, .dialog--buttons Button").results(Button),
        *walk.screen.query(KeyBar),
    ]
    for widget in bottom:
        if widget.display and not (widget.region.area and whole.contains_region(widget.region)):
            missing.append(f"{widget} at {widget.region}")
        if isinstance(widget, Button) and widget.display and str(widget.label).strip() not in walk.text:
            missing.append(f"the label of {widget}")
    forms = list(walk.screen.query("#form"))
    missing += [f"a form of {form.size.height} lines" for form in forms if form.size.height < 8]
    focused = walk.focused()
    if focused is None:
        return [*missing, "a focus"]
    view = next((form.region for form in forms if form in focused.ancestors), whole)
    if not view.overlaps(focused.region):
        missing.append(f"the focus, {focused} at {focused.region}, in {view}")
    return missing if bottom else ["any button"]


async def everything_is_in_view(walk: Walk) -> None:
    await until(lambda: not out_of_view(walk), lambda: f"{out_of_view(walk)}\n{walk.text}")


async def resize(walk: Walk, size: tuple[int, int]) -> None:
    await walk.pilot.resize_terminal(*size)
    await until(lambda: walk.screen.size == size, f"a screen of {size}")


async def at_every_size(walk: Walk, sizes: Sizes) -> None:
    """Whatever has the focus, the terminal is made larger and smaller; it ends as it was."""
    for size in sizes:
        await resize(walk, size)
        await everything_is_in_view(walk)


@pytest.mark.parametrize("sizes", WAYS, ids=len)
async def test_every_step_at_every_size(pg: Database, sizes: Sizes) -> None:
    async with at_step(pg, CONNECTION) as walk:
        await at_every_size(walk, sizes)
        await press(walk, "escape")
        await step(walk, 0)
        await at_every_size(walk, sizes)
        await press(walk, "enter")
        await step(walk, CONNECTION)
        await press(walk, "ctrl+n")
        await step(walk, PARAMETERS)
        await press(walk, "tab", "tab", "tab", "enter")
        while label(walk) != "Allowed symbols":
            await press(walk, "tab")
            await everything_is_in_view(walk)
        await at_every_size(walk, sizes)
        while label(walk) != "Second username":
            await press(walk, "shift+tab")
        await press(walk, "tab", "enter")
        await walk.reaches("PreparationScreen")
        await at_every_size(walk, sizes)
        await press(walk, "r")
        await walk.reaches("Question")
        await at_every_size(walk, sizes)
        await press(walk, "escape")
        await walk.reaches("PreparationScreen")
        await press(walk, "escape")
        await walk.reaches("WizardScreen")
        await press(walk, "ctrl+n")
        await step(walk, MAPPING)
        await at_every_size(walk, sizes)
        await press(walk, "ctrl+n")
        await step(walk, DETAILS)
        await at_every_size(walk, sizes)
        await press(walk, "ctrl+n")
        await step(walk, REVIEW)
        await walk.sees("checks passed")
        await at_every_size(walk, sizes)
        for _ in range(7):
            await press(walk, "tab")
            await everything_is_in_view(walk)
        await at_every_size(walk, sizes)
        await press(walk, "ctrl+n")
        await walk.sees("is set up")
        await at_every_size(walk, sizes)


@pytest.mark.parametrize("sizes", WAYS, ids=len)
async def test_the_connection_form_at_every_size(sizes: Sizes) -> None:
    async with walking() as walk:
        await press(walk, "c")
        await walk.reaches("ConnectionsScreen")
        await walk.sees("n New", "esc Back", "? Help")
        await press(walk, "n")
        await walk.sees("To what?", "PostgreSQL")
        await press(walk, "enter")
        await walk.reaches("ConnectionFormScreen")
        await field(walk, "Name")
        await at_every_size(walk, sizes)
        await press(walk, "ctrl+n")
        await walk.sees("fields need another look")
        await at_every_size(walk, sizes)
        await tab_to(walk, "save")
        await at_every_size(walk, sizes)


async def test_growing_and_shrinking_keeps_everything(pg: Database) -> None:
    async with at_step(pg, PARAMETERS) as walk:
        await fill(walk, "First username", "kept_while_resized")
        for size in ((120, 40), (200, 20), (50, 15), (80, 24)):
            await walk.pilot.resize_terminal(*size)
            if size == (50, 15):
                await walk.sees("needs 60x20")
            else:
                await walk.reaches("WizardScreen")
                await walk.sees("kept_while_resized")
                await field(walk, "First username")
                await everything_is_in_view(walk)
