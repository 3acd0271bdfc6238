"""The documented samples of AWS and Azure, as they stand, with this account's values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.ground import Api, Caller
from tests.entra import Standing, standing
from tests.standins.iam import Aws

BASE = "/api/v2/secret-rotations"
# What the responses of the reference pages hold; AWS's and Azure's are the same but for the parameters.
DOCUMENTED = {
    "id",
    "name",
    "description",
    "secretsMapping",
    "isAutoRotationEnabled",
    "activeIndex",
    "folderId",
    "connectionId",
    "createdAt",
    "updatedAt",
    "rotationInterval",
    "rotationStatus",
    "lastRotationAttemptedAt",
    "lastRotatedAt",
    "lastRotationJobId",
    "nextRotationAt",
    "isLastRotationManual",
    "connection",
    "environment",
    "projectId",
    "folder",
    "rotateAtUtc",
    "lastRotationMessage",
    "type",
    "parameters",
}


@pytest.fixture
def entra() -> Iterator[Standing]:
    yield from standing()


async def walk(ci: Caller, kind: str, body: dict[str, Any]) -> list[dict[str, str]]:
    """Create, rotate and check; the generated credentials, which no other answer may hold."""
    made = (await ci("POST", f"{BASE}/{kind}", body))["secretRotation"]
    assert made.keys() >= DOCUMENTED
    assert {key: made[key] for key in ("parameters", "secretsMapping", "rotationInterval")} == {
        key: body[key] for key in ("parameters", "secretsMapping", "rotationInterval")
    }
    path = f"{BASE}/{kind}/{made['id']}"
    rotated = await ci("POST", f"{path}/rotate-secrets")
    assert rotated["secretRotation"]["activeIndex"] == 1
    checked = await ci("POST", f"{path}/check-credentials")
    assert len(checked["checkedCredentials"]) == 2
    given: list[dict[str, str]] = (await ci("GET", f"{path}/generated-credentials"))["generatedCredentials"]
    secrets = [value for each in given for key, value in each.items() if key in ("secretAccessKey", "clientSecret")]
    assert len(secrets) == 2
    shown = str([made, rotated, checked, await ci("GET", path)])
    assert [secret for secret in secrets if secret in shown] == []
    await ci("DELETE", path, deleteSecrets="true", revokeGeneratedCredentials="true")
    return given


async def test_aws(api: Api, aws: Aws) -> None:
    ci = await api.caller()
    connection = await ci("POST", "/api/v1/app-connections/aws", aws.connection_body)
    body = {
        "name": "billing-keys",
        "projectId": "default",
        "connectionId": connection["appConnection"]["id"],
        "environment": "dev",
        "secretPath": "/",
        "rotationInterval": 2,
        "parameters": {"userName": aws.user, "region": "us-east-1"},
        "secretsMapping": {"accessKeyId": "AWS_ACCESS_KEY_ID", "secretAccessKey": "AWS_SECRET_ACCESS_KEY"},
        "description": "keys of the billing service",
        "isAutoRotationEnabled": True,
    }
    given = await walk(ci, "aws-iam-user-secret", body)
    assert not [each for each in given if aws.account.lets_in(each["accessKeyId"], each["secretAccessKey"])]
    assert aws.account.keys(aws.user) == {}
    assert aws.login.secret not in str(connection)


async def test_azure(api: Api, entra: Standing) -> None:
    ci = await api.caller()
    credentials = entra.credentials()
    connected = {"name": "my-entra", "method": "client-secret", "credentials": credentials}
    connection = await ci("POST", "/api/v1/app-connections/azure-client-secrets", connected)
    body = {
        "name": "billing-secret",
        "projectId": "default",
        "description": "secret of the billing service",
        "connectionId": connection["appConnection"]["id"],
        "environment": "dev",
        "secretPath": "/",
        "isAutoRotationEnabled": True,
        "rotationInterval": 2,
        "rotateAtUtc": {"hours": 11, "minutes": 29},
        "parameters": entra.parameters(),
        "secretsMapping": {"clientId": "AZURE_CLIENT_ID", "clientSecret": "AZURE_CLIENT_SECRET"},
    }
    await walk(ci, "azure-client-secret", body)
    assert credentials["clientSecret"] not in str(connection)
