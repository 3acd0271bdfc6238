"""App connections over HTTP, with the bodies that Terraform's provider sends."""

from __future__ import annotations

from typing import Any

from app.operations.identities import MANAGE, READ_CREDENTIALS
from tests.api.ground import CONNECTIONS, Api, add_project, create, opened
from tests.cli.ground import Ground

# Go sends fields without a JSON name under their own names.
TERRAFORM = {"App": "postgres", "description": "made by Terraform", "gatewayId": None}


async def test_a_connection_from_its_creation_to_its_end(api: Api, ground: Ground) -> None:
    ci = await api.caller()
    seen: list[Any] = []

    async def call(method: str, path: str, body: Any = None, expect: int = 200) -> Any:
        seen.append(await ci(method, path, body, expect=expect))
        return seen[-1]

    body = {**ground.connection_body, **TERRAFORM}
    made = (await call("POST", CONNECTIONS, body))["appConnection"]
    assert (made["app"], made["method"], made["projectId"], made["version"]) == (
        "postgres",
        "username-and-password",
        None,
        1,
    )
    path = f"{CONNECTIONS}/{made['id']}"
    assert (await call("GET", path))["appConnection"] == made
    assert (await call("GET", f"{CONNECTIONS}/connection-name/{made['name']}"))["appConnection"] == made
    for where in ("/api/v1/app-connections/", CONNECTIONS, f"{CONNECTIONS}/?projectId=default"):
        assert (await call("GET", where))["appConnections"] == [made]
    listed = {"id": made["id"], "name": made["name"], "app": "postgres", "projectId": None}
    assert (await call("GET", f"{CONNECTIONS}/available"))["appConnections"] == [listed]
    assert (await call("GET", "/api/v1/app-connections/aws"))["appConnections"] == []
    options = (await call("GET", "/api/v1/app-connections/options"))["appConnectionOptions"]
    assert {"name": "PostgreSQL", "app": "postgres", "methods": ["username-and-password"]} in options

    # The hash stays while the credentials do, whatever else changes and even when they are sent again.
    again = (await call("PATCH", path, {**body, "ID": made["id"], "name": "renamed", "description": ""}))[
        "appConnection"
    ]
    assert (again["name"], again["description"], again["version"]) == ("renamed", None, 2)
    assert again["credentialsHash"] == made["credentialsHash"]
    admin = ground.pg.create_role("other_admin", "other-secret-5Tz", options="LOGIN SUPERUSER")
    other = {**ground.connection_body["credentials"], "username": admin, "password": "other-secret-5Tz"}
    changed = (await call("PATCH", path, {"credentials": other}))["appConnection"]
    assert changed["credentialsHash"] != made["credentialsHash"]
    assert changed["credentials"]["username"] == admin

    # No password that is kept is sent to somebody's host: credentials are given completely.
    stolen = {"credentials": {**other, "host": "localhost"}}
    del stolen["credentials"]["password"]
    assert (await call("PATCH", path, stolen, 422))["message"] == "credentials.password: is required"

    wrong = {**ground.connection_body, "name": "wrong", "credentials": {**other, "password": "wrong-9Qw"}}
    assert "password" in (await call("POST", CONNECTIONS, wrong, 502))["message"]
    assert "exists already" in (await call("POST", CONNECTIONS, {**body, "name": "renamed"}, 422))["message"]
    assert (await call("DELETE", path))["appConnection"] == changed
    for method, more in (("GET", None), ("PATCH", {}), ("DELETE", None)):
        assert "There is no connection" in (await call(method, path, more, 404))["message"]
    secrets = [*ground.secrets, "other-secret-5Tz", "wrong-9Qw"]
    assert [secret for secret in secrets if secret in str(seen)] == []


async def test_every_field_that_is_wrong_is_told_at_once(api: Api, ground: Ground) -> None:
    ci = await api.caller()
    body = {"name": "No Slug", "method": "telepathy", "credentials": {"port": "x"}, "description": "x" * 257}
    said = await ci("POST", CONNECTIONS, body, expect=422)
    assert {detail["field"] for detail in said["details"]} == {"name", "method", "description"}
    body = {**ground.connection_body, "credentials": {"host": "", "port": 70000, "password": 5}}
    fields = {detail["field"] for detail in (await ci("POST", CONNECTIONS, body, expect=422))["details"]}
    assert {f"credentials.{name}" for name in ("host", "port", "database", "username", "password")} <= fields
    await ci("POST", "/api/v1/app-connections/oracledb", ground.connection_body, expect=404)
    await ci("GET", "/api/v1/app-connections/oracledb", expect=404)


async def test_a_connection_of_a_project_is_there_for_that_project_alone(connected: Ground) -> None:
    async with opened() as api:
        ci = await api.caller()
        shared = (await ci("GET", CONNECTIONS))["appConnections"][0]
        project = ci.credited.identity.project_id
        own = {**connected.connection_body, "name": "own", "projectId": project}
        made = (await ci("POST", CONNECTIONS, own))["appConnection"]
        assert made["projectId"] == project
        api.service.store.write(add_project)
        stranger = await api.caller("stranger", project="other")
        assert (await stranger("GET", CONNECTIONS))["appConnections"] == [shared]
        for method, path in (("GET", made["id"]), ("GET", "connection-name/own"), ("DELETE", made["id"])):
            await stranger(method, f"{CONNECTIONS}/{path}", expect=404)
        body = {**connected.rotation_body, "projectId": "other", "connectionId": made["id"]}
        theirs = await stranger("POST", "/api/v2/secret-rotations/postgres-credentials", body, expect=404)
        assert theirs["message"] == f"There is no connection '{made['id']}'."
        await stranger("POST", CONNECTIONS, {**own, "name": "foreign"}, expect=404)
        moved = await ci("PATCH", f"{CONNECTIONS}/{shared['id']}", {"projectId": project}, expect=422)
        assert "can't be changed" in moved["message"]

        theirs = await api.service.creation.problems(
            "postgres-credentials", {**connected.rotation_body, "projectId": "other", "connectionId": "own"}
        )
        assert [problem.message for problem in theirs if problem.field == "connectionId"] == [
            "own serves another project"
        ]
        await create(ci, connected)
        in_use = await ci("DELETE", f"{CONNECTIONS}/{shared['id']}", expect=400)
        assert "my-pg-rotation" in in_use["message"]


async def test_who_may_not_read_what_rotations_keep_does_not_have_it_sent_elsewhere(connected: Ground) -> None:
    async with opened() as api:
        ci, keeper = await api.caller(), await api.caller("keeper", MANAGE)
        shared = (await ci("GET", CONNECTIONS))["appConnections"][0]
        path, credentials = f"{CONNECTIONS}/{shared['id']}", connected.connection_body["credentials"]
        password = "other-secret-5Tz"
        admin = connected.pg.create_role("other_admin", password, options="LOGIN SUPERUSER")
        elsewhere = {"credentials": {**credentials, "username": admin, "password": password}}
        there = (await keeper("PATCH", path, elsewhere))["appConnection"]["credentials"]  # nothing is kept yet
        await create(ci, connected)

        for more in ({"host": "127.0.0.2"}, {"port": 1}, {"username": credentials["username"]}):
            said = await keeper("PATCH", path, {"credentials": {**elsewhere["credentials"], **more}}, expect=403)
            assert "'read-credentials'" in said["message"]
        assert (await ci("GET", path))["appConnection"]["credentials"] == there
        assert (await keeper("PATCH", path, {**elsewhere, "description": "kept"}))["appConnection"]["version"] > 1
        both = await api.caller("both", MANAGE, READ_CREDENTIALS)
        moved = (await both("PATCH", path, {"credentials": credentials}))["appConnection"]
        assert moved["credentials"] == shared["credentials"]
