"""What is looked at in a tenant on loopback before an application's secrets are rotated, and what is said about it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from app.demo.entra_tenant import ALL, OWNED_BY, Fault
from providers.azure import AzureSecretCredentials, AzureTarget
from providers.azure_client_secret import PROVIDER, AzureParameters
from providers.azure_preflight import BELONG, EXISTS, LOGIN, NUMBER, PERMITTED, SIGN_IN
from providers.base import Check, CheckResult
from tests.entra import Standing, standing

NOBODY = "6f9619ff-8b86-d011-b42d-00c04fc964ff"


@dataclass(frozen=True)
class Tenant:
    entra: Standing
    target: AzureTarget

    async def checks(self, **different: Any) -> dict[str, Check]:
        """By title."""
        parameters = AzureParameters.model_validate(self.entra.parameters(**different))
        return {check.title: check for check in await PROVIDER.preflight(self.target, parameters)}


@pytest.fixture
def entra() -> Iterator[Standing]:
    yield from standing()


@pytest.fixture
async def tenant(entra: Standing) -> AsyncIterator[Tenant]:
    target = AzureTarget(AzureSecretCredentials.model_validate(entra.credentials()))
    yield Tenant(entra, target)
    await target.close()


def results(checks: dict[str, Check]) -> dict[str, CheckResult]:
    return {title: check.result for title, check in checks.items()}


PASSED, FAILED, WARNING = CheckResult.PASSED, CheckResult.FAILED, CheckResult.WARNING


async def test_an_owner_passes(tenant: Tenant) -> None:
    checks = await tenant.checks()
    assert results(checks) == dict.fromkeys((SIGN_IN, EXISTS, BELONG, LOGIN, PERMITTED, NUMBER), PASSED)
    assert checks[NUMBER].detail == "1, 1 of them not made by Keyturn; those are left alone."
    assert len(tenant.entra.billing.secrets) == 1


async def test_whoever_may_change_all_passes(tenant: Tenant) -> None:
    tenant.entra.billing.owners.clear()
    tenant.entra.keyturn.permissions = {ALL}
    assert (await tenant.checks())[PERMITTED].detail == ALL


async def test_a_directory_role_is_found_by_trying(tenant: Tenant) -> None:
    tenant.entra.keyturn.permissions.clear()
    tenant.entra.keyturn.administers = True
    tenant.entra.entra.tenant.opaque_tokens = True
    assert (await tenant.checks())[PERMITTED].result is PASSED
    assert len(tenant.entra.billing.secrets) == 1


async def test_owners_that_may_not_be_listed_are_no_obstacle(tenant: Tenant) -> None:
    tenant.entra.entra.tenant.fail("owners", Fault(403, "Authorization_RequestDenied", "Insufficient privileges."))
    check = (await tenant.checks())[PERMITTED]
    assert (check.result, check.detail) == (PASSED, f"{OWNED_BY}, tried")


async def test_who_is_no_owner_is_told_how_to_become_one(tenant: Tenant) -> None:
    tenant.entra.billing.owners.clear()
    check = (await tenant.checks())[PERMITTED]
    assert check.result is FAILED
    assert check.remedy == (
        f"az ad app owner add --id {tenant.entra.billing.id} --owner-object-id {tenant.entra.keyturn.principal}"
    )


async def test_a_permission_that_is_missing_is_named(tenant: Tenant) -> None:
    tenant.entra.keyturn.permissions = {"Application.Read.All"}
    check = (await tenant.checks())[PERMITTED]
    assert check.result is FAILED
    assert OWNED_BY in check.detail
    assert ALL in check.remedy


async def test_ids_that_were_mixed_up_are_sorted_out(tenant: Tenant) -> None:
    billing = tenant.entra.billing
    check = (await tenant.checks(objectId=billing.client_id))[EXISTS]
    assert check.detail == f"{billing.client_id} is the client ID of Billing service, not its object ID."
    assert check.remedy == f"The object ID of Billing service is {billing.id}"
    check = (await tenant.checks(objectId=NOBODY))[EXISTS]
    assert check.detail == f"No application has the object ID {NOBODY}."
    assert check.remedy == f"The object ID of Billing service is {billing.id}"
    check = (await tenant.checks(clientId=NOBODY))[BELONG]
    assert (check.result, check.remedy) == (FAILED, f"The client ID of Billing service is {billing.client_id}")
    check = (await tenant.checks(objectId=NOBODY, clientId=NOBODY))[EXISTS]
    assert check.result is FAILED


async def test_a_missing_service_principal_is_seen_before_anything_is_made(tenant: Tenant) -> None:
    tenant.entra.billing.principal = None
    check = (await tenant.checks())[LOGIN]
    assert (check.result, check.remedy) == (FAILED, f"az ad sp create --id {tenant.entra.billing.client_id}")


async def test_many_secrets_are_warned_of(tenant: Tenant) -> None:
    for _ in range(20):
        tenant.entra.entra.tenant.add_secret(tenant.entra.billing)
    assert (await tenant.checks())[NUMBER].result is WARNING


async def test_a_sign_in_that_fails_is_the_only_check(tenant: Tenant) -> None:
    tenant.entra.keyturn.secrets.clear()
    checks = await tenant.checks()
    assert results(checks) == {SIGN_IN: FAILED}
    assert "not the secret's ID" in checks[SIGN_IN].remedy
