"""The rotation type against a tenant on loopback: secrets change hands, whatever gets lost, and foreign ones stay."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from app.demo.entra_tenant import OWNED_BY, Fault, concurrent, page, throttled
from providers.azure import AzureSecretCredentials, AzureTarget
from providers.azure_client_secret import MARGIN_DAYS, PROVIDER, AzureMapping, AzureParameters
from providers.base import (
    CandidateRequest,
    Choosing,
    Credential,
    CredentialRefused,
    Guarded,
    Issue,
    Outcome,
    Problem,
    TargetError,
    TargetRefused,
)
from tests.entra import Standing, standing

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOBODY = "6f9619ff-8b86-d011-b42d-00c04fc964ff"


@dataclass(frozen=True)
class Rotated:
    """What the engine has in hand."""

    entra: Standing
    target: AzureTarget
    parameters: AzureParameters

    def candidate(self, attempt: str = "a1", *, days: int = 30) -> Credential:
        return PROVIDER.candidate(
            self.parameters, CandidateRequest(0, attempt, datetime.now(UTC), days, lambda s: s[0])
        )

    async def issue(self, candidate: Credential | None = None, **more: Any) -> Credential:
        return await PROVIDER.issue(self.target, self.parameters, Issue(0, candidate or self.candidate(), **more))

    async def verify(self, credential: Credential) -> None:
        await PROVIDER.verify(self.target, self.parameters, credential)

    async def revoke(self, credential: Credential) -> None:
        await PROVIDER.revoke(self.target, self.parameters, credential)


@pytest.fixture
def entra() -> Iterator[Standing]:
    yield from standing()


@pytest.fixture
async def rotated(entra: Standing) -> AsyncIterator[Rotated]:
    target = AzureTarget(AzureSecretCredentials.model_validate(entra.credentials()))
    yield Rotated(entra, target, AzureParameters.model_validate(entra.parameters()))
    await target.close()


async def failure(call: Any) -> TargetError:
    with pytest.raises(TargetError) as caught:
        await call
    assert "~" not in caught.value.message + caught.value.remedy
    return caught.value


# -- declarations ------------------------------------------------------------------------------------------------


def test_the_documented_bodies_are_understood(entra: Standing) -> None:
    given = AzureParameters.model_validate(entra.parameters(objectId=f" {entra.billing.id.upper()} "))
    assert given.object_id == entra.billing.id
    assert AzureMapping().model_dump(by_alias=True) == {
        "clientId": "AZURE_CLIENT_ID",
        "clientSecret": "AZURE_CLIENT_SECRET",
    }
    assert AzureParameters.model_validate(entra.parameters(appName=" ")).app_name is None
    assert isinstance(PROVIDER, Choosing)
    assert not isinstance(PROVIDER, Guarded)


def test_an_id_that_is_none_is_explained(entra: Standing) -> None:
    with pytest.raises(ValidationError, match="An ID looks like"):
        AzureParameters.model_validate(entra.parameters(objectId="../users"))


def test_the_client_id_in_both_places_is_recognised(entra: Standing) -> None:
    given = AzureParameters.model_validate(entra.parameters(objectId=entra.billing.client_id))
    [problem] = PROVIDER.check_parameters(given, {})
    assert problem == Problem(
        "parameters.objectId",
        "This is the client ID once more. The object ID is another one, next to it on the Overview page.",
    )


def test_a_candidate_lives_for_two_intervals_and_a_margin(entra: Standing) -> None:
    given = AzureParameters.model_validate(entra.parameters())
    made = PROVIDER.candidate(given, CandidateRequest(0, "a1", NOW, 30, lambda s: s[0]))
    assert made.values["marker"] == "Keyturn a1"
    assert made.expires_at == NOW + timedelta(days=60 + MARGIN_DAYS)


# -- changing hands ----------------------------------------------------------------------------------------------


async def test_a_secret_is_issued_tried_and_removed(rotated: Rotated) -> None:
    candidate = rotated.candidate()
    issued = await rotated.issue(candidate)
    assert set(issued.values) == {"clientId", "clientSecret", "keyId"}
    assert issued.expires_at == candidate.expires_at
    [_, made] = rotated.entra.billing.secrets
    assert (made.name, made.key_id, made.text) == ("Keyturn a1", issued.values["keyId"], issued.values["clientSecret"])
    await rotated.verify(issued)
    assert rotated.entra.entra.logins[-1] == (rotated.entra.billing.client_id, "ok")
    for _ in range(2):
        await rotated.revoke(issued)
    assert rotated.entra.key_ids() == [rotated.entra.foreign.key_id]
    error = await failure(rotated.verify(issued))
    assert isinstance(error, CredentialRefused)


async def test_each_try_asks_for_a_token_of_its_own(rotated: Rotated) -> None:
    rotated.entra.entra.tenant.refusals = 2
    issued = await rotated.issue()
    for _ in range(2):
        assert isinstance(await failure(rotated.verify(issued)), CredentialRefused)
    for _ in range(3):
        await rotated.verify(issued)
    mine = [outcome for client, outcome in rotated.entra.entra.logins if client == rotated.entra.billing.client_id]
    assert mine == ["7000215", "7000215", "ok", "ok", "ok"]


async def test_nothing_is_sent_twice_when_a_gateway_gives_up(rotated: Rotated) -> None:
    rotated.entra.entra.tenant.fail("addPassword", Fault(504, "UnknownError", "Gateway time-out.", after=True))
    error = await failure(rotated.issue())
    assert (error.transient, error.outcome) == (True, Outcome.UNKNOWN)
    assert len(rotated.entra.billing.secrets) == 2


async def test_a_page_for_an_answer_leaves_open_what_happened(rotated: Rotated) -> None:
    rotated.entra.entra.tenant.fail("addPassword", replace(page(), after=True))
    error = await failure(rotated.issue())
    assert "proxy" in error.message
    assert (error.transient, error.outcome) == (True, Outcome.UNKNOWN)


async def test_what_a_lost_answer_made_is_revoked_by_its_marker(rotated: Rotated) -> None:
    mine, other = await rotated.issue(rotated.candidate("a1")), await rotated.issue(rotated.candidate("a2"))
    await rotated.revoke(rotated.candidate("a1"))
    assert mine.values["keyId"] not in rotated.entra.key_ids()
    assert rotated.entra.key_ids() == [rotated.entra.foreign.key_id, other.values["keyId"]]
    await rotated.revoke(rotated.candidate("a1"))


async def test_what_is_published_is_not_touched_whatever_it_is_called(rotated: Rotated) -> None:
    active = await rotated.issue()
    issued = await rotated.issue(again=True, active=active)
    assert active.values["keyId"] in rotated.entra.key_ids()
    await rotated.verify(active)
    await rotated.verify(issued)


async def test_whoever_resumes_after_months_gets_a_secret_that_lives(rotated: Rotated) -> None:
    old = rotated.candidate()
    assert old.expires_at is not None
    stale = Credential(old.values, datetime.now(UTC) - timedelta(days=5))
    issued = await rotated.issue(stale, again=True)
    assert issued.expires_at is not None
    assert issued.expires_at > datetime.now(UTC) + timedelta(days=60)


async def test_throttling_and_other_peoples_changes_are_waited_out(rotated: Rotated) -> None:
    rotated.entra.entra.tenant.fail("addPassword", throttled(), concurrent())
    issued = await rotated.issue()
    rotated.entra.entra.tenant.fail("removePassword", concurrent())
    await rotated.revoke(issued)
    assert rotated.entra.calls("addPassword") == 3
    assert rotated.entra.calls("removePassword") == 2
    assert len(rotated.entra.key_ids()) == 1


async def test_a_long_throttling_is_left_to_the_loop(rotated: Rotated) -> None:
    rotated.entra.entra.tenant.fail("addPassword", throttled(300))
    error = await failure(rotated.issue())
    assert (error.transient, error.outcome) == (True, Outcome.UNCHANGED)
    assert rotated.entra.calls("addPassword") == 1


async def test_refusals_change_nothing(rotated: Rotated) -> None:
    policy = Fault(400, "CredentialInvalidLifetimeAsPerAppPolicy", "Too long.")
    full = Fault(400, "Directory_ResourceSizeExceeded", "Too many.")
    for fault, message, remedy in [
        (policy, "does not allow a secret to live that long", "Shorten the rotation interval."),
        (full, "too many client secrets", "Remove those"),
        (Fault(403, "Authorization_RequestDenied", "Insufficient privileges."), "denies it", OWNED_BY),
        (Fault(401, "InvalidAuthenticationToken", "Invalid audience."), "does not accept the token", "one cloud"),
    ]:
        rotated.entra.entra.tenant.fail("addPassword", fault)
        error = await failure(rotated.issue())
        assert isinstance(error, TargetRefused)
        assert error.outcome is Outcome.UNCHANGED
        assert message in error.message
        assert remedy in error.remedy
    assert len(rotated.entra.billing.secrets) == 1


async def test_an_application_that_was_deleted(rotated: Rotated) -> None:
    issued = await rotated.issue()
    rotated.entra.entra.tenant.remove_application(rotated.entra.billing)
    await rotated.revoke(issued)
    await rotated.revoke(rotated.candidate())
    error = await failure(rotated.issue(again=True))
    assert type(error).__name__ == "NotThere"
    assert "App registrations" in error.remedy
    assert isinstance(await failure(rotated.verify(issued)), CredentialRefused)


async def test_an_expired_secret_is_told_from_a_wrong_one(rotated: Rotated) -> None:
    issued = await rotated.issue()
    rotated.entra.billing.secrets[-1].end = datetime.now(UTC) - timedelta(days=1)
    error = await failure(rotated.verify(issued))
    assert isinstance(error, CredentialRefused)
    assert "has expired" in error.message


async def test_no_service_principal_is_no_matter_of_patience(rotated: Rotated) -> None:
    issued = await rotated.issue()
    rotated.entra.billing.principal = None
    error = await failure(rotated.verify(issued))
    assert type(error) is TargetRefused
    assert error.remedy == f"az ad sp create --id {rotated.entra.billing.client_id}"


async def test_secrets_of_a_former_application_are_removed_there(rotated: Rotated) -> None:
    issued = await rotated.issue()
    other = rotated.entra.entra.tenant.add_application("Shop")
    assert rotated.entra.keyturn.principal is not None
    other.owners.add(rotated.entra.keyturn.principal)
    heir = AzureParameters.model_validate({"objectId": other.id, "clientId": other.client_id})
    assert PROVIDER.identity(heir, 0) != PROVIDER.identity(rotated.parameters, 0)
    await PROVIDER.issue(rotated.target, heir, Issue(0, rotated.candidate("a2"), previous=issued, active=issued))
    await PROVIDER.retire(rotated.target, rotated.parameters, issued)
    assert rotated.entra.key_ids() == [rotated.entra.foreign.key_id]
    assert len(rotated.entra.key_ids(other)) == 1


_CALLS = """
import asyncio, json, sys, time
from providers.azure import AzureSecretCredentials, AzureTarget
from providers.azure_client_secret import PROVIDER, AzureParameters
from providers.base import CandidateRequest, Issue
from datetime import UTC, datetime
credentials, parameters = json.loads(sys.stdin.read())

async def main():
    target = AzureTarget(AzureSecretCredentials.model_validate(credentials))
    given = AzureParameters.model_validate(parameters)
    longest, last = 0.0, time.perf_counter()

    async def tick():
        nonlocal longest, last
        while True:
            await asyncio.sleep(0.001)
            longest, last = max(longest, time.perf_counter() - last), time.perf_counter()

    ticking = asyncio.create_task(tick())
    await target.directory()
    before, opened = set(sys.modules), longest
    candidate = PROVIDER.candidate(given, CandidateRequest(0, "a1", datetime.now(UTC), 30, None))
    issued = await PROVIDER.issue(target, given, Issue(0, candidate, again=True))
    await PROVIDER.verify(target, given, issued)
    await PROVIDER.revoke(target, given, issued)
    ticking.cancel()
    await target.close()
    print(json.dumps([opened, longest, sorted(set(sys.modules) - before)]))

asyncio.run(main())
"""


def test_what_is_imported_late_is_imported_in_a_thread(entra: Standing) -> None:
    given = json.dumps([entra.credentials(), entra.parameters()])
    ran = subprocess.run([sys.executable, "-c", _CALLS], input=given, capture_output=True, text=True, check=True)
    opened, longest, imported = json.loads(ran.stdout)
    print(f"longest block of the loop: {opened * 1000:.0f} ms while importing, {longest * 1000:.0f} ms in all")
    assert [name for name in imported if name.startswith(("azure.identity", "msgraph", "kiota", "httpx"))] == []


# -- choosing ----------------------------------------------------------------------------------------------------


async def test_applications_are_found_by_name_and_by_id(rotated: Rotated) -> None:
    for number in range(5):
        rotated.entra.entra.tenant.add_application(f'Ünlü "shop" {number}')
    billing = rotated.entra.billing
    [found] = await PROVIDER.choices(rotated.target, " bill ", 10)
    assert (found.title, found.detail) == ("Billing service", billing.client_id)
    assert found.fills == rotated.entra.parameters()
    for query in (billing.id, billing.client_id):
        assert await PROVIDER.choices(rotated.target, query, 10) == [found]
    assert len(await PROVIDER.choices(rotated.target, 'ünlü "shop\\', 3)) == 3
    assert [choice.title for choice in await PROVIDER.choices(rotated.target, "", 2)] == ["Billing service", "Keyturn"]
    assert await PROVIDER.choices(rotated.target, "nothing of the kind", 10) == []


async def test_whoever_may_not_list_is_told(rotated: Rotated) -> None:
    rotated.entra.keyturn.permissions.clear()
    assert type(await failure(PROVIDER.choices(rotated.target, "", 10))) is TargetRefused
