"""Editing a rotation: the wizard's steps filled in, and a review of what changes."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg import sql

from app.views import Place
from tests.conftest import Database
from tests.tui.ground import SIZES, Walk, open_here, row_of, set_up, until, walking
from tests.tui.wizardry import complains, down_to, field, fill, press
from tests.variants import few

pytestmark = pytest.mark.usefixtures("home")


async def document(rotation_id: str) -> dict[str, Any]:
    async with open_here() as service:
        return (await service.rotations.document(rotation_id)).model_dump(mode="json", by_alias=True)


async def edit(walk: Walk) -> None:
    await walk.press("enter")
    await walk.reaches("RotationScreen")
    await walk.sees("Credentials")
    await walk.press("e")
    await walk.reaches("EditScreen")
    await walk.sees("● 1 Connection", "the connection stays")
    await until(lambda: walk.focused() is not None, "something to have the focus")


async def review(walk: Walk) -> None:
    await press(walk, "ctrl+r")
    await walk.sees("● 5 Review")
    await until(lambda: walk.focused() is not None, "something to have the focus")


@pytest.mark.parametrize("size", few(SIZES))
async def test_what_differs_is_shown_and_applied_and_nothing_else(pg: Database, size: tuple[int, int]) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    before = await document(rotation_id)
    async with walking(size) as walk:
        await edit(walk)
        await review(walk)
        await walk.sees("1 Connection", "unchanged", "Nothing is changed yet.")
        await press(walk, "1")
        await walk.sees("● 1 Connection")
        await fill(walk, "Rotation interval", "7")
        await press(walk, "ctrl+n")
        await walk.sees("● 5 Review", "every 30 days → every 7 days")
        await press(walk, "4")
        await walk.sees("● 4 Details")
        await down_to(walk, "Description")
        await fill(walk, "Description", "of the shop")
        await press(walk, "ctrl+n")
        await walk.sees("● 5 Review", "none → of the shop")
        await press(walk, "end")
        await walk.sees("keyturn rotations edit billing --file -", '"rotationInterval": 7')
        await press(walk, "ctrl+n")
        await walk.reaches("RotationScreen")
        await walk.sees("Rotates every 7 days at 02:00 UTC", "of the shop")
    after = await document(rotation_id)
    changed = {key for key in after if after[key] != before[key]}
    assert changed == {"rotationInterval", "description", "nextRotationAt", "updatedAt"}


async def test_other_users_are_rotated_after_the_review_told_what_that_means(pg: Database) -> None:
    await set_up(pg, "billing")
    first, second, third = pg.role_name("billing1"), pg.role_name("billing2"), pg.create_role("third", "temporary")
    async with walking((120, 40)) as walk:
        await edit(walk)
        await press(walk, "ctrl+n")
        await walk.sees("● 2 Parameters")
        await down_to(walk, "First username")
        await fill(walk, "First username", second)
        await press(walk, "ctrl+n")
        await complains(walk, "Second username", "must differ")
        await down_to_first(walk)
        await fill(walk, "First username", third)
        await review(walk)
        await walk.sees(f"{first} → {third}", f"{third} gets a new credential at once", f"{third} becomes active")
        await walk.sees(f"{first} keeps working for as long as promised")
        await press(walk, "ctrl+n")
        await walk.sees("Done: everything is changed.", third)
        await press(walk, "enter")
        await walk.reaches("RotationScreen")
        await walk.sees(f"● {third} ", "edit by tui:", f"{first}  done      create by cli:anna")
    async with open_here() as service:
        values = await service.secrets.values(Place("default", "prod", "/"))
    assert pg.login(values["billing_USER"], values["billing_PASSWORD"])


@pytest.mark.soak
async def test_what_is_left_running_is_told_when_it_ends_and_not_before(pg: Database) -> None:
    await set_up(pg, "billing")
    second, third = pg.role_name("billing2"), pg.create_role("third", "temporary")
    async with walking() as walk:
        with pg.connect() as other, other.transaction(force_rollback=True):  # who has not made up their mind
            other.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT 5").format(sql.Identifier(third)))
            await edit(walk)
            await press(walk, "ctrl+n")
            await walk.sees("● 2 Parameters")
            await down_to(walk, "First username")
            await fill(walk, "First username", third)
            await review(walk)
            await press(walk, "ctrl+n")
            await walk.sees("issue", "running")
            await press(walk, "escape")
            await walk.reaches("RotationScreen")
            assert not told(walk), "it goes on"
        await until(lambda: told(walk) == ["billing: Done: everything is changed."], "a word at the end")

        pg.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(second)))
        with pg.connect() as other, other.transaction(force_rollback=True):
            other.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT 5").format(sql.Identifier(second)))
            await walk.press("r")
            await walk.reaches("Question")
            await walk.press("enter")
            await walk.sees("issue", "running")
            await walk.press("escape")
            await walk.reaches("RotationScreen")
        await until(lambda: "may not log in" in "".join(told(walk)), "another word")
        assert "still works" in told(walk)[-1]


def told(walk: Walk) -> list[str]:
    return [toast.message for toast in walk.app._notifications]


async def down_to_first(walk: Walk) -> None:
    for _ in range(3):
        await press(walk, "up")
    await down_to(walk, "First username")


async def test_leaving_asks_keeps_a_draft_and_changes_nothing(pg: Database) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    before = await row_of(rotation_id)
    async with walking() as walk:
        await edit(walk)
        await press(walk, "escape")
        await walk.reaches("RotationScreen")
        await edit_again(walk)
        await fill(walk, "Rotation interval", "9")
        await press(walk, "escape")
        await walk.reaches("Question")
        await walk.sees("Leave without applying?", "kept as a draft")
        await press(walk, "escape")
        await walk.reaches("EditScreen")
        await press(walk, "escape")
        await walk.reaches("Question")
        await press(walk, "enter")
        await walk.reaches("RotationScreen")

        async with open_here() as other:
            await other.edits.edit(rotation_id, {"description": "of the shop"})
        await walk.sees("of the shop")
        await press(walk, "e")
        await walk.reaches("Question")
        await walk.sees("You were changing billing", "put on top of how billing is now")
        await press(walk, "escape")
        await walk.reaches("RotationScreen")
        await press(walk, "e")
        await walk.reaches("Question")
        await press(walk, "enter")
        await walk.reaches("EditScreen")
        await field(walk, "Rotation interval")
        await review(walk)
        await walk.sees("every 30 days → every 9 days", "4 Details")
        assert "of the shop" not in walk.text, "it is no change"

        await press(walk, "1")
        await fill(walk, "Rotation interval", "30")
        await press(walk, "ctrl+n")
        await walk.sees("Nothing is changed yet.")
        await press(walk, "escape", "escape")
        while type(walk.screen).__name__ == "EditScreen":
            await press(walk, "escape")
        await walk.reaches("RotationScreen")
        await edit_again(walk)
        await fill(walk, "Rotation interval", "9")
        await press(walk, "escape")
        await walk.reaches("Question")
        await press(walk, "right", "right", "enter")
        await walk.reaches("RotationScreen")
        await edit_again(walk)
    assert (await row_of(rotation_id)).next_at == before.next_at
    async with open_here() as service:
        assert await service.drafts.load(f"edit:{rotation_id}") is None


async def edit_again(walk: Walk) -> None:
    """There is no draft that would be asked about first."""
    await press(walk, "e")
    await walk.reaches("EditScreen")
    await field(walk, "Rotation interval")


async def test_a_renamed_secret_is_told_to_those_who_read_it(pg: Database) -> None:
    await set_up(pg, "billing", "other")
    async with walking((120, 40)) as walk:
        await edit(walk)
        await press(walk, "ctrl+n")
        await walk.sees("● 2 Parameters")
        await press(walk, "ctrl+n")
        await walk.sees("● 3 Mapping", "the place changes by a move")
        await down_to(walk, "Password")
        await fill(walk, "Password", "other_PASSWORD")
        await press(walk, "ctrl+n")
        await complains(walk, "Password", "exists already in this folder")
        await fill(walk, "Password", "DB_PASSWORD")
        await review(walk)
        await walk.sees("The secret billing_PASSWORD is renamed to DB_PASSWORD")
        await press(walk, "ctrl+n")
        await walk.reaches("RotationScreen")
        await walk.sees("DB_PASSWORD")
