"""What only Entra and Graph themselves can show about the client secrets of an application."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from app.live_checks.findings import Findings, Pace
from app.live_checks.ground import INTERVAL_DAYS, Ground, becomes_good, clock_seen, goes, listed, make, preflight
from providers.azure import AzureTarget
from providers.azure_client_secret import MARGIN_DAYS, PROVIDER
from providers.base import Credential, CredentialRefused

if TYPE_CHECKING:
    from providers.azure_requests import ApplicationView

_NO_SECRET = "x" * 40


async def ground(target: AzureTarget, object_id: str, findings: Findings, pace: Pace) -> Ground[AzureTarget]:
    """Look the application's other id up. Raises TargetError; ValidationError for what is no id."""
    found = await (await target.directory()).application(object_id)
    names = {"objectId": found.id, "clientId": found.app_id, "appName": found.display_name}
    parameters = PROVIDER.parameters.model_validate(names)
    return Ground(PROVIDER, target, parameters, datetime.now(UTC), findings, pace)


async def read(here: Ground[AzureTarget]) -> None:
    """Changes nothing in the tenant. Two refused sign-ins show up in the logs of the tenant."""
    given = here.target.credentials
    with here.findings.looking("The cloud", "the authority and the Graph of one cloud") as look:
        look.notes(f"{given.authority_url}, {given.graph_base}")
    await preflight(here)
    directory = await here.target.directory()
    application = await _application(here)
    clock_seen(here, directory.server_time, datetime.now(UTC))
    with here.findings.looking("The application by its client ID", "is the same one") as look:
        found = await directory.application_of(here.who)
        look.says(found.id, expected=found.id == here.parameters.object_id)
    with here.findings.looking("The search by its name", "finds it") as look:
        choices = await PROVIDER.choices(here.target, application.display_name, 100)
        look.says(f"{len(choices)} found", expected=here.who in {choice.fills["clientId"] for choice in choices})
    with here.findings.looking("The token's permissions", "can be read") as look:
        roles = (await directory.claims()).get("roles")
        look.notes(", ".join(map(str, roles)) if isinstance(roles, list) else "the token does not tell")
    await _refused(here, "A wrong secret", here.who)
    await _refused(here, "An application that nobody has", str(uuid.uuid4()))


async def write(here: Ground[AzureTarget]) -> None:
    """Add secrets, look, remove them. What fails halfway leaves them in `here.made`."""
    before = await _key_ids(here)
    made = await make(here)
    if made is None:
        return
    _expiry(here, made)
    await listed(here, made, "Graph", lambda: _key_ids(here))
    await becomes_good(here, made)
    await _at_once(here)
    for credential in list(here.made):
        await goes(here, credential)
    with here.findings.looking("The application's secrets afterwards", "those that were there before") as look:
        after = await _key_ids(here)
        look.says(f"{len(after)}", expected=after == before)


async def _refused(here: Ground[AzureTarget], title: str, client_id: str) -> None:
    """Entra says so by AADSTS7000215 and AADSTS700016."""
    with here.findings.looking(title, "is refused, and known as refused") as look:
        directory = await here.target.directory()
        try:
            await directory.sign_in(client_id, _NO_SECRET)
        except CredentialRefused as error:
            look.says(error.message, expected=True)
        else:
            look.says("it signs in", expected=False)


def _expiry(here: Ground[AzureTarget], made: Credential) -> None:
    with here.findings.looking("The new secret's end", "as asked for; a policy may refuse, never shorten") as look:
        asked = here.now + timedelta(days=2 * INTERVAL_DAYS + MARGIN_DAYS)
        assert made.expires_at is not None
        apart = abs(made.expires_at - asked)
        look.says(f"{made.expires_at:%Y-%m-%d %H:%M} UTC", expected=apart < timedelta(minutes=1))


async def _at_once(here: Ground[AzureTarget]) -> None:
    """Two additions at the same moment: Graph calls one of them a concurrent request, or takes both."""
    with here.findings.looking("Two secrets added at once", "both are made, a conflict is waited out") as look:
        await asyncio.gather(make(here), make(here))
        look.notes(f"{len(here.made) - 1} of 2 made")


async def _application(here: Ground[AzureTarget]) -> ApplicationView:
    return await (await here.target.directory()).application(here.parameters.object_id)


async def _key_ids(here: Ground[AzureTarget]) -> set[str]:
    return {str(secret.key_id) for secret in (await _application(here)).secrets}
