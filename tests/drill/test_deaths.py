"""Real processes die at the worst moments, and nobody's login ever fails. `make drill` does it at all of them."""

from __future__ import annotations

import pytest

from app.drill.drill import Drill
from app.drill.play import Point, Result, Stage, play
from app.drill.scenarios import Scenario
from app.drill.scenarios_keys import KEYS
from app.drill.scenarios_passwords import PASSWORDS
from app.drill.stands import STANDS, Stand
from tests.variants import few


def scenario(name: str) -> Scenario:
    return next(s for s in PASSWORDS if s.name == name)


def of_keys(name: str) -> Scenario:
    return next(s for s in KEYS if s.name == name)


# One of each kind; all of them are `make drill`, and `make soak`.
WORST = (
    Point(scenario("create"), "publish.recorded"),
    Point(scenario("scheduled run"), "publish.uncommitted"),
    Point(scenario("run by hand"), "issue.before", inside="1"),
    Point(scenario("run in the TUI"), "issue.called"),
    Point(scenario("edit to other users"), "edit.recorded", again=True),
    Point(scenario("move"), "move.uncommitted", again=True),
    Point(scenario("delete"), "revoke.called"),
)
WORST_OF_AWS = (
    Point(of_keys("scheduled run"), inside="CreateAccessKey", answered=True),
    Point(of_keys("edit back"), "publish.uncommitted"),
)
WORST_OF_AZURE = (Point(of_keys("scheduled run"), inside="addPassword", answered=True),)


@pytest.mark.parametrize("point", few(WORST), ids=lambda point: point.title)
async def test_no_login_fails_and_all_is_brought_to_its_end(stage: Stage, point: Point) -> None:
    await no_harm(stage, point)


@pytest.mark.parametrize("point", few(WORST_OF_AWS), ids=lambda point: point.title)
async def test_nor_does_one_with_an_access_key(aws_stage: Stage, point: Point) -> None:
    await no_harm(aws_stage, point)


@pytest.mark.soak
@pytest.mark.parametrize("point", WORST_OF_AZURE, ids=lambda point: point.title)
async def test_nor_does_one_with_a_client_secret(azure_stage: Stage, point: Point) -> None:
    await no_harm(azure_stage, point)


async def no_harm(stage: Stage, point: Point) -> None:
    result = await play(stage, point)
    assert result.complaints == ()
    assert result.tally.failed == 0
    assert result.tally.logins > 0 or point.scenario.name == "delete half created"


AT_LEAST = {"postgres-credentials": 160, "aws-iam-user-secret": 85, "azure-client-secret": 80}


@pytest.mark.soak
@pytest.mark.parametrize("stand", STANDS, ids=lambda stand: stand.type)
async def test_every_point(stand: Stand) -> None:
    heard: list[Result] = []
    with stand.start(2) as scratches:
        results = await Drill(
            scratches, stand.scenarios, lambda result, left: heard.append(result), pause=stand.pause
        ).run()
    assert [(result.point.title, result.complaints) for result in results if not result.good] == []
    assert len({result.point.title for result in results if not result.point.rehearsal}) >= AT_LEAST[stand.type]
    assert len(heard) == len(results)
    assert {result.point.scenario for result in results} == set(stand.scenarios)
    assert sum(result.tally.failed for result in results) == 0
