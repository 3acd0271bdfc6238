"""Everything that is published, on a page: masked until asked for, and who asked is recorded."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta

import pytest

from app.views import Place
from screens import secrets as page
from screens.widgets.line_table import LineTable
from store import projects, secrets
from store.database import Tx
from tests.conftest import Database
from tests.tui.ground import Walk, open_here, set_up, until, walking
from tests.tui.terminal import Tty
from tests.variants import few

pytestmark = pytest.mark.usefixtures("home")
MASK = "••••••••••••"
PROD = Place("default", "prod", "/")


async def value_of(name: str) -> str:
    async with open_here() as service:
        return await service.secrets.value(PROD, name)


async def reveals(rotation_id: str) -> list[str]:
    async with open_here() as service:
        found = await service.history.recent(rotation=rotation_id, matching="reveal-secret")
    return [f"{event.actor.partition(':')[0]} {event.message}" for event in reversed(found)]


def prod(tx: Tx) -> str:
    """The folder's id."""
    environment = projects.find_environment(tx, projects.list_projects(tx)[0].id, "prod")
    folder = projects.find_folder(tx, environment.id, "/") if environment else None
    assert folder is not None
    return folder.id


async def open_page(walk: Walk) -> None:
    await walk.press("3")
    await walk.reaches("SecretsScreen")


@pytest.mark.parametrize("size", few([(80, 24), (60, 20), (120, 40)]))
async def test_names_are_listed_found_and_lead_to_their_rotation(pg: Database, size: tuple[int, int]) -> None:
    await set_up(pg, "billing", "orders")
    async with walking(size) as walk:
        await open_page(walk)
        await walk.sees(
            "Secrets  4", "billing_PASSWORD", "orders_USER", "prod /", MASK, "written by billing, next run in"
        )
        await walk.press("down")
        await walk.sees("billing_USER  default prod /", pg.role_name("billing1"))
        assert MASK not in walk.text, "a username is no secret"
        await walk.press("slash", *"ORDERS pass")
        await walk.sees("Secrets  1 of 4", "orders_PASSWORD")
        await walk.press("enter", "enter")
        await walk.reaches("RotationScreen")
        await walk.sees("Keyturn  orders")
        await walk.press("escape", "escape")
        await walk.sees("Secrets  4")
        await walk.press("slash", *"none such", "enter")
        await walk.sees("No secret holds none such.")
        await walk.press("escape", "escape")
        await walk.reaches("DashboardScreen")


async def test_a_value_is_shown_for_a_while_and_that_is_recorded(pg: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    secret = await value_of("billing_PASSWORD")
    async with walking() as walk:
        await open_page(walk)
        await walk.sees(MASK)
        for leave in ("space", "down", "4"):
            await walk.press("space")
            await walk.sees(secret, "masked again in")
            await walk.press(leave)
            await walk.sees_not(secret)
            await walk.press("3", "home")
            await walk.sees(MASK)
        monkeypatch.setattr(page, "REVEALED_FOR", timedelta(seconds=1))
        await walk.press("v")
        await walk.sees(secret)
        await walk.sees_not(secret)
        monkeypatch.setattr(page, "REVEALED_FOR", timedelta(seconds=30))
        await walk.press("v")
        await walk.sees(secret)
        async with open_here() as other:
            await other.rotations.rotate(rotation_id)
            await other.rotations.rotate(rotation_id)
        await walk.sees("version 3", MASK)
        assert secret not in walk.text
    assert await reveals(rotation_id) == ["tui billing_PASSWORD"] * 5


async def test_plain_secrets_are_there_too(pg: Database) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    secret = await value_of("billing_PASSWORD")
    async with open_here() as service:
        await service.rotations.delete(rotation_id)
    async with walking() as walk:
        await open_page(walk)
        await walk.sees("none", "a plain secret: no rotation writes it", MASK)
        await walk.press("enter")
        await until(lambda: any("No rotation writes" in toast.message for toast in walk.app._notifications), "a word")
        await walk.press("space")
        await walk.sees(secret)
        async with open_here() as other:
            await other.store.awrite(lambda tx: secrets.remove_named(tx, prod(tx), ["billing_PASSWORD"]))
            assert (await other.history.recent(1, matching="reveal-secret"))[0].subject == "prod /"
        await walk.sees("Secrets  1", "billing_USER")
        assert walk.screen.query_one(LineTable).cursor_key == "default prod / billing_USER"


def test_a_value_is_sent_to_the_clipboard_unseen(pg: Database) -> None:
    (rotation_id,) = asyncio.run(set_up(pg, "billing"))
    secret = asyncio.run(value_of("billing_PASSWORD"))
    with Tty() as tty:
        tty.sees("billing")
        tty.press("3")
        tty.sees("billing_PASSWORD", MASK)
        tty.press("y")
        tty.sees("Sent billing_PASSWORD", "terminal's clipboard.")
        assert f"\x1b]52;c;{base64.b64encode(secret.encode()).decode()}\a".encode() in tty.output
        assert secret.encode() not in tty.output
        tty.press("/", "\x16")
        tty.sees("words: name, environment, path or rotation")
        assert secret not in tty.text, "ctrl+v in a field does not show it"
    assert asyncio.run(reveals(rotation_id)) == ["tui billing_PASSWORD, sent to the terminal's clipboard"]
