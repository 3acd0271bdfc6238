"""Client secrets of an Entra application, by keyboard: picked, created, rotated until the first one is gone.

One that somebody removed can't be set back, so that is not offered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from screens.wizard.steps import PICK
from tests.entra import Standing, standing
from tests.tui.ground import Walk, open_here, walking
from tests.tui.wizardry import CONNECTION, DETAILS, MAPPING, PARAMETERS, REVIEW, fill, press, start, step, tab_to

pytestmark = pytest.mark.usefixtures("home")

NAME = "billing-secret"


@pytest.fixture
def entra() -> Iterator[Standing]:
    yield from standing()


async def published() -> tuple[str, str]:
    """Client id and secret, as programs get them."""
    async with open_here() as service:
        found = await service.rotations.credentials(NAME)
    active = found.generated_credentials[found.active_index]
    return active["clientId"], active["clientSecret"]


async def logs_in(entra: Standing, credential: tuple[str, str]) -> bool:
    return await asyncio.to_thread(entra.logs_in, *credential)


async def rotate(walk: Walk) -> tuple[str, str]:
    """From the dashboard; what is published then."""
    await press(walk, "r")
    await walk.reaches("Question")
    await press(walk, "enter")
    await walk.reaches("ProgressScreen")
    await walk.sees("Done: the new credential logs in and is published.")
    await press(walk, "escape")
    await walk.reaches("DashboardScreen")
    return await published()


async def test_an_application_is_picked_created_and_rotated(entra: Standing) -> None:
    async with open_here() as service:
        body = {"name": "my-entra", "method": "client-secret", "credentials": entra.credentials()}
        await service.connections.add("azure-client-secrets", body)
    async with walking() as walk:
        await start(walk)
        await press(walk, "down", "down", "enter")
        await step(walk, CONNECTION)
        await press(walk, "ctrl+n")
        await step(walk, PARAMETERS)
        await tab_to(walk, PICK)
        await press(walk, "enter")
        await walk.reaches("PickScreen")
        await walk.sees("Billing service", entra.keyturn.client_id, "found, enter takes")
        await press(walk, *"bill")
        await walk.sees_not(entra.keyturn.client_id)
        await press(walk, "enter")
        await walk.reaches("WizardScreen")
        await walk.sees(entra.billing.id, entra.billing.client_id)
        await press(walk, "ctrl+n")
        await step(walk, MAPPING)
        await press(walk, "ctrl+n")
        await step(walk, DETAILS)
        await fill(walk, "Name", NAME)
        await press(walk, "ctrl+n")
        await step(walk, REVIEW)
        await walk.sees("checks passed")
        await press(walk, "ctrl+n")
        await walk.sees(f"{NAME} is set up")
        first = await published()
        assert first[0] == entra.billing.client_id
        assert await logs_in(entra, first)
        await press(walk, "escape")
        await walk.reaches("DashboardScreen")
        second = await rotate(walk)
        assert [await logs_in(entra, each) for each in (first, second)] == [True, True]
        third = await rotate(walk)
        assert [await logs_in(entra, each) for each in (first, second, third)] == [False, True, True]
        assert entra.foreign.key_id in entra.key_ids()
        assert len(entra.key_ids()) == 3
        entra.billing.secrets = [secret for secret in entra.billing.secrets if secret.text != third[1]]
        await press(walk, "enter")
        await walk.reaches("RotationScreen")
        await press(walk, "c")
        await walk.sees("✗ does not log in", "✓ logs in")
        assert "h Heal" not in walk.text
        await press(walk, "h")
        await walk.reaches("RotationScreen")
