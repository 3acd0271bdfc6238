"""A connection is changed: what is not touched stays, and what does not log in is not kept."""

from __future__ import annotations

import pytest

from tests.conftest import Database
from tests.tui.ground import connect, open_here, walking
from tests.tui.wizardry import down_to, field, fill, press

pytestmark = pytest.mark.usefixtures("home")


async def test_an_edit_keeps_what_is_not_touched(pg: Database) -> None:
    other = pg.create_role("other_admin", "  another one ", options="LOGIN CREATEROLE")
    async with open_here() as service:
        connection_id = await connect(service, pg)
    async with walking() as walk:
        await press(walk, "2")
        await walk.reaches("ConnectionsScreen")
        await walk.sees("ops-admin", "e Edit")
        await press(walk, "e")
        await walk.reaches("ConnectionFormScreen")
        await field(walk, "Name")
        await walk.sees("Edit ops-admin", pg.database, "stays as it is", "○ no")
        await fill(walk, "Name", "new-name")
        await press(walk, "tab")
        await fill(walk, "Description", "for all")
        await press(walk, "ctrl+n")
        await walk.reaches("ConnectionsScreen")
        await walk.sees("new-name", "for all")
        await press(walk, "e")
        await walk.reaches("ConnectionFormScreen")
        await field(walk, "Name")
        await down_to(walk, "Username")
        await fill(walk, "Username", other)
        await press(walk, "ctrl+n")
        await walk.sees("✗ Not saved.", other)
        await down_to(walk, "Password")
        await fill(walk, "Password", "  another one ")
        await press(walk, "ctrl+t")
        await walk.sees("✓ Logged in: PostgreSQL")
        await press(walk, "ctrl+n")
        await walk.reaches("ConnectionsScreen")
        await walk.sees(f"{other}@{pg.host}")
        await press(walk, "e")
        await walk.reaches("ConnectionFormScreen")
        await field(walk, "Name")
        await fill(walk, "Name", "unsaved")
        await press(walk, "escape")
        await walk.reaches("ConnectionsScreen")
    async with open_here() as service:
        assert await service.drafts.load("connection:postgres") is None
        view = await service.connections.view(connection_id)
        assert (view.name, view.description, view.settings["username"]) == ("new-name", "for all", other)
        assert (await service.connections.test(connection_id)).ok
