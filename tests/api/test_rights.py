"""Who may what, and what another project's identity finds out: nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.errors import InvalidInput
from app.operations.identities import MANAGE, READ, READ_CREDENTIALS, RIGHTS, ROTATE, NewIdentity
from app.operations.logins import path_matches
from tests.api.ground import CONNECTIONS, LOGIN, ROTATIONS, Api, add_project, create, opened
from tests.cli.ground import Ground

ONE = f"{ROTATIONS}/{{id}}"
CALLS: list[tuple[str, str, Any]] = [
    ("GET", ONE, None),
    ("GET", f"{ONE}/generated-credentials", None),
    ("POST", f"{ONE}/check-credentials", None),
    ("POST", f"{ONE}/rotate-secrets", None),
    ("PATCH", ONE, {"rotationInterval": 7}),
    ("POST", f"{ONE}/move", {"destinationEnvironment": "prod", "destinationSecretPath": "/"}),
    ("DELETE", ONE, None),
]
OPEN = {"/api/status", "/api/docs/json", LOGIN, "/api/v1/auth/token/renew"}
NEEDED = {
    f"{method} {base}{path}": right
    for right, routes in {
        READ: {
            "/api/v2/secret-rotations": ["GET ", "GET /options", "GET /{type}", "GET /{type}/{rotationId}"],
            "/api/v2/secret-rotations/{type}": ["GET /rotation-name/{rotationName}"],
            "/api/v1/app-connections": ["GET ", "GET /options", "GET /{app}", "GET /{app}/available"],
            "/api/v1/app-connections/{app}": ["GET /{connectionId}", "GET /connection-name/{connectionName}"],
            "/api/v3/secrets/raw": ["GET ", "GET /{name:path}", "GET /id/{secretId}"],
            "/api/v4/secrets": ["GET ", "GET /{name:path}", "GET /id/{secretId}"],
            "/api": ["GET /v1/folders", "GET /v2/folders"],
        },
        READ_CREDENTIALS: {
            "/api/v2/secret-rotations/{type}/{rotationId}": ["GET /generated-credentials", "POST /check-credentials"],
        },
        ROTATE: {"/api/v2/secret-rotations/{type}/{rotationId}": ["POST /rotate-secrets"]},
        MANAGE: {
            "/api/v2/secret-rotations/{type}": ["POST ", "PATCH /{rotationId}", "DELETE /{rotationId}"],
            "/api/v2/secret-rotations/{type}/{rotationId}": ["POST /move"],
            "/api/v1/app-connections/{app}": ["POST ", "PATCH /{connectionId}", "DELETE /{connectionId}"],
            "/api/v3/secrets": ["POST /raw/{name:path}", "PATCH /raw/{name:path}", "DELETE /raw/{name:path}"],
            "/api/v4/secrets": ["POST /{name:path}", "PATCH /{name:path}", "DELETE /{name:path}", "POST /batch"],
            "/api/v3/secrets/batch": ["POST /raw"],
        },
    }.items()
    for base, paths in routes.items()
    for method, _, path in (one.partition(" ") for one in paths)
}


async def test_every_route_wants_one_right_and_names_it(api: Api) -> None:
    """A route that is not among them fails, too: whoever adds one says who may use it."""
    assert isinstance(api.gate.inner, FastAPI)
    found = [
        f"{method} {route.path}"
        for route in api.gate.inner.routes
        if isinstance(route, APIRoute) and route.path not in OPEN
        for method in route.methods or ()
    ]
    assert sorted(found) == sorted(NEEDED)
    names = {"type": "postgres-credentials", "app": "postgres"}
    query = {"projectId": "default", "environment": "dev", "secretPath": "/"}
    for right in RIGHTS:
        others = await api.caller(f"no-{right}", *(one for one in RIGHTS if one != right))
        for route, needed in NEEDED.items():
            method, _, path = route.partition(" ")
            address = re.sub(r"\{(\w+).*?\}", lambda part: names.get(part[1], "any"), path)
            body = None if method == "GET" else query
            answer = await others.client.request(method, address, params=query, json=body)
            refused = answer.status_code == 403 and f"lacks the right {right!r}." in answer.json()["message"]
            assert refused == (needed == right), (route, right, answer.text)


async def test_another_project_has_nothing(connected: Ground) -> None:
    async with opened() as api:
        created = await create(await api.caller(), connected)
        api.service.store.write(add_project)
        ids = {"id": created["id"], "connection": created["connectionId"]}
        stranger = await api.caller("stranger", project="other")
        absent = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
        for method, path, body in CALLS:
            there = await stranger(method, path.format_map(ids), body, expect=404)
            nowhere = await stranger(method, path.format_map({"id": absent}), body, expect=404)
            assert there["message"].replace(ids["id"], "") == nowhere["message"].replace(absent, "")
        known = await stranger("GET", "/api/v2/secret-rotations?projectId=default", expect=404)
        unknown = await stranger("GET", "/api/v2/secret-rotations?projectId=nowhere", expect=404)
        assert known["message"].replace("default", "") == unknown["message"].replace("nowhere", "")
        assert await stranger("GET", f"{ROTATIONS}?projectId=other") == {"secretRotations": []}
        # Of who rotates these users it is told no more than that somebody does.
        theirs = {**connected.rotation_body, "name": "theirs", "projectId": "other", "connectionId": ids["connection"]}
        held = (await stranger("POST", ROTATIONS, theirs, expect=422))["message"]
        assert "belongs to a rotation of another project" in held
        assert created["name"] not in held
        # It may use a connection that serves all projects, but not change one that this one uses.
        path = f"{CONNECTIONS}/{ids['connection']}"
        assert "is used" in (await stranger("PATCH", path, {"name": "x"}, expect=403))["message"]
        assert "is used" in (await stranger("DELETE", path, expect=403))["message"]


async def test_places_that_are_not_its_own_are_forbidden_and_not_listed(connected: Ground) -> None:
    async with opened() as api:
        created = await create(await api.caller(), connected)
        ci = await api.caller("elsewhere", environments=("dev", "staging"), paths=("/db/**",))
        path = f"{ROTATIONS}/{created['id']}"
        refused = await ci("GET", path, expect=403)
        assert refused["message"] == "The identity elsewhere lacks the right 'read' where that is."
        assert await ci("GET", f"{ROTATIONS}?projectId=default") == {"secretRotations": []}
        where = {"projectId": "default", "environment": "prod", "secretPath": "/nowhere"}
        forbidden = await ci("GET", f"{ROTATIONS}/rotation-name/x", expect=403, **where)
        assert "at prod /nowhere" in forbidden["message"]  # whether there is such a place is not told
        where = {"projectId": "default", "environment": "dev", "secretPath": "/db/nowhere"}
        await ci("GET", f"{ROTATIONS}/rotation-name/x", expect=404, **where)
        body = {**connected.rotation_body, "name": "other", "connectionId": created["connectionId"]}
        assert "at dev /" in (await ci("POST", ROTATIONS, body, expect=403))["message"]
        assert "is used" in (await ci("DELETE", f"{CONNECTIONS}/{created['connectionId']}", expect=403))["message"]

        root = await api.caller("root", paths=("/",))
        for move in ({"environment": "dev", "secretPath": "/db"}, {"secretPath": "/db"}):
            assert "at dev /db" in (await root("PATCH", path, move, expect=403))["message"]
        move = {"destinationEnvironment": "dev", "destinationSecretPath": "/db"}
        assert "at dev /db" in (await root("POST", f"{path}/move", move, expect=403))["message"]
        assert (await root("GET", path))["secretRotation"]["folder"]["path"] == "/"


async def test_a_place_under_another_spelling_is_no_way_around_its_rights(connected: Ground) -> None:
    """What decides where something goes is what was judged: `secret_path` is not read beside `secretPath`."""
    async with opened() as api:
        api.service.store.write(add_project)
        ci = await api.caller(paths=("/db/**",))
        names = {"projectId": "project_id", "secretPath": "secret_path", "connectionId": "connection_id"}
        beyond = {names.get(key, key): value for key, value in connected.rotation_body.items()}
        beyond["project_id"] = "other"
        said = await ci("POST", ROTATIONS, beyond, expect=422)
        assert names.keys() <= {detail["field"] for detail in said["details"]}
        within = {**connected.rotation_body, "secretPath": "/db", "secret_path": "/", "project_id": "other"}
        made = (await ci("POST", ROTATIONS, within))["secretRotation"]
        assert (made["projectId"], made["folder"]["path"]) == (ci.credited.identity.project_id, "/db")

        theirs = {**connected.connection_body, "name": "theirs", "project_id": "other"}
        assert (await ci("POST", CONNECTIONS, theirs))["appConnection"]["projectId"] is None


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        ("/", ["/"], ["/db", "/db/eu"]),
        ("/**", ["/", "/db", "/db/eu"], []),
        ("/db", ["/db"], ["/", "/db/eu", "/dbx"]),
        ("/db/**", ["/db", "/db/eu", "/db/eu/west"], ["/", "/dbx", "/eu/db"]),
        ("/*", ["/db"], ["/", "/db/eu"]),
        ("/*/eu", ["/db/eu"], ["/eu", "/db/eu/west", "/db/x/eu"]),
        ("/d.b", ["/d.b"], ["/dxb"]),
    ],
)
def test_paths(pattern: str, inside: list[str], outside: list[str]) -> None:
    assert [path for path in inside if not path_matches(pattern, path)] == []
    assert [path for path in outside if path_matches(pattern, path)] == []


@pytest.mark.parametrize(
    ("wanted", "fields"),
    [
        ({"name": "Not a slug"}, {"name"}),
        ({"name": "x" * 61, "allowed": ["fly"], "environments": ["mars"]}, {"name", "allow", "environments"}),
        ({"paths": [], "allowed": []}, {"paths", "allow"}),
        ({"token_seconds": 59}, {"token-minutes"}),
        ({"token_seconds": 30 * 86400 + 60}, {"token-minutes"}),
        ({"paths": ["db", "/a//b", "/../x y", "/**/a", ""]}, {"paths"}),
    ],
)
async def test_a_wrong_identity_is_refused_with_every_reason(
    api: Api, wanted: dict[str, Any], fields: set[str]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await api.service.identities.create(NewIdentity(**{"name": "ci", "project": "default", **wanted}))
    assert {problem.field for problem in refused.value.problems} == fields
    assert await api.service.identities.list() == []


async def test_a_name_is_given_once(api: Api) -> None:
    await api.identity("ci")
    with pytest.raises(InvalidInput, match="exists already"):
        await api.identity("ci")
