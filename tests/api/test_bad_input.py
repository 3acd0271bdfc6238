"""What somebody may send who is mistaken, or means harm: a clear answer, and nothing changes."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from app.api import bodies
from tests.api.ground import CONNECTIONS, LOGIN, ROTATIONS, Api, assert_documented

MOVE = f"{ROTATIONS}/3c90c3cc-0d44-4b50-8888-8dd25736052a/move"
ROUTES = [LOGIN, CONNECTIONS, ROTATIONS, "/api/v3/secrets/raw/A"]


async def posted(api: Api, path: str, content: bytes, caller: Any) -> httpx.Response:
    headers = {"content-type": "application/json", **caller.client.headers}
    answer = await api.stranger.post(path, content=content, headers=headers)
    assert_documented(answer)
    return answer


# One application for all of them: none of them changes anything.
CONTENTS: list[tuple[bytes, int, str]] = [
    (b"", 400, "empty"),
    (b"{", 400, "not JSON"),
    (b'"text"', 422, "JSON object"),
    (b"[1]", 422, "JSON object"),
    (b'{"name": "\xff"}', 400, "not UTF-8"),
    (b'{"name": "\\ud800"}', 400, "no valid Unicode"),
    (b'{"\\udfff": 1}', 400, "no valid Unicode"),
    (b'{"a": NaN}', 400, "NaN"),
    (b'{"a": -Infinity}', 400, "Infinity"),
    (b'{"a": 1e999}', 400, "too large"),
    (b'{"a": ' + b"9" * 5000 + b"}", 400, "digits"),
    (b'{"a": 1, "a": 2}', 400, "twice"),
    (b"[" * 100_000, 400, "nested too deeply"),
    (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400, "nested too deeply"),
    (b'{"name": "' + b"x" * bodies.LARGEST + b'"}', 413, "too large"),
]
PATHS = [
    "/../etc",
    "/a/../../b",
    "a b",
    "/a\\b",
    "/%2e%2e/x",
    "/a\0b",
    "/" + "x" * 600,
    "/ä",
    "..",
    "/\r\nX: y",
    "/.",
    "/db/./eu",
]
NASTY = ["x\0y", "x\r\nSet-Cookie: a=b", "'; DROP TABLE rotation; --", "%00", "ä" * 5000, "{}", "[b]"]
FLAGS = {"": 404, "true": 404, "True": 404, "FALSE": 404, "maybe": 422, "true ": 422}


async def test_a_body_that_is_no_object_says_why(api: Api) -> None:
    ci = await api.caller()
    for content, status, said in CONTENTS:
        for path in ROUTES:
            if path == LOGIN and len(content) > bodies.LARGEST_OF_STRANGERS:
                continue
            answer = await posted(api, path, content, ci)
            assert answer.status_code == status, (path, answer.text)
            assert said in answer.json()["message"]
    assert (await ci("GET", CONNECTIONS))["appConnections"] == []


async def test_fifty_megabytes_are_read_to_their_end_and_refused(api: Api) -> None:
    ci = await api.caller()
    sent = 0

    async def chunks() -> Any:
        nonlocal sent
        for _ in range(50):
            sent += 1024 * 1024
            yield b" " * (1024 * 1024)

    answer = await api.stranger.post(CONNECTIONS, content=chunks(), headers=ci.client.headers)
    assert answer.status_code == 413
    assert_documented(answer)
    assert sent == 50 * 1024 * 1024


async def test_who_has_no_token_may_send_little(api: Api) -> None:
    body = b'{"clientId": "x", "clientSecret": "y", "organizationSlug": "%s"}'
    for path in (LOGIN, "/api/v1/auth/token/renew"):
        answer = await api.stranger.post(path, content=body % (b"z" * bodies.LARGEST_OF_STRANGERS))
        assert (answer.status_code, "16 KiB" in answer.json()["message"]) == (413, True)
    assert (await api.stranger.post(LOGIN, content=body % (b"z" * 15_000))).status_code == 401


async def test_a_body_that_does_not_come_is_not_waited_for(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "PATIENCE", 0.0)
    ci = await api.caller()

    async def nothing() -> Any:
        yield b"{"
        await asyncio.Event().wait()

    answer = await api.stranger.post(CONNECTIONS, content=nothing(), headers=ci.client.headers)
    assert answer.status_code == 408
    assert_documented(answer)


async def test_a_path_that_is_none_is_refused(api: Api) -> None:
    ci = await api.caller()
    for path in PATHS:
        query = {"projectId": "default", "environment": "dev", "secretPath": path}
        await ci("GET", f"{ROTATIONS}/rotation-name/x", expect=422, **query)
        body = {**query, "name": "x", "rotationInterval": 1, "parameters": {}, "secretsMapping": {}}
        assert "secretPath" in (await ci("POST", ROTATIONS, body, expect=422))["message"]


async def test_nasty_names_are_not_found_and_break_nothing(api: Api) -> None:
    ci = await api.caller()
    for name in (quote(nasty, safe="") for nasty in NASTY):
        for path in (
            f"{ROTATIONS}/{name}",
            f"{CONNECTIONS}/{name}",
            f"{CONNECTIONS}/connection-name/{name}",
            f"{ROTATIONS}?projectId={name}",
            f"{ROTATIONS}/rotation-name/{name}?projectId=default&environment=dev&secretPath=/",
            f"/api/v2/secret-rotations/{name}?projectId=default",
            f"/api/v1/app-connections/{name}",
        ):
            answer = await ci.client.get(path)
            assert answer.status_code in (404, 422), (path, answer.text)
            assert_documented(answer)
            assert "set-cookie" not in answer.headers


async def test_a_name_that_a_url_cannot_carry_is_not_kept(api: Api) -> None:
    ci = await api.caller()
    body = {"workspaceId": "default", "environment": "dev", "secretPath": "/", "secretValue": "x"}
    for name, said in {"%FF": "must be UTF-8", "%2E%2E": "must not be ..", "%2E": "must not be ."}.items():
        answer = await ci("POST", f"/api/v3/secrets/raw/{name}", body, expect=422)
        assert said in answer["message"]
    query: dict[str, Any] = {"workspaceId": "default", "environment": "dev"}
    await ci("GET", "/api/v3/secrets/raw/%FF", expect=422, **query)
    assert (await ci("GET", "/api/v3/secrets/raw", **query))["secrets"] == []


async def test_flags_are_words_of_any_case_and_empty_is_false(api: Api) -> None:
    ci = await api.caller()
    path = f"{ROTATIONS}/3c90c3cc-0d44-4b50-8888-8dd25736052a"
    for value, status in FLAGS.items():
        said = await ci("DELETE", path, expect=status, deleteSecrets=value)
        assert status == 404 or "deleteSecrets" in said["message"]


async def test_numbers_may_come_as_text_and_unknown_keys_are_ignored(api: Api) -> None:
    ci = await api.caller()
    body = {
        "name": " My-Name ",
        "projectId": "default",
        "environment": "dev",
        "secretPath": "/db/",
        "rotationInterval": "30",
        "rotateAtUtc": {"hours": "1", "minutes": 2.0},
        "parameters": {"username1": 5},
        "secretsMapping": {"username": "a:b", "password": True},
        "connectionId": 7,
        "App": "postgres",
    }
    said = await ci("POST", ROTATIONS, body, expect=422)
    fields = {detail["field"] for detail in said["details"]}
    assert fields == {
        "connectionId",
        "parameters.username1",
        "parameters.username2",
        "secretsMapping.username",
        "secretsMapping.password",
    }


async def test_methods_that_there_are_not(api: Api) -> None:
    ci = await api.caller()
    assert (await api.stranger.head("/api/status")).status_code == 200
    for method in ("PUT", "OPTIONS", "TRACE", "PROPFIND", "HEAD"):
        answer = await ci.client.request(method, MOVE)
        assert answer.status_code == 404
