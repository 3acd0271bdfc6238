"""Keys in any order in front of the whole app, the wizard above all: it never crashes, and still does its work."""

from __future__ import annotations

import asyncio
import random
import shutil
from pathlib import Path

import pytest
from textual import events
from textual.keys import _character_to_key

from screens.wizard.draft import KIND
from tests.fuzz.ground import TOKEN, House, furnish
from tests.rotation.model import WORLDS, World
from tests.tui.ground import Walk, open_here, until, walking

NAMED = ["tab", "shift+tab", "enter", "escape", "up", "down", "left", "right", "space", "backspace", "delete", "home"]
NAMED += ["end", "pageup", "pagedown", "ctrl+n", "ctrl+u", "ctrl+w", "ctrl+k", "f1", "ctrl+p", "ctrl+c", "ctrl+z"]
CHARACTERS = "?/[]{}'\"\\:;.,-_ aäß漢0123456789rvpdgnhcq\u0301\u202e"
PASTED = [
    "",
    "x" * 5000,
    "[/]",
    "[@click=app.quit]x[/]",
    "app_1",
    "line\nline",
    "\x1b[2J\0",
    "{{username}}",
    "9" * 5000,
]
OFTEN = ["tab", "enter", "ctrl+n", "escape"]


def one(chance: random.Random) -> events.Event:
    kind = chance.random()
    if kind < 0.08:
        return events.Paste(chance.choice(PASTED))
    if kind < 0.35:
        character = chance.choice(CHARACTERS)
        name = character if character.isalnum() else _character_to_key(character)
        return events.Key(name, character)
    key = chance.choice(OFTEN if kind < 0.65 else NAMED)
    return events.Key(key, " " if key == "space" else None)


async def press_anything(walk: Walk, chance: random.Random, keys: int) -> None:
    for _ in range(keys):
        if not walk.app.is_running:
            return
        walk.app.post_message(one(chance))
        if chance.random() < 0.4:  # sometimes as fast as they come, sometimes looking at what happens
            await walk.pilot.pause()
    await walk.pilot.pause()


async def still_works(walk: Walk) -> None:
    """Back to the first screen, whatever is open."""

    def at_the_start() -> bool:
        if type(walk.screen).__name__ != "DashboardScreen":
            walk.app.post_message(events.Key("escape", None))
            if type(walk.screen).__name__ == "Question":
                walk.app.post_message(events.Key("enter", None))
        return type(walk.screen).__name__ == "DashboardScreen"

    await until(at_the_start, lambda: f"the way out of {walk.screen}\n{walk.text}")


VALUES = {
    "connectionId": "model",
    "rotationInterval": "30",
    "rotateAt": "03:30",
    "parameters.username1": "new_1",
    "parameters.username2": "new_2",
    "environment": "prod",
    "secretPath": "/new",
    "name": "new",
}


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100))
async def test_the_wizard(fresh_home: Path, home: Path, world: World, seed: int) -> None:
    chance = random.Random(seed)
    shutil.copytree(fresh_home, home)
    house = House(home, next(name for name, found in WORLDS.items() if found is world))
    await asyncio.to_thread(furnish, house)
    async with open_here() as service:
        await service.drafts.save(KIND, seed % 6, {"type": "model-passwords", "values": VALUES})
    async with walking(chance.choice([(80, 24), (120, 40), (60, 20)])) as walk:
        for key in ("n", "enter"):
            walk.app.post_message(events.Key(key, None if len(key) > 1 else key))
            await walk.pilot.pause()
        await walk.reaches("WizardScreen")
        await press_anything(walk, chance, 150)
        assert walk.app._exception is None
        if walk.app.is_running:
            await still_works(walk)
        assert TOKEN not in walk.text
    async with open_here() as service:
        for row in (await service.rotations.snapshot()).rows:
            credentials = (await service.rotations.credentials(row.id)).generated_credentials
            assert all(world.works(values) for values in credentials), "what was created does not log in"
        kept = await service.drafts.load(KIND)
    assert kept is None or TOKEN not in str(kept.data)
