"""Requests of Infisical's other clients for secrets, as they send them: spellings, extra keys, empty parameters."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.ground import Api, Caller, assert_documented

NODE = {"accept": "*/*", "accept-language": "*", "sec-fetch-mode": "cors", "user-agent": "node"}
TERRAFORM = {"User-Agent": "terraform", "Accept": "application/json", "Content-Type": "application/json"}
GO = {"User-Agent": "infisical-go-sdk", "Accept": "application/json"}
CLI = {"User-Agent": "cli", "Accept": "application/json"}
PYTHON = {
    "User-Agent": "python-requests/2.32",
    "Accept": "application/json",
    "Content-Type": "application/json",
    "Connection": "keep-alive",
}


@pytest.fixture
async def who(api: Api) -> Caller:
    """One secret is there: KEY at /db."""
    caller = await api.caller("terraform", project="default")
    body = {"workspaceId": "default", "environment": "dev", "secretPath": "/db", "secretValue": "hunter2"}
    await caller("POST", "/api/v3/secrets/raw/KEY", body)
    return caller


async def send(who: Caller, request: str, headers: dict[str, str], body: Any = None) -> httpx.Response:
    method, _, url = request.partition(" ")
    content: dict[str, Any] = {} if body is None else {"json": body}
    answer = await who.client.request(method, url, headers=headers, **content)
    assert answer.headers["content-type"] == "application/json"
    return answer


_FLAGS = "expandSecretReferences=true&include_imports=false&recursive=false"
LISTS = [
    (PYTHON, "v3/secrets/raw?workspaceId=default&environment=dev&secretPath=%2Fdb&viewSecretValue=true"),
    (PYTHON, f"v3/secrets/raw?workspaceSlug=default&environment=dev&secretPath=%2Fdb&{_FLAGS}"),
    (NODE, f"v3/secrets/raw?workspaceId=default&environment=dev&{_FLAGS}&secretPath=%2Fdb&viewSecretValue=true"),
    (GO, f"v3/secrets/raw?workspaceId=default&workspaceSlug=&environment=dev&secretPath=/db&{_FLAGS}"),
    (GO, f"v3/secrets/raw?workspaceId=&workspaceSlug=default&environment=dev&secretPath=/db&{_FLAGS}&tagSlugs="),
    (TERRAFORM, "v3/secrets/raw?environment=dev&workspaceId=default&expandSecretReferences=true&secretPath=%2Fdb"),
    (
        CLI,
        (
            "v4/secrets?projectId=default&environment=dev&secretPath=%2Fdb&includeImports=true&recursive=false"
            "&expandSecretReferences=true&includePersonalOverrides=true"
        ),
    ),
    (
        CLI,
        (
            "v4/secrets?projectId=default&environment=dev&secretPath=%2Fdb&includeImports=false&recursive=false"
            "&expandSecretReferences=false&includePersonalOverrides=false"
        ),
    ),
]
ONES = [
    (PYTHON, "v3/secrets/raw/KEY?workspaceId=default&viewSecretValue=true&environment=dev&secretPath=%2Fdb"),
    (
        NODE,
        (
            "v3/secrets/raw/KEY?secretName=KEY&workspaceId=default&environment=dev&expandSecretReferences=true"
            "&includeImports=false&secretPath=%2Fdb&viewSecretValue=true&type=shared&version=1"
        ),
    ),
    (GO, f"v3/secrets/raw/KEY?environment=dev&secretPath=/db&{_FLAGS}&type=shared&workspaceId=&workspaceSlug=default"),
    (TERRAFORM, "v3/secrets/raw/KEY?workspaceId=default&environment=dev&type=&secretPath=/db&viewSecretValue=true"),
    (
        CLI,
        (
            "v4/secrets/KEY?expandSecretReferences=true&includeImports=true&environment=dev&secretPath=%2Fdb"
            "&projectId=default&type=shared"
        ),
    ),
]


async def test_every_client_lists_and_gets_in_its_own_spelling(who: Caller) -> None:
    ids = set()
    for headers, url in LISTS:
        answer = await send(who, f"GET /api/{url}", headers)
        assert answer.status_code == 200, (url, answer.text)
        found = answer.json()
        assert found["imports"] == []
        assert [(s["secretKey"], s["secretValue"], s["type"]) for s in found["secrets"]] == [
            ("KEY", "hunter2", "shared")
        ]
        assert answer.headers["etag"]
        ids.add(found["secrets"][0]["_id"])
    for headers, url in ONES:
        answer = await send(who, f"GET /api/{url}", headers)
        assert answer.status_code == 200, (url, answer.text)
        assert answer.json()["secret"]["secretValue"] == "hunter2"
        ids.add(answer.json()["secret"]["id"])
    assert len(ids) == 1
    answer = await send(who, "GET /api/v3/secrets/raw/A%2FB%20C?workspaceId=default&environment=dev", NODE)
    assert answer.status_code == 404
    assert_documented(answer)


async def test_terraform_keeps_a_secret(who: Caller) -> None:
    """What it sends back at the next plan must be what it was answered."""
    base = {
        "workspaceId": "default",
        "type": "shared",
        "environment": "dev",
        "secretPath": "/db",
        "secretReminderNote": "renew",
        "secretReminderRepeatDays": 30,
        "secretComment": "",
    }
    create = {**base, "secretKey": "TF", "secretValue": "one", "tagIds": None, "secretMetadata": [], "ID": ""}
    made = (await send(who, "POST /api/v3/secrets/raw/TF", TERRAFORM, create)).json()["secret"]
    assert (made["secretReminderNote"], made["secretReminderRepeatDays"], made["tags"]) == ("renew", 30, [])
    read = await send(who, f"GET /api/v3/secrets/raw/id/{made['id']}", TERRAFORM)
    assert read.json()["secret"] == made

    update = {**base, "secretName": "TF", "newSecretName": "TF2", "secretValue": "two", "tagIds": []}
    update["secretMetadata"] = [{"key": "team", "value": "db", "isEncrypted": False}]
    changed = (await send(who, "PATCH /api/v3/secrets/raw/TF", TERRAFORM, update)).json()["secret"]
    assert (changed["id"], changed["secretKey"], changed["version"]) == (made["id"], "TF2", 2)
    assert changed["secretMetadata"] == [{"key": "team", "value": "db"}]
    cleared = {**update, "newSecretName": "", "secretReminderNote": "", "secretReminderRepeatDays": 0}
    again = (await send(who, "PATCH /api/v3/secrets/raw/TF2", TERRAFORM, cleared)).json()["secret"]
    assert (again["secretReminderNote"], again["secretReminderRepeatDays"], again["version"]) == (None, None, 2)

    where = {name: base[name] for name in ("workspaceId", "environment", "type", "secretPath")}
    gone = await send(who, "DELETE /api/v3/secrets/raw/TF2", TERRAFORM, {"secretName": "TF2", **where})
    assert (gone.status_code, gone.json()["secret"]["id"]) == (200, made["id"])
    assert (await send(who, f"GET /api/v3/secrets/raw/id/{made['id']}", TERRAFORM)).status_code == 404


async def test_the_command_line_and_node_write_theirs(who: Caller) -> None:
    cli = {"workspaceId": "default", "type": "shared", "environment": "dev", "secretPath": "/db", "secretValue": "1"}
    made = await send(who, "POST /api/v3/secrets/raw/CLI", CLI, {**cli, "tagIds": []})
    assert made.status_code == 200
    changed = await send(who, "PATCH /api/v3/secrets/raw/CLI", CLI, {**cli, "secretValue": "2"})
    assert changed.json()["secret"]["version"] == 2
    gone = await send(who, "DELETE /api/v3/secrets/raw/CLI", CLI, {**cli, "secretName": "CLI"})
    assert gone.status_code == 200

    node = {"workspaceId": "default", "environment": "dev", "secretValue": "1", "secretPath": "/db"}
    assert (await send(who, "POST /api/v3/secrets/raw/NODE", NODE, node)).status_code == 200
    changed = await send(
        who, "PATCH /api/v3/secrets/raw/NODE", NODE, {**node, "newSecretName": "NODE2", "metadata": {}}
    )
    assert changed.json()["secret"]["secretKey"] == "NODE2"
    del node["secretValue"]
    assert (await send(who, "DELETE /api/v3/secrets/raw/NODE2", NODE, node)).status_code == 200


async def test_go_asks_again_only_for_what_is_new(who: Caller) -> None:
    url = f"GET /api/{LISTS[3][1]}"
    tag = (await send(who, url, GO)).headers["etag"]
    again = await who.client.get(url.removeprefix("GET "), headers={**GO, "If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    body = {"workspaceId": "default", "environment": "dev", "secretPath": "/db", "secretValue": "other"}
    await who("PATCH", "/api/v3/secrets/raw/KEY", body)
    changed = await who.client.get(url.removeprefix("GET "), headers={**GO, "If-None-Match": tag})
    assert (changed.status_code, changed.json()["secrets"][0]["secretValue"]) == (200, "other")
