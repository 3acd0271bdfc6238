"""Moving a rotation from its page."""

from __future__ import annotations

import pytest

from app.views import Place
from tests.conftest import Database
from tests.tui.ground import SIZES, Walk, connect, open_here, rotate_users, row_of, walking
from tests.variants import few

pytestmark = pytest.mark.usefixtures("home")


async def open_dialog(walk: Walk) -> None:
    await walk.press("enter")
    await walk.reaches("RotationScreen")
    await walk.sees("Credentials")
    await walk.press("m")
    await walk.reaches("MoveDialog")


async def set_up(pg: Database) -> str:
    """Two rotations of the same mapping's names, in two folders."""
    async with open_here() as service:
        connection = await connect(service, pg)
        rotation_id = await rotate_users(service, pg, connection, "billing")
        other = await rotate_users(service, pg, connection, "other", path="/taken")
        mapping = {"username": "billing_USER", "password": "billing_PASSWORD"}
        await service.edits.edit(other, {"secretsMapping": mapping})
    return rotation_id


@pytest.mark.parametrize("size", few(SIZES))
async def test_it_tells_what_becomes_of_the_secrets_and_what_is_in_the_way(pg: Database, size: tuple[int, int]) -> None:
    rotation_id = await set_up(pg)
    async with open_here() as service:
        values = await service.secrets.values(Place("default", "prod", "/"))
    async with walking(size) as walk:
        await open_dialog(walk)
        await walk.sees("are in default prod /. Choose where they shall be.")
        await walk.press("down", "end", *"taken")
        await walk.sees("move from default prod / to default prod /taken, with all their versions")
        await walk.sees("taken there: billing_PASSWORD, billing_USER")
        await walk.press("enter")
        await walk.sees("taken there: billing_PASSWORD, billing_USER", "Move billing")
        await walk.press("end", *"-not")
        await walk.sees_not("taken there:")
        await walk.press("enter")
        await walk.reaches("RotationScreen")
        await walk.sees("Secrets  in default prod /taken-not")
    assert (await row_of(rotation_id)).path == "/taken-not"
    async with open_here() as service:
        assert await service.secrets.values(Place("default", "prod", "/taken-not")) == values


async def test_another_environment_is_chosen_and_leaving_changes_nothing(pg: Database) -> None:
    rotation_id = await set_up(pg)
    async with walking() as walk:
        await open_dialog(walk)
        await walk.press("escape")
        await walk.reaches("RotationScreen")
        assert (await row_of(rotation_id)).environment == "prod"
        await walk.press("m")
        await walk.reaches("MoveDialog")
        await walk.press("enter", "home", "enter")
        await walk.sees("move from default prod / to default dev /")
        await walk.press("down", "down", "down", "enter")
        await walk.reaches("RotationScreen")
        await walk.sees("Secrets  in default dev /")
    assert (await row_of(rotation_id)).environment == "dev"
