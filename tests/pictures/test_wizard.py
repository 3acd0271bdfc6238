"""The wizard at each of its steps."""

from __future__ import annotations

from screens.wizard.draft import KIND
from tests.pictures import stock
from tests.pictures.frames import stocked
from tests.pictures.gallery import Gallery
from tests.tui.wizardry import CONNECTION, DETAILS, MAPPING, PARAMETERS, REVIEW, press, resume, start, step

ANSWERS = {
    "connectionId": "billing-db",
    "rotationInterval": "30",
    "rotateAt": "03:30",
    "parameters.username1": "orders_1",
    "parameters.username2": "orders_2",
    "environment": "prod",
    "secretPath": "/orders",
    "name": "orders",
    "description": "The users of the order service",
}


async def test_from_the_type_to_a_review_that_finds_something(gallery: Gallery) -> None:
    async with stocked(stock.fill) as walk:
        await start(walk)
        await gallery.hang("wizard-type", walk)
        await press(walk, "enter")
        await step(walk, CONNECTION)
        await press(walk, "ctrl+n")
        await walk.sees("Choose")
        await gallery.hang("wizard-complains", walk)


async def test_every_step_filled_in(gallery: Gallery) -> None:
    async with stocked(stock.fill) as walk:
        assert walk.app.desk is not None
        drafts = walk.app.desk.service.drafts
        await drafts.save(KIND, CONNECTION, {"type": "postgres-credentials", "values": ANSWERS})
        await press(walk, "n")
        await walk.reaches("Question")
        await gallery.hang("question-draft", walk)
        await press(walk, "escape")
        await resume(walk)
        names = {CONNECTION: "connection", PARAMETERS: "parameters", MAPPING: "mapping", DETAILS: "details"}
        for at, name in names.items():
            await step(walk, at)
            await gallery.hang(f"wizard-{name}", walk)
            await press(walk, "ctrl+n")
        await step(walk, REVIEW)
        await walk.sees("checks failed")
        await gallery.hang("wizard-review", walk)
