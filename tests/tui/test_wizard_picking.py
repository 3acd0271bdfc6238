"""Picking an IAM user from the account's list, by keyboard, up to a created rotation whose keys work."""

from __future__ import annotations

import pytest

from screens.wizard.steps import PICK
from tests.standins.iam import Aws
from tests.tui.ground import SIZES, Walk, open_here, walking
from tests.tui.wizardry import CONNECTION, DETAILS, MAPPING, PARAMETERS, REVIEW, fill, press, start, step, tab_to

pytestmark = pytest.mark.usefixtures("home")


async def to_parameters(walk: Walk) -> None:
    """The connection is the only one that fits, so it is chosen already."""
    await start(walk)
    await press(walk, "down", "enter")
    await step(walk, CONNECTION)
    await press(walk, "ctrl+n")
    await step(walk, PARAMETERS)


async def connect(aws: Aws) -> None:
    async with open_here() as service:
        await service.connections.add("aws", aws.connection_body)


@pytest.mark.parametrize("size", [SIZES[0], pytest.param(SIZES[1], marks=pytest.mark.soak)])
async def test_a_user_is_picked_from_the_list(aws: Aws, size: tuple[int, int]) -> None:
    await connect(aws)
    other = aws.make_user("other")
    async with walking(size) as walk:
        await to_parameters(walk)
        await tab_to(walk, PICK)
        await press(walk, "enter")
        await walk.reaches("PickScreen")
        await walk.sees(other, aws.user, "found, enter takes")
        window, screen = walk.screen.query_one(".dialog").region, walk.screen.region
        assert abs(window.center[0] - screen.center[0]) <= 1
        assert abs(window.center[1] - screen.center[1]) <= 1
        await press(walk, *aws.user[:3], "-")
        await walk.sees_not(other)
        await press(walk, "enter")
        await walk.reaches("WizardScreen")
        await walk.sees(aws.user)
        await press(walk, "ctrl+n")
        await step(walk, MAPPING)
        await press(walk, "ctrl+n")
        await step(walk, DETAILS)
        await fill(walk, "Name", "billing-keys")
        await press(walk, "ctrl+n")
        await step(walk, REVIEW)
        await walk.sees("checks passed")
        await press(walk, "ctrl+n")
        await walk.sees("billing-keys is set up")
    async with open_here() as service:
        published = await service.rotations.credentials("billing-keys")
    assert published.generated_credentials[0]["accessKeyId"] in aws.account.keys(aws.user)


async def test_who_may_not_list_types_it(aws: Aws) -> None:
    await connect(aws)
    aws.allow("iam:GetUser", "iam:ListAccessKeys")
    async with walking() as walk:
        await to_parameters(walk)
        await tab_to(walk, PICK)
        await press(walk, "enter")
        await walk.reaches("PickScreen")
        await walk.sees("iam:ListUsers")
        await press(walk, "escape")
        await walk.reaches("WizardScreen")
        await press(walk, "tab")
        await fill(walk, "IAM user", aws.user)
        await press(walk, "ctrl+n")
        await step(walk, MAPPING)
