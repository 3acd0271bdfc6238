"""A drill that finds nothing is worth something only if it would have found something."""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path

import pytest

from app.drill.play import Point, Stage, play
from tests.drill import saboteur
from tests.drill.test_deaths import of_keys, scenario

FAULTS = (
    pytest.param("changes the published password", "run by hand", "published credential of .* was refused"),
    pytest.param("revokes nothing", "delete", "a credential of a deleted rotation still logs in"),
    pytest.param(
        "breaks a seal",
        "run by hand",
        "a sealed value does not open: secret_version.sealed_value",
        marks=pytest.mark.soak,
    ),
    pytest.param("issues nothing", "run by hand", "slot 1, .*, does not log in", marks=pytest.mark.soak),
    pytest.param("forgets the schedule", "run by hand", "there is no next run", marks=pytest.mark.soak),
    pytest.param("publishes twice", "run by hand", "it was published 2 times, not 1", marks=pytest.mark.soak),
)


@pytest.mark.parametrize(("fault", "name", "complaint"), FAULTS)
async def test_the_drill_notices_a_program_that(stage: Stage, fault: str, name: str, complaint: str) -> None:
    await assert_noticed(stage, fault, Point(scenario(name)), complaint)


@pytest.mark.soak
async def test_it_notices_that_a_key_is_gone_too_soon(aws_stage: Stage) -> None:
    refused = "published credential of AKIA.* was refused"
    await assert_noticed(aws_stage, "deletes the published key", Point(of_keys("scheduled run")), refused)


@pytest.mark.soak
async def test_it_notices_a_client_secret_that_nobody_knows(azure_stage: Stage) -> None:
    died = Point(of_keys("scheduled run"), inside="addPassword", answered=True)
    await assert_noticed(azure_stage, "forgets what it may have sent", died, "has a client secret that nobody knows")


async def assert_noticed(stage: Stage, fault: str, point: Point, complaint: str) -> None:
    program = (sys.executable, "-P", str(Path(saboteur.__file__)), fault)
    result = await play(dataclasses.replace(stage, argv=program), point)
    assert not result.good
    assert any(re.search(complaint, text) for text in result.complaints), result.complaints


async def test_the_drill_notices_a_process_that_never_comes_to_its_point(stage: Stage) -> None:
    result = await play(stage, Point(scenario("move"), "issue.called"))
    assert any("never came to issue.called" in text for text in result.complaints)
