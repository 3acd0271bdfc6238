"""The plan of the next rotation, as a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from textual.content import Content

from screens import look
from screens.look import MUTED, STYLES
from screens.reading import BLANK, ReadingScreen
from screens.text import one_line, plain, visible
from screens.widgets.passages import Passage

if TYPE_CHECKING:
    from app.operations.plan import Plan, PlannedStep
    from app.views import RotationRow
    from screens.desk import Desk


def plan_screen(desk: Desk, row: RotationRow) -> ReadingScreen:
    """Asks the target while one may leave."""

    async def load() -> list[Passage]:
        return list(lines(await desk.service.plans.plan(row.id), desk.now()))

    return ReadingScreen(f"Plan of {row.name}", load, waiting="asking the target")


def lines(plan: Plan, now: datetime) -> Iterator[Passage]:
    """What is missing comes first: it is what somebody has to act on."""
    yield "", _verdict(plan)
    active = f"{plan.active} is active now." if plan.active else "Nothing is published yet."
    following = f"It runs {look.when(plan.scheduled_at, now)}." if plan.scheduled_at else "It never runs by itself."
    yield "", plain(f"{active} {following}")
    yield from part("First", plan.first)
    if plan.steps:
        yield from heading("Step by step")
    for step in plan.steps:
        yield from _step(step)
    yield from part("What dies, and when", [death.text for death in plan.deaths])
    yield from part("Who still uses it", [plan.use] if plan.use else [])
    if plan.checks:
        yield from heading("What it needs")
    for check in plan.checks:
        mark = look.result_mark(check.result)
        word = "" if check.result == "passed" else f"{mark.word}: "
        detail = plain(f"  {one_line(check.detail)}" if check.detail else "", STYLES[MUTED])
        yield plain(f"  {mark.glyph} ", mark.style), Content.assemble(f"{word}{one_line(check.title)}", detail)
        if check.result != "passed":
            yield from (("      ", plain(visible(line), "bold")) for line in check.remedy.splitlines())
    yield from (BLANK, ("", plain("Nothing was changed by looking.", STYLES[MUTED])))


def _verdict(plan: Plan) -> Content:
    g, failed = look.glyphs(), sum(check.result == "failed" for check in plan.checks)
    if plan.ready:
        return plain(f"{g.healthy} It can run: everything it needs is there.", STYLES[look.GOOD])
    if failed:
        things = "one thing is" if failed == 1 else f"{failed} things are"
        return plain(f"{g.failed} It cannot run: {things} missing, see below what mends it.", STYLES[look.BAD])
    return plain(f"{g.warning} It will not run.", STYLES[look.WARN])


def _step(step: PlannedStep) -> Iterator[Passage]:
    yield plain(f"  {step.step:<8} ", STYLES[look.BUSY]), plain(step.text)
    for call in step.calls:
        yield from ((f"           {look.glyphs().arrow} ", plain(line, "bold")) for line in call.text.splitlines())
        if call.note:
            yield "             ", plain(call.note, STYLES[MUTED])


def heading(title: str) -> Iterator[Passage]:
    yield from (BLANK, ("", plain(title, "bold")))


def part(title: str, said: Sequence[str]) -> Iterator[Passage]:
    if said:
        yield from heading(title)
        yield from (("  ", plain(line)) for line in said)
