"""Connections to Entra and the rotation of an application's client secrets, from the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.demo.entra_tenant import Application, Certificate
from tests.cli.ground import Ran, done, keyturn, without_secrets
from tests.entra import Standing, certificate_and_key, standing

NAME, CONNECTION = "billing-secret", "my-entra"
TYPE, APP = "azure-client-secret", "azure-client-secrets"


@pytest.fixture
def entra() -> Iterator[Standing]:
    yield from standing()


@pytest.fixture
def connected(ready: Path, entra: Standing) -> Standing:
    done("connections", "add", APP, "--file", "-", stdin=json.dumps(connection_body(entra)))
    return entra


@pytest.fixture
def created(connected: Standing) -> Standing:
    create(connected)
    return connected


def connection_body(entra: Standing, **different: Any) -> dict[str, Any]:
    return {"name": CONNECTION, "method": "client-secret", "credentials": entra.credentials(**different)}


def rotation_body(entra: Standing, **changes: Any) -> dict[str, Any]:
    """The documented sample body, with this tenant's values."""
    return {
        "name": NAME,
        "projectId": "default",
        "description": "secret of the billing service",
        "connectionId": CONNECTION,
        "environment": "dev",
        "secretPath": "/",
        "isAutoRotationEnabled": True,
        "rotationInterval": 30,
        "rotateAtUtc": {"hours": 11, "minutes": 29},
        "parameters": entra.parameters(),
        "secretsMapping": {"clientId": "AZURE_CLIENT_ID", "clientSecret": "AZURE_CLIENT_SECRET"},
        **changes,
    }


def create(entra: Standing, **changes: Any) -> dict[str, Any]:
    body = json.dumps(rotation_body(entra, **changes))
    document: dict[str, Any] = done("rotations", "create", TYPE, "--file", "-", "--json", stdin=body).json[
        "secretRotation"
    ]
    return document


def edited(**changes: Any) -> Ran:
    return keyturn("rotations", "edit", NAME, "--file", "-", "--json", stdin=json.dumps(changes))


def published() -> tuple[str, str]:
    values = done("secrets", "export", "--format", "json").json
    return values["AZURE_CLIENT_ID"], values["AZURE_CLIENT_SECRET"]


def owned(entra: Standing, name: str) -> Application:
    made = entra.entra.tenant.add_application(name)
    assert entra.keyturn.principal is not None
    made.owners.add(entra.keyturn.principal)
    return made


def parameters_of(application: Application) -> dict[str, str]:
    return {"objectId": application.id, "clientId": application.client_id, "appName": application.name}


# -- connections -------------------------------------------------------------------------------------------------


def test_a_connection_is_tested_kept_and_shown_without_its_secret(ready: Path, entra: Standing) -> None:
    body = json.dumps(connection_body(entra))
    added = done("connections", "add", APP, "--file", "-", "--json", stdin=body)
    document = added.json["appConnection"]
    assert (document["app"], document["method"]) == (APP, "client-secret")
    public = {name: value for name, value in entra.credentials().items() if name != "clientSecret"}
    assert document["credentials"] == public
    tested = done("connections", "test", CONNECTION)
    assert tested.out.startswith("Microsoft Graph at 127.0.0.1 for tenant ")
    said = added.said + tested.said + done("connections", "show", CONNECTION).said + done("connections", "list").said
    assert without_secrets(said, [entra.secret.text])


def test_a_certificate_works_as_well(ready: Path, entra: Standing) -> None:
    certificate, key = certificate_and_key()
    entra.keyturn.certificates.append(Certificate(certificate))
    body = connection_body(entra, certificateBody=certificate, privateKey=key)
    del body["credentials"]["clientSecret"]
    body["method"] = "certificate"
    done("connections", "add", APP, "--file", "-", stdin=json.dumps(body))
    create(entra)
    assert entra.logs_in(*published())
    assert without_secrets(done("connections", "show", CONNECTION, "--json").said, key.splitlines()[1:3])
    assert without_secrets(done("connections", "list").said, certificate.splitlines()[1:3])


def test_what_may_be_picked_goes_into_a_body_as_it_is(connected: Standing) -> None:
    listed = done("connections", "choices", CONNECTION, "--filter", "billing", "--json").json
    assert listed["type"] == TYPE
    [choice] = listed["choices"]
    assert choice["parameters"] == connected.parameters()
    create(connected, parameters=choice["parameters"])
    assert connected.logs_in(*published())


def test_a_connection_that_is_refused_is_not_kept(ready: Path, entra: Standing) -> None:
    body = json.dumps(connection_body(entra, clientSecret="~wrong-secret-0123456789"))
    ran = keyturn("connections", "add", APP, "--file", "-", stdin=body)
    assert ran.code == 1
    assert "AADSTS7000215" in ran.err
    assert "not the secret's ID" in ran.err
    assert without_secrets(ran.said, ["~wrong-secret-0123456789"])
    assert done("connections", "list", "--json").json == {"appConnections": []}


# -- rotations ---------------------------------------------------------------------------------------------------


def test_the_documented_sample_body_makes_a_rotation(connected: Standing) -> None:
    document = create(connected)
    assert document["type"] == TYPE
    assert document["parameters"] == connected.parameters()
    assert document["secretsMapping"] == {"clientId": "AZURE_CLIENT_ID", "clientSecret": "AZURE_CLIENT_SECRET"}
    assert (document["activeIndex"], document["rotationStatus"]) == (0, "success")
    assert document["connection"]["app"] == APP
    assert published()[0] == connected.billing.client_id
    assert connected.logs_in(*published())
    assert len(connected.key_ids()) == 2


def test_credentials_are_shown_when_asked_for_and_nowhere_else(created: Standing) -> None:
    first = published()
    rotated = done("rotations", "rotate", NAME)
    second = published()
    found = done("rotations", "credentials", NAME, "--json").json
    assert (found["type"], found["activeIndex"]) == (TYPE, 1)
    mine = [key_id for key_id in created.key_ids() if key_id != created.foreign.key_id]
    assert found["generatedCredentials"] == [
        {"clientId": client_id, "clientSecret": secret, "keyId": key_id}
        for (client_id, secret), key_id in zip((first, second), mine, strict=True)
    ]
    told = [rotated.said, done("rotations", "show", NAME).said, done("rotations", "show", NAME, "--json").said]
    told += [done("rotations", "history", NAME).said, done("events").said, done("rotations", "check", NAME).said]
    assert without_secrets("".join(told), [first[1], second[1], created.secret.text])


def test_an_edit_moves_on_to_another_application(created: Standing) -> None:
    done("rotations", "rotate", NAME)
    former, shop = published(), owned(created, "Shop")
    ran = edited(parameters=parameters_of(shop))
    assert ran.code == 0, ran.said
    assert published()[0] == shop.client_id
    assert created.logs_in(*published())
    assert created.logs_in(*former)
    done("rotations", "delete", NAME, "--yes", "--revoke")
    assert created.key_ids() == [created.foreign.key_id]
    assert created.key_ids(shop) == []


def test_another_name_for_the_same_application_issues_nothing(created: Standing) -> None:
    before = published()
    assert edited(parameters=created.parameters(appName="Billing, new")).code == 0
    assert published() == before
    assert len(created.key_ids()) == 2


@pytest.mark.parametrize("wrong", ["client id", "nobody", "no owner"])
def test_what_would_not_work_is_refused_before_anything_is_made(connected: Standing, wrong: str) -> None:
    parameters, shop = connected.parameters(), connected.entra.tenant.add_application("Shop")
    if wrong == "client id":
        parameters["objectId"] = connected.billing.client_id
    elif wrong == "nobody":
        parameters["objectId"] = shop.client_id
    else:
        parameters = parameters_of(shop)
    body = json.dumps(rotation_body(connected, parameters=parameters))
    ran = keyturn("rotations", "create", TYPE, "--file", "-", stdin=body)
    assert ran.code in (1, 2)
    told = {"client id": "client ID once more", "nobody": "not its object ID", "no owner": "az ad app owner add"}
    assert told[wrong] in ran.said
    assert done("rotations", "list", "--json").json == {"secretRotations": []}
    assert connected.key_ids() == [connected.foreign.key_id]


def test_the_expiry_is_kept(created: Standing) -> None:
    [_, mine] = created.billing.secrets
    lives = mine.end - datetime.now(UTC)
    assert timedelta(days=66) < lives <= timedelta(days=67)
