"""The dashboard and a rotation's page, in every state."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from app.errors import Explanation
from app.service import Service
from app.settings import Settings
from app.views import Progress
from screens.desk import ROTATE, Work
from screens.progress import ProgressScreen
from screens.rotation_page.emergency import report_screen
from store.database import Tx
from tests.bench import filling
from tests.pictures import happenings, stock
from tests.pictures.frames import opened, quiet, stocked
from tests.pictures.gallery import Gallery
from tests.pictures.stock import LONG


async def test_nothing_yet(gallery: Gallery) -> None:
    async with stocked(None) as walk:
        await walk.sees("No rotations yet.")
        await gallery.hang("dashboard-empty", walk)


async def test_while_the_store_is_opened(gallery: Gallery) -> None:
    """The first frame is there before anything is known."""
    may_open = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slowly(settings: Settings) -> Service:
        asyncio.run_coroutine_threadsafe(may_open.wait(), loop).result()
        return opened(settings)

    async with stocked(None, until_open=False, opening=slowly) as walk:
        await walk.sees("opening the store")
        await gallery.hang("dashboard-opening", walk)
        may_open.set()
        await walk.sees("No rotations yet.")


async def test_the_dashboard_and_what_opens_above_it(gallery: Gallery) -> None:
    async with stocked(stock.fill) as walk:
        await walk.sees("since 30 d")
        await gallery.hang("dashboard", walk)
        await walk.press("g")
        await walk.sees("staging")
        await gallery.hang("dashboard-grouped", walk)
        await walk.press("slash", *"nowhere")
        await walk.sees("No rotation matches")
        await gallery.hang("dashboard-no-match", walk)
        await walk.press("escape", "escape")
        await walk.sees("billing")
        await walk.press("t")
        await walk.reaches("NightsScreen")
        await gallery.hang("nights", walk)
        await walk.press("escape", "question_mark")
        await walk.reaches("HelpScreen")
        await gallery.hang("help", walk)

        async def open_palette() -> None:
            await walk.press("escape", "ctrl+p")
            await walk.reaches("Palette")
            await walk.sees("Open billing")
            await quiet(walk, "--textual-command-palette-gather-commands")

        await gallery.hang("palette", walk, reopen=open_palette)


async def test_a_healthy_rotation_and_its_questions(gallery: Gallery) -> None:
    async with stocked(stock.fill) as walk:
        await walk.press("slash", *"billing", "enter", "enter")
        await walk.reaches("RotationScreen")
        await walk.sees("Credentials")
        await gallery.hang("rotation", walk)
        await walk.press("v")
        await walk.sees("example-1-")
        await gallery.hang("rotation-revealed", walk)
        await walk.press("r")
        await walk.reaches("Question")
        await gallery.hang("question-rotate", walk)
        await walk.press("escape", "d")
        await walk.reaches("DeleteDialog")
        await gallery.hang("question-delete", walk)
        await walk.press("escape", "X")
        await walk.reaches("EmergencyDialog")
        await gallery.hang("question-emergency", walk)
        await walk.press("escape", "m")
        await walk.reaches("MoveDialog")
        await walk.sees("BILLING_PASSWORD")
        await gallery.hang("move", walk)
        await walk.press("escape", "l")
        await walk.reaches("ReadingScreen")
        await walk.sees("It cannot run")
        await gallery.hang("plan", walk)
        await walk.press("escape", "e")
        await walk.reaches("EditScreen")
        await walk.sees("billing-db")
        await gallery.hang("edit", walk)


async def test_a_failing_rotation(gallery: Gallery) -> None:
    async with stocked(stock.fill) as walk:
        await walk.press("enter")
        await walk.reaches("RotationScreen")
        await walk.sees("refuses connections")
        await gallery.hang("rotation-failing", walk)
        await walk.press("enter")
        await walk.reaches("HistoryScreen")
        await walk.sees("History of ledger  3")
        await gallery.hang("history", walk)


async def test_a_rotation_under_way_and_one_that_fails(gallery: Gallery) -> None:
    async with stocked(stock.fill) as walk:
        await walk.sees("ledger")
        desk = walk.app.desk
        assert desk is not None
        work = Work("id", "billing", ROTATE, by_hand=True)
        noted = "psql from 10.0.0.7 still uses it, 2 sessions"
        for step, state, seconds, ms, message in (
            ("plan", "done", 4.2, 2.1, ""),
            ("guard", "done", 4.1, 38.0, noted),
            ("issue", "started", 3.4, 0.0, ""),
        ):
            at = stock.NOW - timedelta(seconds=seconds)
            work.steps["a", step] = Progress("id", "billing", "a", 0, "app_user_1", step, state, at, ms, message)
        walk.app.push_screen(ProgressScreen(desk, work))
        await walk.sees("3.4 s so far")
        await gallery.hang("progress", walk)
        work.steps["a", "issue"] = replace(work.steps["a", "issue"], state="failed", ms=4000.0)
        work.running, work.error = False, Explanation(stock.REFUSED, "It is tried again in 30 s; or press r.", 1)
        desk.moved.publish(work)
        await walk.sees("Close")
        await gallery.hang("progress-failed", walk)


async def test_the_report_of_an_emergency(gallery: Gallery) -> None:
    def happened(tx: Tx) -> None:
        stock.fill(tx)
        happenings.renew_both(tx, "billing")

    async with stocked(happened) as walk:
        await walk.sees("ledger")
        desk = walk.app.desk
        assert desk is not None
        assert desk.snapshot is not None
        row = next(row for row in desk.snapshot.rows if row.name == "billing")
        walk.app.push_screen(report_screen(desk, row))
        await walk.sees("Both credentials are new")
        await gallery.hang("emergency", walk)


async def test_names_of_the_greatest_length(gallery: Gallery) -> None:
    async with stocked(partial(stock.fill, items=LONG)) as walk:
        await walk.sees("failing")
        await gallery.hang("dashboard-long-names", walk)
        await walk.press("enter")
        await walk.reaches("RotationScreen")
        await walk.sees("Credentials")
        await gallery.hang("rotation-long-names", walk)


@pytest.mark.soak
async def test_ten_thousand_rotations(gallery: Gallery) -> None:
    async with stocked(partial(filling.add_rotations, count=10_000, now=stock.NOW)) as walk:
        await walk.sees("10000")
        await walk.press("end")
        await walk.sees(filling.name(9_999))
        await gallery.hang("dashboard-10000", walk)
