"""A connection to AWS in the terminal, by either method."""

from __future__ import annotations

import pytest

from tests.standins.iam import Aws
from tests.tui.ground import Walk, open_here, walking
from tests.tui.wizardry import complains, down_to, field, fill, press, tab_to

pytestmark = pytest.mark.usefixtures("home")


async def new_connection(walk: Walk) -> None:
    await press(walk, "c")
    await walk.reaches("ConnectionsScreen")
    await press(walk, "n")
    await walk.reaches("Question")
    await walk.sees("To what?", "AWS")
    await tab_to(walk, "aws")
    await press(walk, "enter")
    await walk.reaches("ConnectionFormScreen")
    await field(walk, "Name")


async def enter(walk: Walk, texts: dict[str, str]) -> None:
    for title, text in texts.items():
        await down_to(walk, title)
        await fill(walk, title, text)


async def test_a_connection_by_access_key(aws: Aws) -> None:
    async with walking() as walk:
        await new_connection(walk)
        texts = {
            "Name": "production",
            "Access key id": "arn:aws:iam::123456789012:user/me",
            "Secret access key": aws.login.secret,
            "Endpoint URL": aws.account.url,
        }
        await enter(walk, texts)
        await complains(walk, "Access key id", "This is no access key id")
        await press(walk, "up", "up", "up")
        await fill(walk, "Access key id", aws.login.key_id)
        await press(walk, "ctrl+t")
        await walk.sees("✓ Logged in: AWS account 123456789012 as")
        assert aws.login.secret not in walk.text
        await press(walk, "ctrl+n")
        await walk.reaches("ConnectionsScreen")
        await walk.sees("production", "AWS")
    async with open_here() as service:
        assert (await service.connections.test("production")).ok


async def test_the_other_method_has_other_fields(aws: Aws) -> None:
    async with walking() as walk:
        await new_connection(walk)
        await down_to(walk, "Method")
        await press(walk, "enter")
        await press(walk, "down", "enter")
        await walk.sees("Role ARN", "External id")
