"""Finding one rotation among many: filter, order, groups and nights, while other processes change them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from textual import events
from textual.widgets import Input

from app.service import Service
from app.tui import KeyturnApp
from screens.widgets.line_table import LineTable
from store import connections, projects, rotations
from store.database import Tx
from store.tables import Credential, Rotation
from tests.tui.ground import Walk, open_here, settings_here, until, walking

pytestmark = pytest.mark.usefixtures("home")

NAMES = ["billing", "ledger", "mail", "orders", "search"]


def watching() -> KeyturnApp:
    """Rotates nothing: the rotations of this test have no target."""
    return KeyturnApp(settings_here(), background_loop=False, first_start_notice=False)


def put_rotations(tx: Tx, names: list[str]) -> None:
    """Alternating between dev and prod; the first ones were rotated first and run first."""
    now = datetime.now(UTC)
    project = projects.list_projects(tx)[0]
    environments = {e.slug: e for e in projects.list_environments(tx, project.id)}
    folders = [projects.ensure_folder(tx, environments[s].id, "/", s.upper) for s in ("dev", "prod")]
    connections.add(
        tx,
        id="c",
        name="ops-admin",
        app="postgres",
        method="username-and-password",
        description=None,
        settings={"host": "127.0.0.1", "port": 1, "database": "app", "username": "admin"},
        secrets={"password": "unused"},
        now=now,
    )
    for number, name in enumerate(names):
        rotated = now - timedelta(days=20 - number)
        run = rotated + timedelta(days=30)
        rotations.add(
            tx,
            Rotation(
                id=name,
                folder_id=folders[number % 2].id,
                connection_id="c",
                type="postgres-credentials",
                name=name,
                parameters={"username1": f"{name}_a", "username2": f"{name}_b"},
                rotation_interval=30,
                rotation_status="success",
                last_rotated_at=rotated,
                next_rotation_at=run,
                due_at=run,
                checked_at=now,
                created_at=rotated,
                updated_at=rotated,
            ),
        )
        for slot in (0, 1):
            put_credential(tx, name, slot, rotated - timedelta(days=30 * slot))


def put_credential(tx: Tx, name: str, slot: int, issued_at: datetime) -> None:
    tx.session.add(
        Credential(
            id=f"{name}{slot}",
            rotation_id=name,
            slot=slot,
            sealed_values=tx.seal("{}", "credential", f"{name}{slot}", "sealed_values"),
            issued_at=issued_at,
            attempt_id="a",
        )
    )


async def furnish(names: list[str] | None = None) -> None:
    async with open_here() as service:
        await service.store.awrite(lambda tx: put_rotations(tx, names or NAMES))


async def change(service: Service, rotation_id: str, /, **columns: object) -> None:
    await service.store.awrite(lambda tx: rotations.update_fields(tx, rotation_id, **columns))


def order(walk: Walk) -> list[str]:
    """The names and headings in the table, from above."""
    words = [line.split() for line in walk.text.splitlines()[2:]]
    return [next((w for w in line if w in NAMES or w.endswith(":")), "") for line in words if line][: len(NAMES) + 2]


def cursor(walk: Walk) -> str | None:
    return walk.screen.query_one(LineTable).cursor_key


@pytest.mark.parametrize("apart", [False, True], ids=["at once", "in a thread"])
async def test_typing_narrows_the_list_and_escape_brings_it_back(apart: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if apart:
        monkeypatch.setattr("screens.dashboard.preparing.AT_ONCE", 0)
    await furnish()
    async with walking(app=watching()) as walk:
        await walk.sees("5 rotations", "search")
        assert not walk.screen.query(Input), "what nobody asked for costs nothing"
        await walk.press("slash", *"prod led")
        await walk.sees("1 of 5: prod led, esc clears", "ledger_a")
        await walk.sees_not("orders")
        await until(lambda: cursor(walk) == "ledger", "the cursor on what was found")
        await walk.press(*"x")
        await walk.sees("No rotation matches prod ledx", "Press escape to show all of them again.", "0 of 5")
        await walk.press("backspace", "enter")
        await walk.sees("1 of 5")
        assert isinstance(walk.focused(), LineTable)
        async with open_here() as other:
            await change(other, "orders", name="ledger-prod-2")
        await walk.sees("2 of 5", "ledger-prod-2")
        assert cursor(walk) == "ledger"
        await walk.press("escape")
        await walk.sees_not("2 of 5", "prod led")
        await walk.sees("billing", "search")
        assert cursor(walk) == "ledger", "it stays on what was found"
        await walk.press("slash", *"nowhere", "enter")
        await walk.sees("No rotation matches nowhere")
        await walk.press("escape")
        await walk.sees("5 rotations", "search")
        await walk.press("down", "enter")
        await walk.reaches("RotationScreen")


async def test_a_burst_that_begins_with_a_slash_is_typed_and_obeyed_by_nothing_else() -> None:
    await furnish()
    async with walking(app=watching()) as walk:
        await walk.sees("search")
        for key, character in [("slash", "/"), *((letter, letter) for letter in "ordp")]:
            walk.app.post_message(events.Key(key, character))
        await walk.sees("0 of 5: ordp")
        assert walk.screen.query_one(Input).value == "ordp"
        assert type(walk.screen).__name__ == "DashboardScreen"
        await walk.press("escape", "q")
        await until(lambda: not walk.app.is_running, "the end: q quits again")


async def test_order_and_groups_stay_chosen_while_rows_change() -> None:
    await furnish()
    async with walking(app=watching()) as walk:
        await walk.sees("search")
        await walk.press("down", "s", "s")
        await walk.sees("by next run", "Next run ▾")
        assert order(walk)[:5] == NAMES, "those that run first come first"
        assert cursor(walk) == "ledger"
        async with open_here() as other:
            await change(other, "search", next_rotation_at=datetime.now(UTC) + timedelta(hours=5))
            await until(lambda: order(walk)[0] == "search", "the one that now runs first")
            assert cursor(walk) == "ledger"
            await walk.press("g")
            await walk.sees("grouped by environment", "default dev: 3 rotations", "default prod: 2 rotations")
            assert order(walk) == ["dev:", "search", "billing", "mail", "prod:", "ledger", "orders"]
            assert cursor(walk) == "ledger"
            await walk.press("up")
            assert cursor(walk) == "mail", "no heading is stood on"
            await walk.press("home", "up")
            assert cursor(walk) == "search"
            await change(other, "mail", rotation_status="failed", last_rotation_message="no such role")
        await walk.sees("default dev: 3 rotations, 1 failing", "✗ 1 failing", "by next run")
        assert cursor(walk) == "search"
        await walk.press("g", "g", "s", "s")
        await walk.sees_not("grouped by", "by last rotated", "by next run")
        await until(lambda: order(walk)[0] == "mail", "what needs somebody first")


async def test_slots_are_drawn_and_follow_the_cursor_and_the_store() -> None:
    await furnish()
    async with walking((120, 40), app=watching()) as walk:
        await walk.sees("● billing_a active", "○ billing_b inactive", "since 20 d, dies in", "since 50 d, dies in 9 d")
        await walk.press("down", "down", "down", "down")
        await walk.sees("● search_a active", "since 16 d", "since 46 d")
        async with open_here() as other:
            await change(other, "search", active_index=1)
            await walk.sees("● search_b active", "○ search_a inactive")
            await change(other, "search", is_auto_rotation_enabled=False, next_rotation_at=None)
            await walk.sees("stays until it is rotated", "does not run by itself", "‖ 1 paused")


async def test_nights_show_what_runs_when_and_lead_to_it() -> None:
    await furnish()
    run = (datetime.now(UTC) + timedelta(days=3)).replace(hour=12, minute=0)
    async with open_here() as service:
        for name in NAMES[:4]:
            await change(service, name, next_rotation_at=run)
    day = run.astimezone()
    async with walking((100, 32), app=watching()) as walk:
        await walk.sees("30 days", f"most 4, {day:%d %b}"[:6], "today", "▴")
        await walk.press("t")
        await walk.reaches("NightsScreen")
        await walk.sees("5 runs in 30 days, 1 crowded", "4 ━━━━━━━━━━━━ crowded")
        await walk.press("down", "down", "down")
        await walk.sees(f"{day:%A, %d %B %Y}: 4 runs", "billing (dev), ledger (prod), mail (dev), orders (prod)")
        async with open_here() as other:
            await change(other, "search", next_rotation_at=run + timedelta(minutes=1))
        await walk.sees(": 5 runs", "search (dev)")
        await walk.press("enter")
        await walk.reaches("NightScreen")
        await walk.sees("5 runs", "default prod /")
        await walk.press("end", "enter")
        await walk.reaches("RotationScreen")
        await walk.sees("search")
        await walk.press("escape")
        await walk.reaches("NightScreen")
        await walk.press("escape")
        await walk.reaches("NightsScreen")
        await walk.press("t")
        await walk.reaches("DashboardScreen")


@pytest.mark.parametrize(
    ("width", "counts"),
    [(60, "5 ✗ 1 failing ◔ 1 due soon ✓ 3 healthy"), (96, "5 rotations ✗ 1 failing ◔ 1 due soon ✓ 3 healthy")],
)
async def test_the_title_counts_each_state(width: int, counts: str) -> None:
    await furnish()
    async with open_here() as service:
        await change(service, "mail", rotation_status="failed")
        await change(service, "orders", next_rotation_at=datetime.now(UTC) + timedelta(hours=5))
    async with walking((width, 24), app=watching()) as walk:
        await walk.sees(counts)
        assert "paused" not in walk.text, "only what there is"


async def test_a_snapshot_makes_anew_only_what_changed() -> None:
    await furnish()
    async with open_here() as service:
        first = await service.rotations.snapshot()
        again = await service.rotations.snapshot(first)
        assert again.rows is first.rows
        await change(service, "mail", failures=3)
        third = await service.rotations.snapshot(again)
        assert [one is other for one, other in zip(third.rows, first.rows, strict=True)] == [
            row.name != "mail" for row in first.rows
        ]
        assert next(row for row in third.rows if row.name == "mail").failures == 3
        assert third.rows == (await service.rotations.snapshot()).rows, "as if it were the first one"
        await service.store.awrite(lambda tx: rotations.delete(tx, "mail"))
        assert [row.name for row in (await service.rotations.snapshot(third)).rows] == sorted({*NAMES} - {"mail"})
        slots = await service.rotations.slots(["billing", "mail"])
        assert list(slots) == ["billing"], "what is gone is left out"
        assert [(slot.identity, slot.active) for slot in slots["billing"]] == [
            ("billing_a", True),
            ("billing_b", False),
        ]
