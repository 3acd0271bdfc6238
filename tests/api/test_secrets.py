"""Secrets over HTTP: what is read and by whom, what is written, and what the history tells of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString

import pytest

from app.operations.identities import READ
from app.views import Place
from store import trail
from tests.api.ground import Api, Caller, add_project, create, opened
from tests.cli.ground import Ground
from tests.conftest import Database
from tests.store.conftest import postgresql_url

V3, V4 = "/api/v3/secrets/raw", "/api/v4/secrets"
HERE: dict[str, Any] = {"workspaceId": "default", "environment": "dev"}
DOCUMENTED = {
    "id",
    "_id",
    "workspace",
    "workspaceId",
    "environment",
    "version",
    "type",
    "secretKey",
    "secretValue",
    "secretValueHidden",
    "secretComment",
    "secretPath",
    "createdAt",
    "updatedAt",
    "skipMultilineEncoding",
    "secretReminderNote",
    "secretReminderRepeatDays",
    "tags",
    "secretMetadata",
    "isRotatedSecret",
    "rotationId",
}


async def put(who: Caller, name: str, value: str, path: str = "/", **more: Any) -> dict[str, Any]:
    body = {**HERE, "secretPath": path, "secretValue": value, **more}
    found: dict[str, Any] = (await who("POST", f"{V3}/{name}", body))["secret"]
    return found


async def told(api: Api, action: str) -> list[tuple[str, str, str]]:
    """Actor, subject and message of the events of that kind, oldest first."""
    found = await api.service.history.recent(100)
    return [(e.actor, e.subject, e.message) for e in reversed(found) if e.action == action]


async def test_a_plain_secret_is_created_changed_renamed_and_deleted(api: Api) -> None:
    who = await api.caller()
    made = await put(who, "API_KEY", " one\n", "/app", secretComment="for tests", secretMetadata=[{"key": "a"}])
    assert made.keys() == DOCUMENTED
    assert (made["secretValue"], made["version"], made["secretPath"]) == (" one\n", 1, "/app")
    assert (made["secretComment"], made["secretMetadata"]) == ("for tests", [{"key": "a", "value": ""}])
    assert (made["isRotatedSecret"], made["rotationId"]) == (False, None)

    there = {**HERE, "secretPath": "/app"}
    changed = await who("PATCH", f"{V4}/API_KEY", {**there, "secretValue": "two", "newSecretName": "KEY"})
    assert changed["secret"] | {"updatedAt": ""} == made | {
        "secretKey": "KEY",
        "secretValue": "two",
        "version": 2,
        "updatedAt": "",
    }
    same = await who("PATCH", f"{V3}/KEY", {**there, "secretValue": "two", "secretComment": ""})
    assert (same["secret"]["version"], same["secret"]["secretComment"]) == (2, "")
    await who("GET", f"{V3}/API_KEY", expect=404, **there)
    assert (await who("GET", f"{V3}/KEY", **there, version="1"))["secret"]["secretValue"] == " one\n"
    assert (await who("GET", f"{V4}/KEY", **there))["secret"]["secretValue"] == "two"
    await who("GET", f"{V3}/KEY", expect=404, **there, version="3")
    assert (await who("GET", f"{V3}/id/{made['id']}"))["secret"]["secretValue"] == "two"

    gone = await who("DELETE", f"{V3}/KEY", {**there, "type": "shared"})
    assert (gone["secret"]["id"], gone["secret"]["secretValueHidden"]) == (made["id"], True)
    assert (await who("GET", V3, **there))["secrets"] == []
    for method, body in (("PATCH", {**there, "secretValue": "x"}), ("DELETE", there)):
        await who(method, f"{V3}/KEY", body, expect=404)
    await who("GET", f"{V3}/id/{made['id']}", expect=404)
    assert [message for _, _, message in await told(api, "update-secret")] == [
        "API_KEY, version 2, renamed to KEY",
        "KEY, what is told about it",
    ]
    assert await told(api, "create-secret") == [("api:ci", "dev /app", "API_KEY, version 1")]
    assert await told(api, "delete-secret") == [("api:ci", "dev /app", "KEY")]


async def test_lists_go_by_path_and_say_when_there_is_no_such_place(api: Api) -> None:
    who = await api.caller()
    for name, path in (("A", "/"), ("B", "/db"), ("C", "/db/eu"), ("D", "/DB"), ("E", "/dbx")):
        await put(who, name, "x", path)

    async def names(path: str, recursive: str, base: str = V3) -> list[str]:
        found = await who("GET", base, **HERE, secretPath=path, recursive=recursive)
        assert found["imports"] == []
        return [secret["secretKey"] for secret in found["secrets"]]

    assert await names("/db", "false") == ["B"]
    assert await names("/db/", "true", V4) == ["B", "C"]
    assert sorted(await names("/", "True")) == ["A", "B", "C", "D", "E"]
    await put(who, "F", "x", "/only/below")
    assert await names("/only", "false") == []
    for wrong in ({"environment": "nope"}, {"workspaceId": "nope"}, {"secretPath": "/nope"}, {"secretPath": "/d"}):
        for address in (V3, f"{V4}/A"):
            said = (await who("GET", address, expect=404, **{**HERE, **wrong}))["message"]
            assert "default" in said or "workspaceId" in wrong  # by its slug, not by an id that nobody knows
    for wrong in ({"secretPath": "/../etc"}, {"environment": ""}, {"workspaceId": ""}, {"recursive": "perhaps"}):
        await who("GET", V3, expect=422, **{**HERE, **wrong})
    assert (await who("GET", f"{V3}/", **HERE))["secrets"][0]["secretKey"] == "A"
    for wrong in ({"tagSlugs": "a,b"}, {"type": "personal"}, {"version": "0"}):
        await who("GET", V3, expect=422, **HERE, **wrong)

    found = await who("GET", "/api/v2/folders?projectId=default&environment=dev&path=%2F&recursive=False")
    assert [folder["name"] for folder in found["folders"]] == ["DB", "db", "dbx", "only"]
    found = await who("GET", "/api/v1/folders?workspaceId=default&environment=dev&path=/&recursive=true")
    assert [folder["path"] for folder in found["folders"]] == ["/DB", "/db", "/db/eu", "/dbx", "/only", "/only/below"]
    await who("GET", "/api/v2/folders?projectId=default&environment=dev&path=/nope", expect=404)


async def test_what_a_rotation_writes_is_read_and_refuses_every_write(api: Api, connected: Ground) -> None:
    who = await api.caller()
    rotation = await create(who, connected)
    name = rotation["secretsMapping"]["password"]
    secret = (await who("GET", f"{V3}/{name}", **HERE))["secret"]
    assert (secret["isRotatedSecret"], secret["rotationId"]) == (True, rotation["id"])
    assert connected.pg.login(connected.users[0], secret["secretValue"])
    for method, body in (
        ("PATCH", {"secretValue": "mine"}),
        ("PATCH", {"newSecretName": "OTHER"}),
        ("PATCH", {"secretComment": "mine"}),
        ("DELETE", {}),
    ):
        refused = await who(method, f"{V3}/{name}", {**HERE, **body}, expect=400)
        assert f"written by the rotation {rotation['name']} alone" in refused["message"]
        assert f"rotations rotate {rotation['name']}" in refused["message"]
    await who("POST", f"{V3}/{name}", {**HERE, "secretValue": "mine"}, expect=409)
    assert (await who("GET", f"{V3}/{name}", **HERE))["secret"] == secret

    await who("DELETE", f"/api/v2/secret-rotations/postgres-credentials/{rotation['id']}")
    assert (await who("PATCH", f"{V3}/{name}", {**HERE, "secretValue": "mine"}))["secret"]["version"] == 2


async def test_values_go_to_those_who_may_read_and_the_history_tells_so(api: Api) -> None:
    await api.service.store.awrite(add_project)
    await api.service.secrets.put(Place("other", "dev", "/"), "THEIRS", {"secretValue": "theirs"})
    theirs = (await api.service.secrets.documents.named(Place("other", "dev", "/"), "THEIRS")).id
    writer = await api.caller("writer", "manage")
    for name, path in (("A", "/db"), ("B", "/db/eu"), ("C", "/web"), ("D", "/db/eu/west")):
        await put(writer, name, "hunter2", path)
    for address in (V3, f"{V3}/A", "/api/v2/folders"):
        refused = await writer("GET", address, expect=403, **HERE, secretPath="/db")
        assert "lacks the right 'read'" in refused["message"]
    hidden = await writer("PATCH", f"{V3}/A", {**HERE, "secretPath": "/db", "secretComment": "x"})
    assert "hunter2" not in str(hidden)

    reader = await api.caller("reader", "read", paths=("/db", "/db/*"), environments=("dev",))
    for method in ("POST", "PATCH", "DELETE"):
        body = {**HERE, "secretPath": "/db", "secretValue": "x"}
        assert "'manage'" in (await reader(method, f"{V3}/A", body, expect=403))["message"]
    for wrong in ({"secretPath": "/web"}, {"secretPath": "/nope"}, {"environment": "prod"}):
        await reader("GET", V3, expect=403, **{**HERE, "secretPath": "/db", **wrong})
    await reader("GET", V3, expect=404, workspaceId="other", environment="dev")
    await reader("GET", f"{V3}/id/{theirs}", expect=404)
    assert await told(api, "get-secret") == []
    found = await reader("GET", V3, **HERE, secretPath="/db", recursive="true")
    assert [secret["secretKey"] for secret in found["secrets"]] == ["A", "B"]
    folders = await reader("GET", "/api/v2/folders", **HERE, path="/db", recursive="true")
    assert [folder["path"] for folder in folders["folders"]] == ["/db/eu"]
    await reader("GET", f"{V4}/A", **HERE, secretPath="/db")
    assert await told(api, "get-secrets") == [("api:reader", "dev /db", "A, /db/eu/B")]
    assert await told(api, "get-secret") == [("api:reader", "dev /db", "A")]


async def test_a_hidden_value_and_one_that_is_known_already_are_not_told_of(api: Api) -> None:
    who = await api.caller()
    await put(who, "KEY", "hunter2")
    hidden = (await who("GET", f"{V3}/KEY", **HERE, viewSecretValue="false"))["secret"]
    assert (hidden["secretValueHidden"], "hunter2" in str(hidden)) == (True, False)
    assert await told(api, "get-secret") == []

    tag = ""
    for address in (V3, f"{V4}/KEY"):
        first = await who.client.get(address, params=HERE)
        tag = first.headers["etag"]
        assert first.headers["cache-control"] == "no-store"
        for held in (f'"other",W/{tag} , "more"', "*"):
            again = await who.client.get(address, params=HERE, headers={"If-None-Match": held})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert len(await told(api, "get-secret")) + len(await told(api, "get-secrets")) == 2
    await who("PATCH", f"{V3}/KEY", {**HERE, "secretValue": "hunter3"})
    for address in (V3, f"{V4}/KEY"):
        other = await who.client.get(address, params=HERE, headers={"If-None-Match": tag})
        assert (other.status_code, "hunter3" in other.text, other.headers["etag"] != tag) == (200, True, True)


async def test_a_tag_opens_nothing_for_who_may_not_read(api: Api) -> None:
    who = await api.caller()
    await put(who, "A", "hunter2", "/db")
    await put(who, "B", "hunter3", "/db/eu")
    query = {**HERE, "secretPath": "/db", "recursive": "true"}
    tag = (await who.client.get(V3, params=query)).headers["etag"]
    blind, elsewhere = await api.caller("blind", "manage"), await api.caller("elsewhere", paths=("/web",))
    for held in (tag, "*"):
        for caller in (blind, elsewhere):
            refused = await caller.client.get(V3, params=query, headers={"If-None-Match": held})
            assert refused.status_code == 403
            assert "etag" not in refused.headers
    narrow = await (await api.caller("narrow", "read", paths=("/db",))).client.get(
        V3, params=query, headers={"If-None-Match": tag}
    )
    assert (narrow.status_code, [secret["secretKey"] for secret in narrow.json()["secrets"]]) == (200, ["A"])


async def test_reads_at_once_are_each_told_of_once(api: Api) -> None:
    who = await api.caller()
    await put(who, "KEY", "hunter2")
    answers = await asyncio.gather(*(who.client.get(f"{V3}/KEY", params=HERE) for _ in range(40)))
    assert {answer.status_code for answer in answers} == {200}
    assert await told(api, "get-secret") == [("api:ci", "dev /", "KEY")] * 40
    assert (await api.service.store.aread(trail.verify)).broken == ""


async def test_what_cannot_be_told_is_not_read(api: Api, home: Path) -> None:
    who = await api.caller()
    await put(who, "KEY", "hunter2")
    with contextlib.closing(sqlite3.connect(home / "keyturn.db")) as store:
        store.execute("ALTER TABLE event RENAME TO elsewhere")
        refused = await who("GET", f"{V3}/KEY", expect=503, **HERE)
        assert "hunter2" not in str(refused)
        await who("GET", f"{V3}/KEY", **HERE, viewSecretValue="false")
        store.execute("ALTER TABLE elsewhere RENAME TO event")
    assert (await who("GET", f"{V3}/KEY", **HERE))["secret"]["secretValue"] == "hunter2"
    assert await told(api, "get-secret") == [("api:ci", "dev /", "KEY")]


async def test_a_read_waits_for_who_writes_and_is_told_then(api: Api, home: Path) -> None:
    who = await api.caller()
    await put(who, "KEY", "hunter2")
    with contextlib.closing(sqlite3.connect(home / "keyturn.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        read = asyncio.create_task(who("GET", f"{V3}/KEY", **HERE))
        await who("GET", "/api/status")
        assert not read.done()
        other.execute("COMMIT")
    assert (await read)["secret"]["secretValue"] == "hunter2"
    assert await told(api, "get-secret") == [("api:ci", "dev /", "KEY")]


async def test_every_use_of_a_token_is_told(api: Api) -> None:
    await put(await api.caller(), "KEY", "hunter2")
    reader = await api.caller("reader", READ)
    await reader("GET", "/api/v2/secret-rotations", projectId="default")
    await reader("DELETE", f"{V3}/KEY", HERE, expect=403)
    await reader("GET", f"{V3}/OTHER", **HERE, expect=404)
    await reader("GET", f"{V3}/KEY", **HERE)
    assert await told(api, "api-request") == [
        ("api:reader", "GET /api/v2/secret-rotations", "200"),
        ("api:reader", f"DELETE {V3}/KEY", "403"),
        ("api:reader", f"GET {V3}/OTHER", "404"),
    ]
    assert await told(api, "get-secret") == [("api:reader", "dev /", "KEY")]


async def test_several_are_created_or_none(api: Api) -> None:
    who = await api.caller()
    body = {"workspaceId": "default", "environment": "dev", "secretPath": "/app"}
    two = [{"secretKey": "A", "secretValue": "1"}, {"secretKey": "B", "secretValue": "2", "secretComment": "b"}]
    made = await who("POST", "/api/v3/secrets/batch/raw", {**body, "secrets": two})
    assert [(s["secretKey"], s["secretValue"], s["secretComment"]) for s in made["secrets"]] == [
        ("A", "1", ""),
        ("B", "2", "b"),
    ]
    clash = [{"secretKey": "C", "secretValue": "3"}, {"secretKey": "A", "secretValue": "4"}]
    await who("POST", "/api/v4/secrets/batch", {**body, "secrets": clash}, expect=409)
    assert "at default/dev /app" in (await who("GET", f"{V3}/C", expect=404, **body))["message"]
    for amount, said in ((0, "must not be empty"), (501, "must have at most 500 entries")):
        many = {**body, "secrets": [{"secretKey": f"C{number}", "secretValue": ""} for number in range(amount)]}
        refused = await who("POST", "/api/v3/secrets/batch/raw", many, expect=422)
        assert refused["message"] == f"secrets: {said}"
    wrong = await who("POST", "/api/v3/secrets/batch/raw", {**body, "secrets": [{"secretKey": "a/b"}, {}]}, expect=422)
    assert {detail["field"] for detail in wrong["details"]} == {
        "secrets.0.secretKey",
        "secrets.0.secretValue",
        "secrets.1.secretKey",
        "secrets.1.secretValue",
    }


async def test_who_writes_is_answered_with_what_it_sent_whatever_others_write(api: Api) -> None:
    """It may not read: an answer with another one's value would give that away."""
    who = await api.caller("writer", "manage")
    await put(who, "KEY", "begun")
    sent = [str(number) for number in range(40)]
    answers = await asyncio.gather(*(who("PATCH", f"{V3}/KEY", {**HERE, "secretValue": value}) for value in sent))
    assert [answer["secret"]["secretValue"] for answer in answers] == sent
    assert {answer["secret"]["version"] for answer in answers} == set(range(2, 42))


async def test_who_may_not_read_is_told_no_comment_but_its_own(api: Api) -> None:
    """Comments and metadata are sealed as values are."""
    who, writer = await api.caller(), await api.caller("writer", "manage")
    await put(who, "KEY", "hunter2", secretComment="begins like the old one", secretMetadata=[{"key": "hint"}])
    answers = [await writer("PATCH", f"{V4}/KEY", {**HERE, **more}) for more in ({}, {"secretReminderNote": "mine"})]
    assert [answer["secret"]["secretReminderNote"] for answer in answers] == [None, "mine"]
    assert (await who("PATCH", f"{V4}/KEY", HERE))["secret"]["secretMetadata"] == [{"key": "hint", "value": ""}]
    answers.append(await writer("DELETE", f"{V4}/KEY", HERE))
    assert [text for text in ("hunter2", "begins", "hint") if text in str(answers)] == []


async def test_a_place_is_read_under_its_documented_names_alone(api: Api) -> None:
    who = await api.caller(paths=("/",))
    assert (await put(who, "KEY", "hunter2"))["secretPath"] == "/"
    body = {**HERE, "secret_path": "/db", "secretValue": "hunter3"}
    assert (await who("PATCH", f"{V4}/KEY", body))["secret"]["secretPath"] == "/"
    assert (await who("GET", f"{V3}/KEY", **HERE, secret_path="/db"))["secret"]["secretPath"] == "/"


async def test_times_are_in_utc_whatever_zone_a_database_server_is_set_to(
    home: Path, pg: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone: LiteralString = "EXECUTE format('ALTER DATABASE %I SET timezone = %L', current_database(), 'Asia/Tokyo')"
    pg.execute("DO $$ BEGIN " + zone + "; END $$")
    monkeypatch.setenv("KEYTURN_DATABASE_URL", postgresql_url(pg))
    at = datetime(2026, 3, 4, 23, 30, 5, 678000, UTC)
    async with opened(lambda: at) as api:
        who = await api.caller()
        made = await put(who, "KEY", "hunter2", "/db")
        assert (await who("GET", V3, **HERE, recursive="true"))["secrets"] == [made]
        assert made["createdAt"] == made["updatedAt"] == "2026-03-04T23:30:05.678Z"


async def test_a_body_in_chunks_says_what_to_delete(api: Api) -> None:
    who = await api.caller()
    await put(who, "KEY", "hunter2")

    async def chunks() -> AsyncIterator[bytes]:
        yield json.dumps(HERE).encode()

    answer = await who.client.request("DELETE", f"{V3}/KEY", content=chunks())
    assert (answer.status_code, answer.json()["secret"]["secretKey"]) == (200, "KEY")


@pytest.mark.parametrize(
    ("name", "body", "field"),
    [
        ("a:b", {}, "secretName"),
        ("a/b", {}, "secretName"),
        ("X", {"secretValue": "a\0b"}, "secretValue"),
        ("X", {"secretValue": "x" * (64 * 1024 + 1)}, "secretValue"),
        ("X", {"secretValue": 5}, "secretValue"),
        ("X", {"secretPath": "/a/../b"}, "secretPath"),
        ("X", {"secretPath": False}, "secretPath"),
        ("X", {"secretPath": "/" + "x" * 512}, "secretPath"),
        ("X", {"type": "personal"}, "type"),
        ("X", {"tagIds": ["t1"]}, "tagIds"),
        ("X", {"secretComment": "x" * 1025}, "secretComment"),
        ("X", {"environment": None}, "environment"),
        ("X", {"workspaceId": ""}, "projectId"),
    ],
)
async def test_a_body_that_is_not_valid_names_the_field(api: Api, name: str, body: dict[str, Any], field: str) -> None:
    who = await api.caller()
    refused = await who("POST", f"{V3}/{name}", {**HERE, "secretValue": "hunter2", **body}, expect=422)
    assert [detail["field"] for detail in refused["details"]] == [field]
    assert "hunter2" not in refused["message"]
    assert (await who("GET", V3, **HERE, recursive="true"))["secrets"] == []
