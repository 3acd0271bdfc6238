"""The history on a page: narrowed down, followed, read on as one scrolls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from screens import events as page
from screens.widgets.line_table import LineTable
from store import events
from store.database import Tx
from tests.conftest import Database
from tests.tui.ground import SIZES, Walk, open_here, set_up, until, walking
from tests.variants import few

pytestmark = pytest.mark.usefixtures("home")
START = datetime(2026, 1, 1, tzinfo=UTC)


async def write(*subjects: str, actor: str = "scheduler", result: str = "success", message: str = "") -> None:
    """Events as another process writes them."""

    def act(tx: Tx) -> None:
        for number, subject in enumerate(subjects):
            at = START + timedelta(minutes=number)
            events.append(
                tx, at=at, actor=actor, action="rotate-[x]", result=result, subject=subject, message=message or subject
            )

    async with open_here() as service:
        await service.store.awrite(act)


async def open_page(walk: Walk) -> None:
    await walk.press("v")
    await walk.reaches("EventsScreen")


async def told(walk: Walk, text: str) -> None:
    await until(lambda: any(text in toast.message for toast in walk.app._notifications), text)


@pytest.mark.parametrize("size", few([*SIZES, (60, 20)]))
async def test_it_tells_who_did_what_and_opens_the_rotation(pg: Database, size: tuple[int, int]) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    async with walking(size) as walk:
        await open_page(walk)
        await walk.sees("Events  2", "✓ create", "billing", "cli:anna", "esc Back")
        await walk.sees("✓ success  create-secret-rotation  billing", "by cli:anna", "UTC")
        await walk.press("end")
        await walk.sees("✓ success  create-app-connection  ops-admin")
        await walk.press("enter")
        await told(walk, "This event belongs to no rotation.")
        await walk.press("home", "enter")
        await walk.reaches("RotationScreen")
        await walk.press("4")
        await walk.reaches("EventsScreen")
        assert len(walk.app.screen_stack) == 2, "no page is open twice"
        async with open_here() as service:
            await service.rotations.delete(rotation_id)
        await until(lambda: walk.app.desk and walk.app.desk.snapshot and not walk.app.desk.snapshot.rows, "it to go")
        await walk.press("enter")
        await told(walk, "The rotation billing is gone.")
        await walk.press("1")
        await walk.reaches("DashboardScreen")


async def test_what_is_typed_narrows_it_down_and_escape_widens_it() -> None:
    await write("billing", "orders", result="failed", actor="cli:ben", message="server [/] says no")
    await write("billing", actor="cli:anna")
    async with walking() as walk:
        await open_page(walk)
        await walk.sees("Events  3")
        await walk.press("slash", *"BEN bill")
        await walk.sees("Events  1 that hold BEN bill", "✗ failed  rotate-[x]  billing", "server [/] says no")
        await walk.press("enter")
        assert isinstance(walk.focused(), LineTable)
        await walk.press("slash", *"xyz")
        await walk.sees("No event holds BEN billxyz.", "esc shows all again.")
        await walk.press("enter", "escape")
        await walk.sees("Events  3")
        await walk.press("escape")
        await walk.reaches("DashboardScreen")


async def test_new_events_come_by_themselves_while_one_follows() -> None:
    await write("first", "second")
    async with walking() as walk:
        await open_page(walk)
        await walk.sees("Events  2")
        await write("third")
        await walk.sees("1 newer, f shows them")
        assert not walk.reads("third")
        await walk.press("f")
        await walk.sees("↻ following", "Events  3", "✓ success  rotate-[x]  third")
        await write("fourth")
        await walk.sees("✓ success  rotate-[x]  fourth")
        await walk.press("down", "down")
        await walk.sees("✓ success  rotate-[x]  second")
        await write("fifth")
        await walk.sees("Events  5", "✓ success  rotate-[x]  second")
        await walk.press("f")
        await walk.sees_not("following")


async def test_the_next_page_is_read_before_one_gets_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "PAGE", 40)
    monkeypatch.setattr(page, "_NEAR", 10)
    await write(*(f"s{number}" for number in range(100)))
    async with walking() as walk:
        await open_page(walk)
        await walk.sees("Events  40 and more", "s99")
        table = walk.screen.query_one(LineTable)
        table.scroll_to(y=25, animate=False)
        await walk.sees("Events  80 and more")
        await walk.press("end")
        await walk.sees("Events  100", "✓ success  rotate-[x]  s0")
        assert walk.screen.query_one(LineTable).cursor_key == "1"


async def test_end_shows_the_first_event_of_a_long_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies between is read when one comes by."""
    monkeypatch.setattr(page, "PAGE", 40)
    monkeypatch.setattr(page, "_NEAR", 10)
    await write(*(f"s{number}" for number in range(150)))
    async with walking() as walk:
        await open_page(walk)
        await walk.sees("Events  40 and more", "s149")
        await walk.press("end")
        await walk.sees("Events  the first 40", "✓ success  rotate-[x]  s0")
        await write("later")
        await walk.sees("1 newer, f shows them")
        await walk.press("home")
        await walk.sees("0 and more", "✓ success  rotate-[x]  later")
        await walk.press("slash", *"s1", "enter", "end")
        await walk.sees("that hold s1", "✓ success  rotate-[x]  s1 ")
        for _ in range(10):
            await walk.press("pageup")
        await walk.sees("Events  61 that hold s1", "✓ success  rotate-[x]  s149")
        await walk.press("escape", "end")
        await walk.sees("Events  the first 40", "✓ success  rotate-[x]  s0")
        await walk.press("f")
        await walk.sees("following", "✓ success  rotate-[x]  later")
