"""What hooks were told on a page: seen, narrowed down, tried again, dropped, and told when it is given up."""

from __future__ import annotations

from functools import partial

import pytest

from app.operations.hooks import NewHook
from app.service import Service
from app.tui import KeyturnApp
from screens import deliveries as page
from store import deliveries
from tests.conftest import Database
from tests.pictures import happenings
from tests.pictures.frames import stocked
from tests.tui.ground import open_here, set_up, settings_here, until, walking
from tests.variants import few

pytestmark = pytest.mark.usefixtures("home")


async def add_hook(service: Service, command: str) -> None:
    await service.hooks.add(NewHook("chat-[/x]", ["published"], "command", command))


async def give_up(service: Service) -> None:
    """As another process does after a day."""
    (view,) = await service.deliveries.recent()
    taken = service.store.write(lambda tx: deliveries.take(tx, view.id, "another", -60.0))
    assert taken is not None
    now = service.context.clock()
    service.store.write(lambda tx: deliveries.over(tx, taken[0], deliveries.GIVEN_UP, "500 No [/] way", now))


@pytest.mark.parametrize("size", few([(80, 24), (60, 20), (120, 40)]))
async def test_what_failed_is_seen_tried_again_and_dropped(pg: Database, size: tuple[int, int]) -> None:
    async with open_here() as service:
        await add_hook(service, "sh -c 'echo no [/] way; exit 3'")
        await service.hooks.pause("chat-[/x]")
        await set_up(pg, "billing")
        idle = KeyturnApp(settings_here(), background_loop=False, first_start_notice=False)
        async with walking(size, app=idle) as walk:
            await give_up(service)
            said = "The hook chat-[/x] could not be told of published of billing. Key 5 shows why."
            await until(lambda: any(toast.message == said for toast in walk.app._notifications), said)
            await walk.press("5")
            await walk.sees("Deliveries  1", "1 given up", "chat-[/", "published bil", "answer: 500 No [/] way")
            await walk.sees("✗ given up", "r Retry")
            await walk.press("r")
            await walk.sees("‖ paused", "d Drop")
            await service.hooks.resume("chat-[/x]")
            await walk.sees("! retrying")
            await walk.press("d")
            await walk.sees("Drop delivery 1?", "published of billing is never told to chat-[/x].")
            await walk.press("enter")
            await walk.sees("- dropped")
            await walk.press("f")
            await walk.sees("No delivery failed.")
            await walk.press("escape")
            await walk.sees("Deliveries  1")
            await walk.press("slash", *"xyz")
            await walk.sees("No delivery holds xyz.")
            await walk.press("escape", "enter")
            await walk.reaches("RotationScreen")


async def test_the_loop_of_the_terminal_program_delivers(pg: Database) -> None:
    async with open_here() as service:
        await add_hook(service, "echo welcome")
        await set_up(pg, "billing")
    async with walking() as walk:
        await walk.press("5")
        await walk.sees("✓ done", "answer: exit code 0: welcome")
        await walk.press("5", "question_mark")
        await walk.sees("What hooks were told", "Only what failed: given up")


async def test_end_and_the_filter_look_through_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr(page, "PAGE", 24)
    monkeypatch.setattr(page, "_NEAR", 5)
    async with stocked(partial(happenings.tell, count=20)) as walk:
        await walk.press("5")
        await walk.sees("Deliveries  24 and more", "number 80,", "answer: HTTP 410")
        await walk.press("pagedown", "pagedown")
        await walk.sees("Deliveries  48 and more")
        await walk.press("end")
        await walk.sees("Deliveries  80", "number 1,", "✓ done")
        await walk.press("home", "f", "f")
        await walk.sees("24 and more", "number 80,")
        await walk.press("slash", *"ledger 410")
        await walk.sees("Deliveries  20 ", "✗ given up  failed of ledger")
