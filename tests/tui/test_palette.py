"""The command palette: pages, and every rotation with its verbs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from app.views import RotationRow
from screens.palette import MOST, Palette, best
from tests.conftest import Database
from tests.tui.ground import open_here, row_of, set_up, until, walking


@pytest.fixture
def rows(a_row: RotationRow) -> list[RotationRow]:
    named = [dataclasses.replace(a_row, id=f"id-{number}", name=f"service-{number:05}") for number in range(10_000)]
    others = ["billing", "billing-eu", "rotate-logs", "old-billing", "bright-lighting"]
    return [*named, *(dataclasses.replace(a_row, id=name, name=name) for name in others)]


@pytest.fixture
def a_row() -> RotationRow:
    make: Callable[..., RotationRow] = RotationRow
    fields: dict[str, object] = dict.fromkeys((field.name for field in dataclasses.fields(RotationRow)), "")
    known = {"environment": "prod", "path": "/", "next_at": datetime(2027, 1, 1, tzinfo=UTC), "auto_rotation": True}
    return make(**{**fields, **known})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("billing", ["Open billing", "Open billing-eu", "Open old-billing"]),
        ("blng", ["Open billing"]),
        ("billing prod", ["Open billing"]),
        ("rot billing", ["Rotate billing", "Rotate billing-eu"]),
        ("pause old-b", ["Pause old-billing"]),
        ("rotate-l", ["Open rotate-logs"]),
        ("service-04711", ["Open service-04711", "Rotate service-04711", "Check service-04711"]),
        ("resume billing", []),
        ("[/]", []),
        ("no such thing", []),
    ],
)
def test_the_best_come_first(rows: list[RotationRow], query: str, expected: list[str]) -> None:
    found = [f"{verb} {row.name}" for _, verb, row in best(query, rows)]
    assert found[: len(expected)] == expected
    assert expected or not found
    assert len(found) <= MOST


@pytest.mark.usefixtures("home")
async def test_it_acts_from_any_page(pg: Database) -> None:
    billing, orders = await set_up(pg, "billing", "orders")
    async with walking() as walk:
        await walk.press("ctrl+p")
        await walk.sees("Open billing (prod /)", "Connections")
        await walk.press(*"screensh")
        await walk.sees_not("Open billing")
        assert not walk.reads("Screenshot"), "it would put secrets on the disk"
        await walk.press("ctrl+u", *"secr")
        await walk.sees("What is published, by place")
        await walk.press("enter")
        await walk.reaches("SecretsScreen")
        await walk.press("ctrl+p", *"pau ord")
        await walk.sees("Pause orders (prod /)")
        await walk.press("enter")
        await walk.reaches("SecretsScreen")
        await walk.press("end")
        await walk.sees("written by orders, does not run by itself")
        assert (await row_of(orders)).next_at is None
        await walk.press("ctrl+p", *"check bill")
        await walk.sees("Check billing (prod /)")
        await walk.press("enter")
        await walk.reaches("Question")
        await walk.sees("Check of billing", f"✓ {pg.role_name('billing1')}", f"✓ {pg.role_name('billing2')}")
        await walk.press("enter")
        await walk.reaches("RotationScreen")
        await walk.sees("Keyturn  billing")
        await walk.press("ctrl+p", *"plan bill")
        await walk.sees("Plan billing (prod /)")
        await walk.press("enter")
        await walk.reaches("ReadingScreen")
        await walk.sees("It can run")
        await walk.press("escape")
        await walk.reaches("RotationScreen")
        await walk.press("ctrl+p", *"new rot")
        await walk.sees("Set up a new rotation")
        await walk.press("enter")
        await walk.reaches("WizardScreen")
        await walk.press("ctrl+p", *"billing")
        await walk.sees("billing")
        assert not walk.reads("Open billing"), "the wizard is left by its own keys"
    async with open_here() as service:
        assert (await service.rotations.detail(billing)).attempts


@pytest.mark.usefixtures("home")
async def test_it_may_be_left_before_it_looks() -> None:
    """A search that begins when the list is gone ends nothing."""
    async with walking() as walk:
        await walk.press("ctrl+p")
        await walk.reaches("Palette")
        palette = walk.screen
        assert isinstance(palette, Palette)
        await walk.press("escape")
        await walk.reaches("DashboardScreen")
        await until(lambda: not palette.is_attached, "the palette to go")
        search = palette._gather_commands("billing")
        await until(lambda: search.is_finished, "the search to end")
        await walk.press("question_mark")
        await walk.reaches("HelpScreen")
