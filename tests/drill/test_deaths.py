"""Real processes die at the worst moments, and nobody's login ever fails. `make drill` does it at all of them."""

from __future__ import annotations

import pytest

from app.drill.drill import Drill
from app.drill.gate import Access
from app.drill.play import Point, Result, Stage, play
from app.drill.scenarios import SCENARIOS, Scenario


def scenario(name: str) -> Scenario:
    return next(s for s in SCENARIOS if s.name == name)


WORST = (
    Point(scenario("create"), "publish.recorded"),
    Point(scenario("scheduled run"), "publish.uncommitted"),
    Point(scenario("run by hand"), "issue.before", inside=1),
    Point(scenario("run by hand"), "issue.before", asleep=True),
    Point(scenario("resumed run"), "issue.called"),
    Point(scenario("run in the TUI"), "issue.called"),
    Point(scenario("edit to other users"), "edit.recorded", again=True),
    Point(scenario("end of former users"), "retire.called"),
    Point(scenario("edit back to them"), "publish.recorded"),
    Point(scenario("move"), "move.uncommitted", again=True),
    Point(scenario("delete"), "revoke.called"),
    Point(scenario("delete half created"), "revoke.before"),
)


@pytest.mark.parametrize("point", WORST, ids=lambda point: point.title)
async def test_no_login_fails_and_all_is_brought_to_its_end(stage: Stage, point: Point) -> None:
    result = await play(stage, point)
    assert result.complaints == ()
    assert result.tally.failed == 0
    assert result.tally.logins > 0 or point.scenario.name == "delete half created"


@pytest.mark.soak
async def test_every_point(access: Access) -> None:
    heard: list[Result] = []
    results = await Drill(access, lambda result, left: heard.append(result), workers=2).run()
    assert [(result.point.title, result.complaints) for result in results if not result.good] == []
    assert len({result.point.title for result in results if result.point.failpoint}) >= 160
    assert len(heard) == len(results)
    assert {result.point.scenario for result in results} == set(SCENARIOS)
    assert sum(result.tally.failed for result in results) == 0
