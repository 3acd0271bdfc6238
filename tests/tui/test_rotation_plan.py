"""From the rotation's page: what the next rotation would do, and the emergency."""

from __future__ import annotations

import contextlib

import psycopg
import pytest
from psycopg import sql

from app.errors import RotationFailed
from app.views import Place
from tests.conftest import Database
from tests.tui.ground import SIZES, Walk, open_here, row_of, set_up, walking
from tests.variants import few

pytestmark = pytest.mark.usefixtures("home")
PLACE = Place("default", "prod", "/")


async def open_page(walk: Walk) -> None:
    await walk.press("enter")
    await walk.reaches("RotationScreen")
    await walk.sees("Credentials")


async def passwords(rotation_id: str) -> list[str]:
    async with open_here() as service:
        found = await service.rotations.credentials(rotation_id)
    return [each["password"] for each in found.generated_credentials]


@pytest.mark.parametrize("size", few(SIZES))
async def test_the_plan_is_read_and_left(pg: Database, size: tuple[int, int]) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    before = await row_of(rotation_id)
    second = pg.role_name("billing2")
    async with walking(size) as walk:
        await open_page(walk)
        await walk.press("l")
        await walk.reaches("ReadingScreen")
        await walk.sees("It can run: everything it needs is there.", "Step by step", f'ALTER ROLE "{second}" PASSWORD')
        await walk.press("end")
        await walk.sees("Store writable", "Nothing was changed by looking.")
        pg.execute(f'ALTER ROLE "{second}" NOLOGIN')
        await walk.press("home", "r")
        await walk.sees("It cannot run: one thing is missing")
        await walk.press("end")
        await walk.sees(f'ALTER ROLE "{second}" LOGIN;')
        await walk.press("escape")
        await walk.reaches("RotationScreen")
    assert await row_of(rotation_id) == before


async def test_an_emergency_that_is_not_finished_is_told_and_goes_on(pg: Database) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    first = pg.role_name("billing1")
    former = await passwords(rotation_id)
    pg.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(first)))
    async with open_here() as service:
        with pytest.raises(RotationFailed):
            await service.emergencies.renew(rotation_id)
    async with walking((120, 40)) as walk:
        await open_page(walk)
        await walk.sees("Emergency since", "not finished yet", "may not log in")
        pg.execute(sql.SQL("ALTER ROLE {} LOGIN").format(sql.Identifier(first)))
        await walk.press("X")
        await walk.reaches("EmergencyDialog")
        await walk.press(*"billing", "enter")
        await walk.sees("Done: both credentials are new.")
        await walk.press("enter")
        await walk.reaches("ReadingScreen")
        await walk.press("escape")
        await walk.reaches("RotationScreen")
        await walk.sees_not("Emergency since")
    assert not set(former) & set(await passwords(rotation_id))


@pytest.mark.parametrize("size", few(SIZES))
async def test_an_emergency_asks_for_the_name_acts_and_reports(pg: Database, size: tuple[int, int]) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    first, second = pg.role_name("billing1"), pg.role_name("billing2")
    former = await passwords(rotation_id)
    with contextlib.ExitStack() as stack:
        live = stack.enter_context(pg.connect(first, former[0]))
        live.execute("SET application_name = 'billing-api'")
        async with walking(size) as walk:
            await open_page(walk)
            await walk.press("X")
            await walk.reaches("EmergencyDialog")
            await walk.sees(
                "Programs that do not read the secrets anew are cut off", "Type its name to confirm", "Leave it"
            )
            await walk.press(*"bill", "enter")
            await walk.sees("type exactly: billing")
            assert await passwords(rotation_id) == former
            await walk.press("escape")
            await walk.reaches("RotationScreen")
            await walk.press("X")
            await walk.reaches("EmergencyDialog")
            await walk.press(*"billing", "enter")
            await walk.sees("Done: both credentials are new.", first, second)
            await walk.press("enter")
            await walk.reaches("ReadingScreen")
            await walk.sees(
                "Both credentials are new, in", "What is dead, and since when", "ended billing-api from 127"
            )
            await walk.press("end")
            await walk.sees("Step by step", "sessions")
            assert not any(password in walk.text for password in former)
            await walk.press("escape")
            await walk.reaches("RotationScreen")
            await walk.sees(f"● {second}  active")
        with pytest.raises(psycopg.OperationalError):
            live.execute("SELECT 1")
    after = await passwords(rotation_id)
    assert not set(former) & set(after)
    assert pg.login(first, after[0])
    assert pg.login(second, after[1])
