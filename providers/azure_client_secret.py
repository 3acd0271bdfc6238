"""The rotation type `azure-client-secret`: an application's client secrets, of which two are valid at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from providers.azure import is_id
from providers.base import (
    Call,
    CandidateRequest,
    Check,
    Choice,
    Choosing,
    Credential,
    Foreseeing,
    Issue,
    ModelClass,
    Outlived,
    Problem,
    Provider,
    Slot,
    Upcoming,
)
from providers.fields import Fields, Text, complaint

if TYPE_CHECKING:
    from providers.azure import AzureTarget
    from providers.azure_connection import Directory

MARGIN_DAYS = 7
"""How much longer than two intervals a secret lives: room for outages, and for people who are on holiday."""


def _id(value: str) -> str:
    if not is_id(value):
        raise complaint("uuid", "An ID looks like 00000000-1111-2222-3333-444444444444.")
    return value.lower()


def _name(value: str | None) -> str | None:
    return (value or "").strip() or None


class AzureParameters(Fields):
    """The documented parameters."""

    object_id: Annotated[Text, AfterValidator(_id)] = Field(
        title="Object ID", description="Object ID of the application, as App registrations show it."
    )
    client_id: Annotated[Text, AfterValidator(_id)] = Field(
        title="Client ID", description="Application (client) ID of the same application."
    )
    app_name: Annotated[str | None, AfterValidator(_name)] = Field(
        default=None, max_length=256, title="Application name", description="For people; nothing depends on it."
    )


class AzureMapping(Fields):
    """The documented secretsMapping."""

    client_id: Text = Field(
        default="AZURE_CLIENT_ID", title="Client ID", description="Secret that holds the application's client ID."
    )
    client_secret: Text = Field(
        default="AZURE_CLIENT_SECRET", title="Client secret", description="Secret that holds the active client secret."
    )


class AzureClientSecretProvider:
    """Rotates by adding: Entra makes up the secrets, and keeps each until it is removed or expires.

    A secret is ours when the journal recorded its key id, or when its name is the marker of one of our attempts.
    """

    type = "azure-client-secret"
    title = "Azure client secret"
    app = "azure-client-secrets"
    name_max_length = 64
    parameters: ModelClass = AzureParameters
    mapping: ModelClass = AzureMapping
    secret_fields = frozenset({"clientSecret"})
    initial_slots: tuple[Slot, ...] = (0,)
    # Entra's front ends learn of a new secret one after another.
    verify_successes = 3
    verify_patience = 90.0
    restores = False
    retires = True
    outlived_by = (
        "Access tokens that were got with a former secret go on until they expire, 60 to 90 minutes after they were "
        "issued. Disabling the application's service principal keeps Entra from issuing more."
    )

    def check_parameters(self, parameters: AzureParameters, connection: Mapping[str, Any]) -> list[Problem]:
        """Rules that need no tenant."""
        if parameters.object_id != parameters.client_id:
            return []
        message = "This is the client ID once more. The object ID is another one, next to it on the Overview page."
        return [Problem("parameters.objectId", message)]

    def identity(self, parameters: AzureParameters, slot: Slot) -> str:
        """The application, by the id that its users know."""
        return parameters.client_id

    def candidate(self, parameters: AzureParameters, request: CandidateRequest) -> Credential:
        """A name that marks the attempt's secret, and when it is to expire."""
        days = 2 * request.interval_days + MARGIN_DAYS
        values = {"marker": f"Keyturn {request.attempt_id}", "days": str(days)}
        return Credential(values, request.now + timedelta(days=days))

    async def preflight(self, target: AzureTarget, parameters: AzureParameters) -> list[Check]:
        """Sign-in, the application and its two ids, the right to change its secrets, how many it has."""
        from providers.azure_preflight import preflight

        return await preflight(target, parameters)

    def foresee(
        self, parameters: AzureParameters, connection: Mapping[str, Any], upcoming: Upcoming
    ) -> Mapping[str, Sequence[Call]]:
        """As Graph and Entra name them."""
        from providers.azure_foresight import foresee

        return foresee(parameters, upcoming)

    async def probe(self, target: AzureTarget, parameters: AzureParameters, upcoming: Upcoming) -> list[Check]:
        """The preflight's checks: they know our own secrets by their names."""
        return await self.preflight(target, parameters)

    async def issue(self, target: AzureTarget, parameters: AzureParameters, request: Issue) -> Credential:
        """Add a secret. One whose answer was lost can't be read any more: it is removed first, by its marker."""
        directory, marker = await target.directory(), request.candidate.values["marker"]
        end = request.candidate.expires_at
        assert end is not None
        if request.again:
            kept = {held.values.get("keyId", "") for held in (request.active, request.previous) if held is not None}
            await _remove_marked(directory, parameters.object_id, marker, kept)
            end = _postponed(end, directory.server_time, int(request.candidate.values["days"]))
        made = await directory.add_password(parameters.object_id, marker, end)
        values = {"clientId": parameters.client_id, "clientSecret": made.text, "keyId": made.key_id}
        return Credential(values, made.expires_at)

    async def verify(self, target: AzureTarget, parameters: AzureParameters, credential: Credential) -> None:
        """Get a fresh token, as the application would."""
        directory = await target.directory()
        await directory.sign_in(credential.values["clientId"], credential.values["clientSecret"])

    async def retire(self, target: AzureTarget, parameters: AzureParameters, credential: Credential) -> None:
        """Remove a recorded secret."""
        await self.revoke(target, parameters, credential)

    async def revoke(self, target: AzureTarget, parameters: AzureParameters, credential: Credential) -> None:
        """Remove a recorded secret by its key id, one whose answer was lost by its marker."""
        directory, key_id = await target.directory(), credential.values.get("keyId")
        if key_id is not None:
            await directory.remove_password(parameters.object_id, key_id)
        else:
            await _remove_marked(directory, parameters.object_id, credential.values["marker"], set())

    async def choices(self, target: AzureTarget, query: str, limit: int) -> list[Choice]:
        """The tenant's applications, found by the beginning of a word of their name, or by an id."""
        directory = await target.directory()
        found = await directory.search(query.strip(), limit)
        return [
            Choice(
                app.display_name,
                app.app_id,
                {"objectId": app.id, "clientId": app.app_id, "appName": app.display_name},
            )
            for app in sorted(found, key=lambda app: (app.display_name.lower(), app.app_id))
        ]


async def _remove_marked(directory: Directory, object_id: str, marker: str, kept: set[str]) -> None:
    from providers.azure_errors import NotThere

    try:
        secrets = (await directory.application(object_id)).secrets
    except NotThere:
        return
    for secret in secrets:
        if secret.display_name == marker and str(secret.key_id) not in kept:
            await directory.remove_password(object_id, str(secret.key_id))


def _postponed(end: datetime, server_time: datetime | None, days: int) -> datetime:
    """Whoever resumes after weeks must not issue a secret that is about to expire."""
    return max(end, server_time + timedelta(days=days)) if server_time is not None else end


PROVIDER = AzureClientSecretProvider()
if TYPE_CHECKING:
    _provider: Provider = PROVIDER
    _choosing: Choosing = PROVIDER
    _foreseeing: Foreseeing = PROVIDER
    _outlived: Outlived = PROVIDER
