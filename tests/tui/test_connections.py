"""Connections: entered, tried out, kept, tested and removed; a password is nowhere but in its field and the store."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from psycopg import sql

from screens.widgets.secret_input import SecretInput
from tests.conftest import Database
from tests.tui.ground import SIZES, Walk, connect, open_here, rotate_users, until, walking
from tests.tui.terminal import Tty
from tests.tui.wizardry import complains, down_to, error, field, fill, label, press
from tests.variants import few

pytestmark = pytest.mark.usefixtures("home")


async def to_postgres(walk: Walk) -> None:
    """A new connection, to the first of the apps."""
    await press(walk, "n")
    await walk.sees("To what?", "PostgreSQL")
    await press(walk, "enter")


async def new_connection(walk: Walk) -> None:
    await press(walk, "c")
    await walk.reaches("ConnectionsScreen")
    await to_postgres(walk)
    await walk.reaches("ConnectionFormScreen")
    await field(walk, "Name")


async def enter(walk: Walk, pg: Database, **changes: str) -> None:
    """All fields from Name on, TLS off; by label, spaces as underscores."""
    texts = {
        "Name": "ops-admin",
        "Host": pg.host,
        "Port": str(pg.port),
        "Database": pg.database,
        "Username": pg.admin_user,
        "Password": pg.admin_password,
        **changes,
    }
    for title, text in texts.items():
        await down_to(walk, title)
        await fill(walk, title, text)
    await down_to(walk, "Use TLS")
    await press(walk, "space")
    await until(lambda: walk.reads("○ no"), "TLS to be off")


async def names() -> list[str]:
    async with open_here() as service:
        return [view.name for view in await service.connections.views()]


@pytest.mark.parametrize("size", few(SIZES))
async def test_a_connection_is_entered_tested_and_saved(pg: Database, size: tuple[int, int]) -> None:
    async with walking(size) as walk:
        await press(walk, "c")
        await walk.reaches("ConnectionsScreen")
        await walk.sees("No connections yet.", "Press  n  to set one up")
        await to_postgres(walk)
        await walk.reaches("ConnectionFormScreen")
        await enter(walk, pg)
        await press(walk, "ctrl+t")
        await walk.sees(f"✓ Logged in: PostgreSQL 18.4 at {pg.host}:{pg.port}, no TLS")
        assert await names() == []
        await press(walk, "ctrl+n")
        await walk.reaches("ConnectionsScreen")
        await walk.sees("ops-admin", "PostgreSQL", "nobody", "Connection ops-admin is kept.")
        await press(walk, "t")
        await walk.sees("✓ works: PostgreSQL 18.4")
        await press(walk, "escape")
        await walk.reaches("DashboardScreen")
    async with open_here() as service:
        assert (await service.connections.test("ops-admin")).ok


async def test_a_wrong_password_is_told_and_nothing_is_kept(pg: Database) -> None:
    async with walking() as walk:
        await new_connection(walk)
        await enter(walk, pg, Password="not-the-one")
        await press(walk, "ctrl+n")
        await walk.sees("✗ Not saved. The password of postgres was refused")
        assert await names() == []
        assert walk.screen.query_one(SecretInput).value == "not-the-one", "nothing is lost"
        await down_to(walk, "Password")
        await fill(walk, "Password", pg.admin_password)
        await press(walk, "ctrl+n")
        await walk.reaches("ConnectionsScreen")
    assert await names() == ["ops-admin"]


async def test_blanks_around_a_password_belong_to_it(pg: Database) -> None:
    admin = pg.create_role("admin", "  two blanks  ", options="LOGIN CREATEROLE")
    async with walking() as walk:
        await new_connection(walk)
        await enter(walk, pg, Username=admin, Password="  two blanks  ")
        assert "two blanks" not in walk.text
        await press(walk, "ctrl+n")
        await walk.reaches("ConnectionsScreen")
    async with open_here() as service:
        assert (await service.connections.test("ops-admin")).ok


async def test_each_field_says_what_is_wrong_with_it(pg: Database) -> None:
    async with open_here() as service:
        await connect(service, pg, "taken")
    async with walking() as walk:
        await new_connection(walk)
        await press(walk, "ctrl+n")
        await walk.sees("5 fields need another look.")
        await field(walk, "Name")
        for title in ("Name", "Host", "Database", "Username", "Password"):
            assert error(walk, title) == "Is required.", title
        for title, text, complaint in [
            ("Name", "No Slug", "Must be slug-friendly"),
            ("Name", "x" * 33, "Must have at most 32 characters."),
            ("Name", "taken", "A connection named taken exists already."),
            ("Host", "https://db", "Enter the host name alone"),
            ("Port", "0", "Must be at least 1."),
            ("Port", "99999", "Must be at most 65535."),
            ("Port", "five", "Must be a whole number."),
            ("CA certificate", "no certificate", "This is no certificate in PEM format."),
        ]:
            while label(walk) != title:
                await press(walk, "tab")
            await fill(walk, title, text)
            await press(walk, "tab")
            await complains(walk, title, complaint)


async def test_escape_leaves_a_draft_without_the_password(pg: Database) -> None:
    async with walking() as walk:
        await new_connection(walk)
        await enter(walk, pg)
        await press(walk, "escape")
        await walk.reaches("ConnectionsScreen")
        await walk.sees("No connections yet.")
        assert any("kept as a draft, without the secrets" in toast.message for toast in walk.app._notifications)
    assert await names() == []
    async with open_here() as service:
        draft = await service.drafts.load("connection:postgres")
    assert draft is not None
    assert pg.admin_password not in repr(draft.data)
    async with walking() as walk:
        await press(walk, "c")
        await walk.reaches("ConnectionsScreen")
        await to_postgres(walk)
        await walk.reaches("Question")
        await walk.sees("Continue the draft from", "a connection (ops-admin)", "Its secrets were not kept.")
        await press(walk, "enter")
        await walk.reaches("ConnectionFormScreen")
        await field(walk, "Name")
        await walk.sees("ops-admin", pg.database, "○ no")
        assert walk.screen.query_one(SecretInput).value == ""
        await down_to(walk, "Password")
        await fill(walk, "Password", pg.admin_password)
        await press(walk, "ctrl+n")
        await walk.reaches("ConnectionsScreen")
        await to_postgres(walk)
        await walk.reaches("ConnectionFormScreen")
    assert await names() == ["ops-admin"]


async def test_an_untouched_form_leaves_no_draft() -> None:
    async with walking() as walk:
        await new_connection(walk)
        await press(walk, "tab", "escape")
        await walk.reaches("ConnectionsScreen")
    async with open_here() as service:
        assert await service.drafts.load("connection:postgres") is None


@contextlib.asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """Takes connections and says nothing; its port."""
    taken: list[asyncio.StreamWriter] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(writer)

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        for writer in taken:
            writer.transport.abort()
        server.close()
        await server.wait_closed()


async def test_a_server_that_hangs_freezes_nothing_and_can_be_left(pg: Database) -> None:
    async with silent_server() as port, walking() as walk:
        await new_connection(walk)
        await enter(walk, pg, Port=str(port))
        for key in ("ctrl+t", "ctrl+n"):
            await press(walk, key)
            await walk.sees("↻ logging in…")
            while label(walk) != "Name":
                await press(walk, "tab")
            await fill(walk, "Name", f"typed-{key[-1]}")
            await walk.sees("↻ logging in…", f"typed-{key[-1]}")
            await press(walk, "escape")
            await walk.sees("Stopped waiting for the server.")
            await walk.sees_not("logging in…")
        await press(walk, "escape")
        await walk.reaches("ConnectionsScreen")
    assert await names() == []


async def test_a_test_that_hangs_holds_up_no_other(pg: Database) -> None:
    async with silent_server() as port:
        async with open_here() as service:
            await connect(service, pg, "a-works")
            silent = await connect(service, pg, "b-hangs")
            view = await service.connections.view(silent)
            await service.store.awrite(
                lambda tx: tx.session.connection().exec_driver_sql(
                    "UPDATE connection SET settings = json_set(settings, '$.port', ?) WHERE name = 'b-hangs'", (port,)
                )
            )
            assert view.name == "b-hangs"
        async with walking() as walk:
            await press(walk, "c")
            await walk.reaches("ConnectionsScreen")
            await walk.sees("a-works", "b-hangs")
            await press(walk, "end", "t")
            await walk.sees("↻ logging in")
            await press(walk, "home", "t")
            await walk.sees("✓ works")
            await press(walk, "escape")
            await walk.reaches("DashboardScreen")


async def test_removing_asks_first(pg: Database) -> None:
    async with open_here() as service:
        await connect(service, pg)
    async with walking() as walk:
        await press(walk, "c")
        await walk.reaches("ConnectionsScreen")
        await walk.sees("ops-admin")
        for key in ("escape", "enter"):
            await press(walk, "d")
            await walk.reaches("Question")
            await walk.sees("Remove ops-admin?", "At the target nothing changes.", "Keep it")
            await press(walk, key)
            await walk.reaches("ConnectionsScreen")
            await walk.sees("No connections yet." if key == "enter" else "ops-admin")
    assert await names() == []


async def test_what_is_typed_narrows_the_list_down(pg: Database) -> None:
    async with open_here() as service:
        await connect(service, pg, "billing-db")
        await connect(service, pg, "orders-db")
    async with walking() as walk:
        await press(walk, "2")
        await walk.sees("Connections  2", "billing-db", "orders-db")
        await press(walk, "slash", *"ORD post")
        await walk.sees("Connections  1 of 2", "orders-db")
        assert not walk.reads("billing-db")
        await press(walk, *"xyz", "enter")
        await walk.sees("No connection holds ORD postxyz.")
        await press(walk, "escape")
        await walk.sees("Connections  2", "billing-db")
        await press(walk, "escape")
        await walk.reaches("DashboardScreen")


async def test_a_connection_in_use_is_not_removed(pg: Database) -> None:
    async with open_here() as service:
        await rotate_users(service, pg, await connect(service, pg), "billing")
    async with walking() as walk:
        await press(walk, "c")
        await walk.reaches("ConnectionsScreen")
        await walk.sees("1 rotation", "used by billing")
        await press(walk, "d")
        await walk.reaches("Question")
        await walk.sees("Not removed", "is used by: billing", "Delete these rotations first.")
        await press(walk, "enter")
        await walk.reaches("ConnectionsScreen")
    assert await names() == ["ops-admin"]


@pytest.mark.soak
async def test_brackets_are_shown_as_they_are(pg: Database) -> None:
    database, admin = f"db[prod] [/] {pg.suffix}", f"[@click=app.quit]x_{pg.suffix}"
    pg.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    pg.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'pw[/]'").format(sql.Identifier(admin)))
    try:
        async with walking((120, 40)) as walk:
            await new_connection(walk)
            changes: dict[str, Any] = {"Database": database, "Username": admin, "Password": "pw[/]"}
            await enter(walk, pg, **changes, Description="about [bold]that[/] one")
            await press(walk, "ctrl+n")
            await walk.reaches("ConnectionsScreen")
            await walk.sees(f"{admin}@{pg.host}:{pg.port}/{database}", "about [bold]that[/] one")
            await press(walk, "t")
            await walk.sees("✓ works")
            await to_postgres(walk)
            await walk.reaches("ConnectionFormScreen")
            await enter(walk, pg, Name="second", Database="no[/]thing", Username=admin, Password="pw[/]")
            await press(walk, "ctrl+n")
            await walk.sees("no[/]thing")
            await walk.sees("✗ Not saved.")
    finally:
        pg.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))


def test_what_is_typed_in_one_burst_ends_in_its_fields() -> None:
    """As a password manager types, or a slow line delivers."""
    with Tty() as tty:
        tty.sees("No rotations yet.")
        tty.press("c")
        tty.sees("No connections yet.")
        tty.press("n")
        tty.sees("To what?")
        tty.press("\r")
        tty.sees("Name", "What you will know it by")
        tty.press("ops-x\x7fa\tthe main one\tlocalhostX\x7f\r\x15 9999\x1b[Bdb-1\radmin\twrong\x15hunter2\t ")
        tty.sees("ops-a ", "the main one ", "localhost ", "9999 ", "db-1 ", "admin ", "••••••• ", "○ no")
        assert "hunter2" not in tty.text


async def test_the_form_of_an_app_comes_from_its_declaration() -> None:
    async with walking() as walk, open_here() as service:
        await new_connection(walk)
        declared = service.catalog.connection_form("postgres")
        await walk.sees(*(declared_field.title for declared_field in declared.fields))
        await press(walk, "f1")
        await walk.reaches("HelpScreen")
        await walk.sees("Admin access to PostgreSQL", "Name: What you will know it by")


async def test_enter_opens_who_uses_it(pg: Database) -> None:
    async with open_here() as service:
        connection = await connect(service, pg)
        await rotate_users(service, pg, connection, "billing")
    async with walking() as walk:
        await press(walk, "2")
        await walk.reaches("ConnectionsScreen")
        await walk.sees("used by billing")
        await press(walk, "enter")
        await walk.reaches("RotationScreen")
        async with open_here() as other:
            await rotate_users(other, pg, connection, "orders")
        await press(walk, "escape")
        await walk.reaches("ConnectionsScreen")
        await walk.sees("used by billing, orders")
        await press(walk, "enter")
        await walk.reaches("PickScreen")
        await walk.sees("Rotations that use ops-admin", "billing", "2 found", "Open", "Back")
        await press(walk, "o", "r", "d")
        await walk.sees("1 found")
        await press(walk, "enter")
        await walk.reaches("RotationScreen")
        await walk.sees("Keyturn  orders")
