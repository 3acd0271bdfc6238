"""The page of one rotation: two credentials, masked secrets, history, and what can be done."""

from __future__ import annotations

from datetime import timedelta

import pytest
from textual.events import Key

from app.errors import NotFound
from app.views import Place
from screens import rotation as page
from tests.conftest import Database
from tests.tui.ground import SIZES, Walk, open_here, row_of, set_up, until, walking
from tests.variants import few

pytestmark = pytest.mark.usefixtures("home")
MASK = "••••••••••••"


async def password_of(rotation: str) -> str:
    async with open_here() as service:
        return await service.secrets.value(Place("default", "prod", "/"), f"{rotation}_PASSWORD")


async def revealed_events(rotation_id: str) -> list[str]:
    async with open_here() as service:
        events = await service.history.recent(rotation=rotation_id)
    return [f"{event.actor.split(':')[0]} {event.message}" for event in events if event.action == "reveal-secret"]


async def open_page(walk: Walk) -> None:
    await walk.press("enter")
    await walk.reaches("RotationScreen")
    await walk.sees("Credentials")


@pytest.mark.parametrize("size", few(SIZES))
async def test_it_tells_both_credentials_the_schedule_and_the_history(pg: Database, size: tuple[int, int]) -> None:
    await set_up(pg, "billing")
    first, second = pg.role_name("billing1"), pg.role_name("billing2")
    async with walking(size) as walk:
        await open_page(walk)
        await walk.sees(f"● {first}  active", f"○ {second}  inactive", "replaced by the next run, in 30 d")
        await walk.sees("Rotates every 30 days at 02:00 UTC, next in 30 d", "through connection ops-admin")
        await walk.sees("Secrets  in default prod /", f"billing_PASSWORD  {MASK}", first, "version 1")
        await walk.press("end")
        await walk.sees("create by cli:anna", "issue", "verify", "publish", " ms")


async def test_a_revealed_value_is_recorded_and_masks_itself(pg: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    secret = await password_of("billing")
    monkeypatch.setattr(page, "REVEALED_FOR", timedelta(seconds=1))
    async with walking() as walk:
        await open_page(walk)
        assert secret not in walk.text
        assert await revealed_events(rotation_id) == []
        await walk.press("v")
        await walk.sees(secret, "masked again in")
        await walk.sees_not(secret)
        await walk.sees(MASK)
    assert await revealed_events(rotation_id) == ["tui billing_PASSWORD"]


async def test_the_same_key_masks_again(pg: Database) -> None:
    await set_up(pg, "billing")
    secret = await password_of("billing")
    async with walking() as walk:
        await open_page(walk)
        await walk.press("v")
        await walk.sees(secret)
        await walk.press("v")
        await walk.sees_not(secret)


async def test_a_value_is_masked_behind_another_screen_and_after_coming_back(pg: Database) -> None:
    await set_up(pg, "billing")
    secret = await password_of("billing")
    async with walking((120, 40)) as walk:
        await open_page(walk)
        await walk.press("v")
        await walk.sees(secret)
        await walk.press("question_mark")
        await walk.reaches("HelpScreen")
        await walk.sees_not(secret)
        await walk.press("escape")
        await walk.reaches("RotationScreen")
        await walk.sees(MASK)
        assert secret not in walk.text


async def test_a_value_that_was_replaced_is_masked(pg: Database) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    secret = await password_of("billing")
    async with walking() as walk:
        await open_page(walk)
        await walk.press("v")
        await walk.sees(secret)
        async with open_here("cli:ben") as other:
            await other.rotations.rotate(rotation_id)
        await walk.sees("version 2", MASK)
        assert secret not in walk.text


@pytest.mark.parametrize("size", few(SIZES))
async def test_the_guards_policy_is_shown_and_changed(pg: Database, size: tuple[int, int]) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    async with walking(size) as walk:
        await open_page(walk)
        await walk.sees("still in use, it warns and goes on. g changes it.")
        for keys, said, policy in [
            (["right"], "it waits up to 24 h, then warns and goes on.", "wait"),
            (["right", "right"], "without looking whether it is still in use.", "off"),
            (["right"], "it warns and goes on.", "warn"),
        ]:
            await walk.press("g")
            await walk.reaches("Question")
            await walk.sees("keyturn rotations edit billing --file -")
            await walk.press(*keys, "enter")
            await walk.reaches("RotationScreen")
            await walk.sees(f"{said} g changes it.")
            async with open_here() as service:
                guard = (await service.rotations.document(rotation_id)).guard
            assert (guard.policy, guard.wait_hours) == (policy, 24)
        await walk.press("g", "escape")
        await walk.reaches("RotationScreen")
    async with open_here() as service:
        changes = [e for e in await service.history.recent(rotation=rotation_id) if e.message == "changed: guard"]
    assert len(changes) == 3, "leaving the question changes nothing"


async def test_check_logs_in_with_both(pg: Database) -> None:
    await set_up(pg, "billing")
    async with walking((120, 40)) as walk:
        await open_page(walk)
        await walk.press("c")
        await until(lambda: walk.text.count("✓ logs in") == 2, "both checks")
        pg.execute(f"ALTER ROLE \"{pg.role_name('billing2')}\" PASSWORD 'drifted'")
        await walk.press("c")
        await walk.sees("✗ does not log in", "✓ logs in", "h Heal")
        await walk.press("h")
        await walk.reaches("Question")
        await walk.sees("Set the passwords back?", f"{pg.role_name('billing2')} cannot log in")
        await walk.press("enter")
        await until(lambda: walk.text.count("✓ logs in") == 2, lambda: f"both to be mended in\n{walk.text}")
        await walk.sees_not("h Heal")


async def test_rotating_here_updates_the_page(pg: Database) -> None:
    await set_up(pg, "billing")
    async with walking((120, 40)) as walk:
        await open_page(walk)
        await walk.press("r")
        await walk.reaches("Question")
        await walk.press("enter")
        await walk.sees("Done: the new credential logs in")
        await walk.press("enter")
        await walk.reaches("RotationScreen")
        await walk.sees(f"● {pg.role_name('billing2')}  active", "manual by tui:", "version 2")


async def test_a_failed_run_says_what_to_do(pg: Database) -> None:
    await set_up(pg, "billing")
    second = pg.role_name("billing2")
    pg.execute(f'ALTER ROLE "{second}" NOLOGIN')
    async with walking() as walk:
        await open_page(walk)
        await walk.press("r")
        await walk.reaches("Question")
        await walk.press("enter")
        await walk.sees("✗", "may not log in", "LOGIN", "The published credential still works")
        await walk.press("escape")
        await walk.reaches("RotationScreen")
        await walk.sees("✗ failing", "Failed at the last run", "stays published and was not touched", "Next try in")


async def test_deleting_asks_for_the_name_and_says_what_stays(pg: Database) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    first = pg.role_name("billing1")
    secret = await password_of("billing")
    async with walking() as walk:
        await open_page(walk)
        await walk.press("d")
        await walk.reaches("DeleteDialog")
        await walk.sees("keep working with the credentials they have", "stay, as plain secrets", "Delete", "Keep it")
        await walk.press(*"bill", "enter")
        await walk.sees("type exactly: billing")
        await walk.press(*"ing", "enter")
        await walk.sees("Deleted.")
        await walk.press("escape")
        await walk.reaches("DashboardScreen")
        await walk.sees("No rotations yet.")
    async with open_here() as service:
        with pytest.raises(NotFound):
            await service.rotations.detail(rotation_id)
        kept = await service.secrets.value(Place("default", "prod", "/"), "billing_PASSWORD")
    assert kept == secret
    assert pg.login(first, secret)


async def test_two_hasty_keys_ask_one_question(pg: Database) -> None:
    """A key that is held over a slow line; the second window would stand there once the first one is answered."""
    await set_up(pg, "billing")
    async with walking() as walk:
        await open_page(walk)
        page = walk.screen

        def asking() -> int:
            return sum(worker.node is page and worker.is_running for worker in walk.app.workers)

        for keys in ("dd", "rd", "mr", "gg"):
            for key in keys:
                walk.app.post_message(Key(key, key))  # both are there before the first is answered
            await until(lambda: asking() == 1 or len(walk.app.screen_stack) > 3, "one key to be left")
            assert walk.app.screen_stack[1] is page
            assert len(walk.app.screen_stack) == 3, f"{keys}: {walk.app.screen_stack}"
            await walk.press("escape")
            await walk.reaches("RotationScreen")


async def test_both_switches_of_the_deletion_by_keyboard(pg: Database) -> None:
    await set_up(pg, "billing")
    first = pg.role_name("billing1")
    secret = await password_of("billing")
    async with walking() as walk:
        await open_page(walk)
        await walk.press("d")
        await walk.reaches("DeleteDialog")
        await walk.press("up", "space")
        await walk.sees("are removed, with all their versions")
        await walk.press("up", "space")
        await walk.sees("can no longer log in")
        await walk.press("down", "down", *"billing", "enter")
        await walk.sees("Deleted.")
    async with open_here() as service:
        assert await service.secrets.values(Place("default", "prod", "/")) == {}
    assert not pg.login(first, secret)


async def test_keeping_it_changes_nothing(pg: Database) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    before = await row_of(rotation_id)
    async with walking() as walk:
        await open_page(walk)
        await walk.press("d")
        await walk.reaches("DeleteDialog")
        await walk.press(*"billing", "escape")
        await walk.reaches("RotationScreen")
    assert await row_of(rotation_id) == before


async def test_a_rotation_that_another_process_deletes_leaves_the_page(pg: Database) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    async with walking() as walk:
        await open_page(walk)
        async with open_here("cli:ben") as other:
            await other.rotations.delete(rotation_id)
        await walk.reaches("DashboardScreen")


async def test_one_that_is_busy_elsewhere_says_so(pg: Database) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    async with walking() as walk:
        await open_page(walk)
        async with open_here("cli:ben") as other:
            lease = await other.context.engine.claim(rotation_id)
            await walk.press("p")
            await walk.reaches("Question")
            await walk.sees("billing is unchanged")
            await walk.press("enter")
            await walk.reaches("RotationScreen")
            assert lease.rotation_id == rotation_id
