"""A long history of one rotation: gone through, narrowed down, each attempt with its steps and its whole error."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

import pytest

from screens.rotation_page import history as page
from store import rotations
from store.database import Tx
from store.tables import Attempt
from tests.pictures import stock
from tests.pictures.frames import stocked

pytestmark = pytest.mark.usefixtures("home")
LONG = f"{'The server says a lot about it. ' * 25}At last: disk full [/]."


def fill(tx: Tx) -> None:
    stock.fill(tx)
    billing = next(row for row in rotations.list_all(tx) if row.name == "billing")
    for number, at in zip(range(120), (stock.NOW - timedelta(days=200 - each) for each in count()), strict=False):
        stock.add_attempt(tx, billing, number % 2, at, f"old-{number}", LONG if number == 3 else "")
    tx.session.get_one(Attempt, "old-3").state = "failed"


@pytest.mark.parametrize("size", [(60, 20), (80, 24)])
async def test_each_attempt_is_seen_with_its_whole_error(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr(page, "PAGE", 60)
    monkeypatch.setattr(page, "_NEAR", 5)
    async with stocked(fill) as walk:
        await walk.pilot.resize_terminal(*size)
        await walk.press("slash", *"billing", "enter", "enter")
        await walk.reaches("RotationScreen")
        await walk.press("enter")
        await walk.reaches("HistoryScreen")
        await walk.sees("History of billing  60 and more", "publish", "app_user_2")
        await walk.press("end")
        await walk.sees("History of billing  122", "1 failed", "2026-05-05")
        await walk.press("slash", *"DISK full", "enter")
        await walk.sees("History of billing  1 ", "issue: The server says a lot")
        await walk.press("enter")
        await walk.reaches("ReadingScreen")
        await walk.sees("issue: The server")
        await walk.press("end")
        await walk.sees("At last: disk full [/].")
        await walk.press("escape")
        await walk.reaches("HistoryScreen")
        await walk.press("escape", "escape")
        await walk.reaches("RotationScreen")
