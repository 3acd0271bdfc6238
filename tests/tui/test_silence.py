"""A store or a target that neither answers nor fails: every wait is told of, and can be left."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from app.demo.server import PrivateServer
from tests.conftest import Database, own_database
from tests.tui.ground import open_here, row_of, set_up, until, walking
from tests.tui.wizardry import press

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def own_pg() -> Iterator[Database]:
    """A server of one's own, to halt."""
    with PrivateServer("18") as server, own_database(server) as database:
        yield database


async def test_a_store_that_hangs_is_told_of_on_every_page(
    pg: Database, own_pg: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = own_pg.server
    address = f"{server.superuser}:{server.password}@{server.host}:{server.port}/{own_pg.database}"
    monkeypatch.setenv("KEYTURN_DATABASE_URL", f"postgresql+psycopg://{address}")
    await set_up(pg, "billing")
    async with walking() as walk:
        server.pause()
        try:
            await walk.sees("! store not readable", "The store does not answer.", "What is shown is older")
            for key in ("r", "d", "p"):
                await walk.press(key)
                await walk.reaches("WaitingScreen")
                await walk.sees("waiting for the store", "Stop waiting")
                await walk.press("escape")
                await walk.reaches("DashboardScreen")
            for key, page in (
                ("enter", "RotationScreen"),
                ("2", "ConnectionsScreen"),
                ("3", "SecretsScreen"),
                ("n", "WizardScreen"),
            ):
                await walk.press(key)
                await walk.reaches(page)
                await walk.sees("reading")
                await walk.press("escape")
                await walk.reaches("DashboardScreen")
            await walk.press("enter")
            await walk.reaches("RotationScreen")
        finally:
            server.resume()
        await walk.sees("Rotates every 30 days")
        await walk.press("escape")
        await walk.reaches("DashboardScreen")
        await walk.sees("✓ healthy")
        await walk.sees_not("does not answer")


async def test_who_does_not_wait_is_told_that_it_may_yet_happen(pg: Database) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    async with open_here() as service:
        location = service.store.location
    async with walking() as walk:
        with closing(sqlite3.connect(location, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # as whoever writes for long
            await walk.press("p")
            await walk.reaches("WaitingScreen")
            await walk.press("escape")
            await walk.reaches("DashboardScreen")
            await walk.sees("You did not wait")
        await walk.sees("paused")
        await walk.press("p")
        await walk.sees("is resumed")
    assert (await row_of(rotation_id)).next_at is not None


async def test_a_target_that_hangs_while_a_rotation_is_deleted(own_pg: Database) -> None:
    await set_up(own_pg, "billing", "orders")
    async with walking() as walk:
        own_pg.server.pause()
        try:
            await walk.press("d")
            await walk.reaches("DeleteDialog")
            await press(walk, "shift+tab", "shift+tab", "space")
            await walk.sees("can no longer log in")
            await press(walk, "tab", "tab", *"billing", "enter")
            await walk.reaches("ProgressScreen")
            await walk.sees("Deleting.", "s so far")
            await walk.press("escape")
            await walk.reaches("DashboardScreen")
            await walk.sees("deleting")
            for key in ("d", "p", "r"):  # none of them starts a second piece of work
                await walk.press(key)
                await walk.reaches("ProgressScreen")
                await walk.sees("Deleting billing", "Leave it running")
                await walk.press("escape")
                await walk.reaches("DashboardScreen")
            await walk.press("d")
            await walk.reaches("ProgressScreen")
        finally:
            own_pg.server.resume()
        await walk.sees("Deleted.", "Close")
        await walk.press("escape")
        await until(lambda: "billing" not in walk.text, "it to be gone")
        await walk.sees("orders")
