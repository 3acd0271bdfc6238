"""The line drops, or the terminal's window is closed, while something is under way: nothing stays half done."""

from __future__ import annotations

import signal
import tomllib
from pathlib import Path

import pytest
from psycopg import sql

from app.preferences import load
from app.views import Place
from tests.conftest import Database
from tests.tui.ground import open_here, row_of, set_up, settings_here, until, walking
from tests.tui.terminal import Tty
from tests.tui.wizardry import field, press

pytestmark = pytest.mark.usefixtures("home")

CTRL_N = "\x0e"
WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
ENDS = pytest.mark.parametrize("end", ["line", pytest.param("signal", marks=pytest.mark.soak)])


def drop(tty: Tty, end: str) -> None:
    """The other side of the terminal is gone, or a SIGHUP says so."""
    if end == "line":
        tty.hang_up()
    else:
        tty.signal(signal.SIGHUP)
    assert tty.ends() == 128 + signal.SIGHUP


@ENDS
async def test_an_emergency_is_brought_to_its_end_by_the_next_start(pg: Database, end: str) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    users = [pg.role_name(f"billing{number}") for number in (1, 2)]
    async with open_here() as service:
        before = (await service.rotations.credentials(rotation_id)).generated_credentials
    with pg.connect() as other, other.transaction(force_rollback=True):  # the second step of it waits for this
        other.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT 5").format(sql.Identifier(users[0])))
        with Tty() as tty:
            tty.sees("✓ healthy")
            tty.press("enter")
            tty.sees("Credentials")
            tty.press("X")
            tty.sees("Type its name to confirm")
            tty.press("billing", "enter")
            tty.sees("Renewing both of")
            await until(lambda: pg.execute(WAITING, pg.database), "the second step to wait")
            drop(tty, end)
        async with open_here() as service:
            detail = await service.rotations.detail(rotation_id)
            assert detail.emergency_since is not None
            assert [attempt.state for attempt in detail.attempts].count("open") == 1
            active = (await service.rotations.credentials(rotation_id)).generated_credentials
            published = await service.secrets.values(Place("default", "prod", "/"))
        assert pg.login(published["billing_USER"], published["billing_PASSWORD"]), "what is published works meanwhile"
        assert {each["password"] for each in before} & {each["password"] for each in active}, "one is still to come"
    async with walking() as walk:
        await walk.press("enter")
        await walk.reaches("RotationScreen")
        await walk.sees("Credentials")
        await walk.sees_not("Emergency since")
    async with open_here() as service:
        report = await service.emergencies.report(rotation_id)
        after = (await service.rotations.credentials(rotation_id)).generated_credentials
    assert report.finished
    assert not report.trouble
    assert not {each["password"] for each in before} & {each["password"] for each in after}
    assert all(pg.login(each["username"], each["password"]) for each in after)
    assert not any(pg.login(each["username"], each["password"]) for each in before)


@ENDS
async def test_a_half_made_edit_is_offered_again_and_nothing_is_changed(pg: Database, end: str) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    before = await row_of(rotation_id)
    with Tty() as tty:
        tty.sees("✓ healthy")
        tty.press("enter")
        tty.sees("Credentials")
        tty.press("e")
        tty.sees("● 1 Connection", "A credential lives for two")
        tty.press("\x05\x159", CTRL_N)
        tty.sees("● 2 Parameters")
        tty.press("\x05\x15half-a-na")
        tty.sees("half-a-na")
        drop(tty, end)
    assert await row_of(rotation_id) == before
    async with walking() as walk:
        await walk.press("enter")
        await walk.reaches("RotationScreen")
        await walk.sees("Credentials")
        await walk.press("e")
        await walk.reaches("Question")
        await walk.sees("You were changing billing")
        await press(walk, "enter")
        await walk.sees("● 2 Parameters", "half-a-na")
        await press(walk, "escape")
        await field(walk, "Rotation interval")
        await walk.sees("9")


@pytest.mark.soak
@ENDS
def test_settings_that_are_being_changed_are_the_old_ones_or_the_new_ones(home: Path, end: str) -> None:
    file = settings_here().file.path
    file.parent.mkdir(parents=True)
    file.write_text('# mine\nconcurrency = 3\n\n[ui]\ntimes = "exact"\n')
    with Tty() as tty:
        tty.sees("No rotations yet.")
        tty.press(",")
        tty.sees("as the terminal is")
        tty.press("\r")
        tty.sees("Keyturn light")
        tty.press("\x1b[B\r")
        tty.sees("✓ kept")
        tty.press("\r\x1b[B\r" * 3, "\x1b[B\r\x1b[A\r" * 2)  # choose, and choose, and wait for nothing
        drop(tty, end)
    text = file.read_text()
    assert text.startswith("# mine\nconcurrency = 3\n\n[ui]\n")
    assert set(tomllib.loads(text)) == {"concurrency", "ui"}
    assert "theme" in tomllib.loads(text)["ui"]
    _, complaints = load(settings_here().file)
    assert not complaints
    assert not list(file.parent.glob(f".{file.name}.*")), "no half of it lies about"
