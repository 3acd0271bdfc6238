"""The dashboard shows what the store says, and its keys do what they say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.tui import KeyturnApp
from screens import look
from screens.widgets.line_table import LineTable
from store import rotations
from tests.conftest import Database
from tests.tui.ground import SIZES, open_here, row_of, set_up, settings_here, until, walking

pytestmark = pytest.mark.usefixtures("home")


@pytest.mark.parametrize("size", SIZES)
async def test_an_empty_store_says_what_to_press(size: tuple[int, int]) -> None:
    async with walking(size) as walk:
        await walk.sees("No rotations yet.", "Press  n  to set up the first one", "n New", "c Connections")


@pytest.mark.parametrize("size", SIZES)
async def test_each_rotation_is_told_by_word_and_glyph(pg: Database, size: tuple[int, int]) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    row = await row_of(rotation_id)
    assert row.next_at is not None
    async with walking(size) as walk:
        await walk.sees("✓ healthy", "billing", "prod /", row.active_identity[:10], "in 30 d")
        await walk.sees("PostgreSQL credentials", "through ops-admin", look.exact(row.next_at, with_zone=False))
        await walk.sees("1 rotation", "r Rotate", "p Pause", "d Delete", "q Quit")


async def test_what_another_process_does_shows_up_by_itself(pg: Database) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    async with walking((120, 40)) as walk:
        before = (await row_of(rotation_id)).active_identity
        await walk.sees(f"● {before}")
        async with open_here("cli:ben") as other:
            await other.rotations.rotate(rotation_id)
        after = (await row_of(rotation_id)).active_identity
        assert after != before
        await walk.sees(f"● {after}")


async def test_a_failing_rotation_says_what_happened_what_works_and_what_comes_next(pg: Database) -> None:
    billing, orders = await set_up(pg, "billing", "orders")
    second = pg.role_name("orders2")
    pg.execute(f'ALTER ROLE "{second}" NOLOGIN')
    async with open_here() as service:
        with pytest.raises(Exception, match="may not log in"):
            await service.rotations.rotate(orders)
    async with walking() as walk:
        await walk.sees("✗ failing", "2 rotations", "✗ 1 failing")
        lines = [line for line in walk.text.splitlines() if "✗ failing" in line or "✓ healthy" in line]
        assert "✗ failing" in lines[0], "those that need somebody come first"
        await walk.sees("✗ failed", f"{pg.role_name('orders1')} stays published", "Next run in", "may not log in")
        assert walk.screen.query_one(LineTable).cursor_key in (billing, orders)


async def test_rotate_now_asks_shows_the_steps_and_publishes(pg: Database) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    second = pg.role_name("billing2")
    async with walking() as walk:
        await walk.press("r")
        await walk.reaches("Question")
        await walk.sees("Rotate billing now?", f"{second} gets a new credential", "Rotate now", "Cancel")
        await walk.press("enter")
        await walk.reaches("ProgressScreen")
        await walk.sees("plan", "issue", "verify", "publish", "Done: the new credential logs in and is published.")
        assert walk.text.count("✓") >= 5
        await walk.press("escape")
        await walk.reaches("DashboardScreen")
        await walk.sees(f"● {second}")
    async with open_here() as service:
        credentials = await service.rotations.credentials(rotation_id)
    assert credentials.active_index == 1
    active = credentials.generated_credentials[1]
    assert pg.login(active["username"], active["password"])


async def test_escape_rotates_nothing(pg: Database) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    before = await row_of(rotation_id)
    async with walking() as walk:
        await walk.press("r")
        await walk.reaches("Question")
        await walk.press("escape")
        await walk.reaches("DashboardScreen")
    assert await row_of(rotation_id) == before


async def test_pause_and_resume_are_one_key(pg: Database) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    async with walking() as walk:
        await walk.press("p")
        await walk.sees("‖ paused", "billing is paused", "p Resume")
        assert (await row_of(rotation_id)).next_at is None
        await walk.press("p")
        await walk.sees("✓ healthy", "p Pause")
        assert (await row_of(rotation_id)).next_at is not None


async def test_the_background_loop_rotates_what_is_due(pg: Database) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    async with walking() as walk:
        await walk.sees("billing")
        past = datetime.now(UTC) - timedelta(minutes=1)
        async with open_here() as other:
            await other.store.awrite(
                lambda tx: rotations.update_fields(tx, rotation_id, next_rotation_at=past, due_at=past)
            )
        await walk.sees(f"● {pg.role_name('billing2')}")
        await walk.press("enter")
        await walk.reaches("RotationScreen")
        await walk.sees("schedule")


async def test_the_palette_offers_verbs_and_rotations_but_no_screenshot(pg: Database) -> None:
    await set_up(pg, "billing", "orders")
    async with walking((80, 40)) as walk:
        await walk.press("ctrl+p")
        await walk.sees("Open billing (prod /)", "Open orders (prod /)", "Set up a new rotation", "Quit")
        await walk.press(*"screenshot")
        await walk.sees("No matches found")
        await walk.press(*["backspace"] * 10, *"orders")
        await walk.sees_not("Open billing")
        await walk.sees("Open orders (prod /)")
        await walk.press("enter")
        await walk.reaches("RotationScreen")
        await walk.sees("orders")


@pytest.mark.parametrize("key", ["question_mark", "f1"])
async def test_help_lists_the_keys_of_the_screen(key: str) -> None:
    async with walking() as walk:
        await walk.press(key)
        await walk.reaches("HelpScreen")
        await walk.sees("Keys", "Set up a new rotation", "Admin access to the targets", "ctrl+p")
        await walk.press("escape")
        await walk.reaches("DashboardScreen")


async def test_a_status_line_of_the_caller_is_shown_and_renewed() -> None:
    asked: list[int] = []

    def line() -> str:
        asked.append(1)
        return f"logins ok {len(asked)} [failed] 0"

    async with walking(app=KeyturnApp(settings_here(), status_line=line, first_start_notice=False)) as walk:
        await walk.sees("[failed] 0")
        await until(lambda: len(asked) > 2, "the line to be renewed")
        await walk.sees("logins ok 3 [failed] 0")


async def test_quitting_returns_zero() -> None:
    async with walking() as walk:
        await walk.press("q")
        await until(lambda: not walk.app.is_running, "the end")
        assert walk.app.return_code == 0


async def test_ctrl_c_says_how_to_quit() -> None:
    async with walking() as walk:
        await walk.press("ctrl+c")
        await walk.sees("Press ctrl+q to quit.")
        assert walk.app.is_running


async def test_wizard_and_connections_are_one_key_away() -> None:
    async with walking() as walk:
        await walk.press("n")
        await walk.reaches("WizardScreen")
        await walk.press("escape")
        await walk.reaches("DashboardScreen")
        await walk.press("c")
        await walk.reaches("ConnectionsScreen")
        await walk.press("escape")
        await walk.reaches("DashboardScreen")
        await walk.sees("No rotations yet.")
