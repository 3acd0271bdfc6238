"""The dashboard and a rotation's page, in every state."""

from __future__ import annotations

import asyncio
from functools import partial

from app.service import Service
from app.settings import Settings
from tests.bench import filling
from tests.pictures import stock
from tests.pictures.frames import opened, stocked
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
        await walk.press("escape", "ctrl+p")
        await walk.reaches("Palette")
        await walk.sees("Set up a new rotation")
        await gallery.hang("palette", walk, size=(80, 24))


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
        await walk.sees("Connection refused")
        await gallery.hang("plan", walk, size=(80, 24))  # below stands where the store is
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


async def test_names_of_the_greatest_length(gallery: Gallery) -> None:
    async with stocked(partial(stock.fill, items=LONG)) as walk:
        await walk.sees("failing")
        await gallery.hang("dashboard-long-names", walk)
        await walk.press("enter")
        await walk.reaches("RotationScreen")
        await walk.sees("Credentials")
        await gallery.hang("rotation-long-names", walk)


async def test_ten_thousand_rotations(gallery: Gallery) -> None:
    async with stocked(partial(filling.add_rotations, count=10_000, now=stock.NOW)) as walk:
        await walk.sees("10000")
        await walk.press("end")
        await walk.sees(filling.name(9_999))
        await gallery.hang("dashboard-10000", walk)
