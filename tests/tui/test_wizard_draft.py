"""What was entered is never lost: not by going back, not by a dropped line, not by SIGKILL; and no secret is kept."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from textual.widgets import Input

from app.operations.drafts import Drafts
from screens.widgets.form import Form
from store.errors import StoreUnavailable
from tests.conftest import Database
from tests.tui.ground import PATIENCE, connect, open_here, until, walking
from tests.tui.terminal import Tty
from tests.tui.test_connections import new_connection
from tests.tui.wizardry import (
    CONNECTION,
    DETAILS,
    MAPPING,
    PARAMETERS,
    REVIEW,
    answers,
    at_step,
    down_to,
    field,
    fill,
    keep_draft,
    kept_draft,
    press,
    start,
    step,
    users_of,
)

pytestmark = pytest.mark.usefixtures("home")

CTRL_N = "\x0e"


def values(draft: Mapping[str, Any] | None) -> dict[str, str]:
    assert draft is not None
    return dict(draft["values"])


async def kept(text: str) -> None:
    """Wait until the store has it."""
    deadline = time.monotonic() + PATIENCE
    while text not in repr(await kept_draft()):
        assert time.monotonic() < deadline, await kept_draft()


async def test_the_draft_survives_a_kill_and_is_offered_again(pg: Database) -> None:
    async with open_here() as service:
        await connect(service, pg)
    with Tty() as tty:
        tty.sees("No rotations yet.")
        tty.press("n")
        tty.sees("What do you want to rotate?")
        tty.press("enter")
        tty.sees("● 1 Connection", "ops-admin")
        tty.press("\t\t")
        tty.sees("A credential lives for two")
        tty.press("\x1514\t")
        tty.sees("draft kept")
        tty.press(CTRL_N)
        tty.sees("● 2 Parameters", "Rotated user")
        tty.press("some_user\t")
        await kept("some_user")
        tty.signal(signal.SIGKILL)
        assert tty.ends() == -signal.SIGKILL
    with Tty() as tty:
        tty.sees("No rotations yet.")
        tty.press("n")
        tty.sees("Continue the draft from", "some_user")
        tty.press("enter")
        tty.sees("● 2 Parameters", "some_user")
        tty.press("escape")
        tty.sees("● 1 Connection", "14", "days")


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGTERM, marks=pytest.mark.soak), signal.SIGHUP], ids=["TERM", "HUP"]
)
async def test_a_signal_keeps_even_the_field_that_is_being_edited(pg: Database, number: signal.Signals) -> None:
    async with open_here() as service:
        await connect(service, pg)
        await keep_draft(service, DETAILS, answers(pg, name=""))
    with Tty() as tty:
        tty.sees("No rotations yet.")
        tty.press("n")
        tty.sees("Continue the draft from")
        tty.press("enter")
        tty.sees("● 4 Details", "Small letters, digits")
        tty.press("half-a-na")
        tty.sees("half-a-na")
        tty.signal(number)
        tty.ends()
    assert values(await kept_draft())["name"] == "half-a-na"


async def test_the_end_of_the_program_outruns_no_key(pg: Database) -> None:
    """A character can be on the screen while the news of it is still on its way through the widgets."""
    async with at_step(pg, DETAILS, users=False, name="") as walk:
        await field(walk, "Name")
        name = walk.screen.query_one(Form).fields[0].control
        assert isinstance(name, Input)
        with name.prevent(Input.Changed):
            name.value = "half-a-na"
    assert values(await kept_draft())["name"] == "half-a-na"

    async with walking() as walk:
        await new_connection(walk)
        await fill(walk, "Name", "half-a-con")
    async with open_here() as service:
        found = await service.drafts.load("connection:postgres")
    assert found is not None
    assert found.data["name"] == "half-a-con"


async def test_back_and_forth_loses_nothing(pg: Database) -> None:
    first, second = users_of(pg)
    async with at_step(pg, CONNECTION) as walk:
        await down_to(walk, "Rotation interval")
        await fill(walk, "Rotation interval", "9")
        await press(walk, "ctrl+n")
        await step(walk, PARAMETERS)
        await fill(walk, "First username", f"{first}x")
        await press(walk, "escape")
        await step(walk, CONNECTION)
        await field(walk, "Rotation interval")
        await press(walk, "ctrl+n")
        await step(walk, PARAMETERS)
        await field(walk, "First username")
        await walk.sees(f"{first}x", second)
        await press(walk, "ctrl+n")
        await step(walk, MAPPING)
        await down_to(walk, "Password")
        await fill(walk, "Password", "not/valid")
        await press(walk, "escape")
        await step(walk, PARAMETERS)
        await walk.sees("✓ 1 Connection", "! 3 Mapping")
        await press(walk, "ctrl+n")
        await step(walk, MAPPING)
        await field(walk, "Password")
        await walk.sees("not/valid")
        await fill(walk, "Password", "VALID")
        await press(walk, "ctrl+n")
        await step(walk, DETAILS)
        await walk.sees("✓ 3 Mapping")
        for at in (MAPPING, PARAMETERS, CONNECTION, 0):
            await press(walk, "escape")
            await step(walk, at)
        await press(walk, "enter")
        for at in (CONNECTION, PARAMETERS, MAPPING, DETAILS):
            await step(walk, at)
            await press(walk, "ctrl+n")
        await step(walk, REVIEW)
        await walk.sees("every 9 days", f"{first}x", "VALID", "billing")


async def test_the_draft_is_offered_by_the_time_it_was_left(pg: Database) -> None:
    async with open_here() as service:
        await connect(service, pg)
        await keep_draft(service, MAPPING, answers(pg))
        found = await service.drafts.load("rotation")
    assert found is not None
    assert isinstance(found.updated_at, datetime)
    async with walking() as walk:
        await press(walk, "n")
        await walk.reaches("Question")
        await walk.sees(f"Continue the draft from {found.updated_at.astimezone():%H:%M}?", "billing", "ops-admin")
        await press(walk, "escape")
        await walk.reaches("DashboardScreen")
    assert values(await kept_draft())["name"] == "billing", "escape decides nothing"


async def test_a_draft_can_be_discarded_for_a_new_start(pg: Database) -> None:
    async with open_here() as service:
        await keep_draft(service, MAPPING, answers(pg))
    async with walking() as walk:
        await press(walk, "n")
        await walk.reaches("Question")
        await press(walk, "right", "enter")
        await walk.reaches("WizardScreen")
        await step(walk, 0)
        assert await kept_draft() is None
        await press(walk, "enter")
        await step(walk, CONNECTION)
        await walk.sees("none yet: set up a new one", "30")


async def test_leaving_asks_and_keeps(pg: Database) -> None:
    async with at_step(pg, CONNECTION, users=False) as walk:
        await down_to(walk, "Rotation interval")
        await fill(walk, "Rotation interval", "11")
        await press(walk, "escape")
        await step(walk, 0)
        await press(walk, "escape")
        await walk.reaches("Question")
        await walk.sees("Leave the wizard?", "kept as a draft")
        await press(walk, "escape")
        await walk.reaches("WizardScreen")
        await press(walk, "escape")
        await walk.reaches("Question")
        await press(walk, "enter")
        await walk.reaches("DashboardScreen")
    assert values(await kept_draft())["rotationInterval"] == "11"


async def test_leaving_can_discard(pg: Database) -> None:
    async with at_step(pg, CONNECTION, users=False) as walk:
        await press(walk, "escape")
        await step(walk, 0)
        await press(walk, "escape")
        await walk.reaches("Question")
        await press(walk, "right", "right", "enter")
        await walk.reaches("DashboardScreen")
        assert await kept_draft() is None
        await start(walk)
        assert await kept_draft() is None


async def test_nothing_entered_nothing_asked() -> None:
    async with walking() as walk:
        await start(walk)
        await press(walk, "escape")
        await walk.reaches("DashboardScreen")
    assert await kept_draft() is None


async def test_a_store_that_keeps_no_draft_says_so_and_hinders_nothing(
    pg: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise StoreUnavailable("The disk is full.", remedy="Make room.")

    async with at_step(pg, PARAMETERS, users=False) as walk:
        monkeypatch.setattr(Drafts, "save", full)
        await fill(walk, "First username", "someone_else")
        await press(walk, "tab")
        await walk.sees("The draft is not kept: The disk is full.")
        await press(walk, "ctrl+n")
        await step(walk, MAPPING)


async def test_a_draft_of_a_type_that_is_not_installed_starts_at_the_types(pg: Database) -> None:
    async with open_here() as service:
        await service.drafts.save("rotation", REVIEW, {"type": "gone", "values": {"name": "billing"}})
    async with walking() as walk:
        await press(walk, "n")
        await walk.reaches("Question")
        await press(walk, "enter")
        await step(walk, 0)


async def test_the_administrators_password_is_in_no_draft(pg: Database) -> None:
    async with walking() as walk:
        await start(walk)
        await press(walk, "enter")
        await step(walk, CONNECTION)
        await press(walk, "enter")
        await walk.reaches("ConnectionFormScreen")
        await fill(walk, "Name", "ops-admin")
        await down_to(walk, "Password")
        await fill(walk, "Password", "never-to-be-kept")
        await press(walk, "tab", "escape")
        await until(lambda: type(walk.screen).__name__ in ("WizardScreen", "Question"), "the way back")
        if type(walk.screen).__name__ == "Question":
            await press(walk, "enter")
        await walk.reaches("WizardScreen")
    async with open_here() as service:
        location = service.store.location
    assert "never-to-be-kept" not in repr(await kept_draft())
    with open(location, "rb") as file:  # noqa: ASYNC230, PTH123 - a test
        assert b"never-to-be-kept" not in file.read()
