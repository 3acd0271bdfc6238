"""Rotations over HTTP: the documented samples, Terraform's bodies, and every endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import sql

from app.views import Place
from store import leases
from tests.api.ground import CONNECTIONS, ROTATIONS, Api, Caller, create, opened
from tests.cli.ground import Ground
from tests.contract.ground import SAMPLE_REQUEST, SAMPLE_RESPONSE, differences

USERS = ("infisical_user_1", "infisical_user_2")
ALL = "/api/v2/secret-rotations"


@pytest.fixture
def documented(ground: Ground) -> Iterator[Ground]:
    """What the page says to prepare: its two users, under the names they have there."""
    for user in USERS:
        ground.pg.execute(sql.SQL("CREATE USER {} WITH PASSWORD 'temporary_password'").format(sql.Identifier(user)))
    ground.connect()
    yield ground
    for user in USERS:
        ground.pg.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(user)))


async def test_the_sample_request_gives_the_sample_response(documented: Ground) -> None:
    async with opened() as api:
        ci = await api.caller()
        connection = (await ci("GET", CONNECTIONS))["appConnections"][0]
        ids = {"connectionId": connection["id"], "projectId": ci.credited.identity.project_id}
        created = (await ci("POST", ROTATIONS, {**SAMPLE_REQUEST, **ids}))["secretRotation"]
        assert differences(SAMPLE_RESPONSE, created) == []
        path = f"{ROTATIONS}/{created['id']}"
        where = {"projectId": ids["projectId"], "environment": "dev", "secretPath": "/"}
        by_name = await ci("GET", f"{ROTATIONS}/rotation-name/my-pg-rotation", **where)
        assert by_name == await ci("GET", path) == {"secretRotation": created}
        for listing in (ALL, ROTATIONS):
            assert await ci("GET", listing, projectId="default") == {"secretRotations": [created]}
        assert await ci("GET", f"{ALL}/aws-iam-user-secret", projectId="default") == {"secretRotations": []}

        await logs_in(ci, documented, path, active=0, known=2)
        rotated = (await ci("POST", f"{path}/rotate-secrets"))["secretRotation"]
        assert differences({**SAMPLE_RESPONSE, "activeIndex": 1}, rotated) == []
        await logs_in(ci, documented, path, active=1, known=2)
        checked = (await ci("POST", f"{path}/check-credentials"))["checkedCredentials"]
        assert [(one["identity"], one["active"]) for one in checked] == [(USERS[0], False), (USERS[1], True)]

        move = {"destinationEnvironment": "prod", "destinationSecretPath": "/db/", "overwriteDestination": False}
        moved = (await ci("POST", f"{path}/move", move))["secretRotation"]
        assert (moved["environment"]["slug"], moved["folder"]["path"]) == ("prod", "/db")
        gone = await ci("DELETE", path, deleteSecrets="true", revokeGeneratedCredentials="true")
        assert gone["secretRotation"] == moved
        assert "There is no rotation" in (await ci("GET", path, expect=404))["message"]
        actors = {(e.actor, e.action) for e in await api.service.history.recent() if e.rotation_id == created["id"]}
        assert ("api:ci", "get-secret-rotation-generated-credentials") in actors
        assert {actor for actor, _ in actors} == {"api:ci"}


async def logs_in(ci: Caller, ground: Ground, path: str, *, active: int, known: int) -> None:
    """What is given out logs in, and no other answer holds it."""
    given = await ci("GET", f"{path}/generated-credentials")
    assert (given["activeIndex"], len(given["generatedCredentials"])) == (active, known)
    for credential in given["generatedCredentials"]:
        assert ground.pg.login(credential["username"], credential["password"])
        assert credential["password"] not in str(await ci("GET", path))


def terraform(ground: Ground, connection_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "Provider": "postgres-credentials",
        "name": "from-terraform",
        "description": "",
        "isAutoRotationEnabled": True,
        "projectId": "default",
        "connectionId": connection_id,
        "environment": "dev",
        "secretPath": "/db",
        "rotationInterval": 30,
        "rotateAtUtc": {"hours": 0, "minutes": 0},
        "parameters": {"username1": ground.users[0], "username2": ground.users[1]},
        "secretsMapping": {"username": "PG_USER", "password": "PG_PASSWORD"},
        **changes,
    }


async def test_terraform_creates_reads_changes_moves_and_deletes(connected: Ground) -> None:
    async with opened() as api:
        ci = await api.caller()
        connection = (await ci("GET", CONNECTIONS))["appConnections"][0]["id"]
        body = terraform(connected, connection, isAutoRotationEnabled=False)
        made = (await ci("POST", ROTATIONS, body))["secretRotation"]
        path = f"{ROTATIONS}/{made['id']}"
        read = (await ci("GET", path))["secretRotation"]
        assert (read["connection"]["id"], read["environment"]["slug"], read["folder"]["path"]) == (
            connection,
            "dev",
            "/db",
        )
        assert isinstance(read["rotationInterval"], int)
        assert read["rotateAtUtc"] == {"hours": 0, "minutes": 0}

        # It leaves a false isAutoRotationEnabled out, and sends all the rest again.
        change = terraform(connected, connection, ID=made["id"], rotationInterval=7, secretPath="/db/eu")
        del change["isAutoRotationEnabled"], change["projectId"]
        changed = (await ci("PATCH", path, change))["secretRotation"]
        assert (changed["rotationInterval"], changed["folder"]["path"]) == (7, "/db/eu")
        assert changed["isAutoRotationEnabled"] is False
        assert changed["activeIndex"] == made["activeIndex"]

        other = await ci("PATCH", path, {**change, "connectionId": made["id"], "projectId": "elsewhere"}, expect=422)
        assert {detail["field"] for detail in other["details"]} == {"connectionId", "projectId"}
        await ci("PATCH", path, {**change, "environment": "mars"}, expect=404)
        answer = await ci.client.request("DELETE", path, json={"Provider": "postgres-credentials", "ID": made["id"]})
        assert answer.json() == {"secretRotation": changed}
        await ci("DELETE", path, expect=404)
        # By default the secrets stay, and belong to nobody.
        kept = await api.service.secrets.everywhere()
        assert [(secret.name, secret.rotation_id) for secret in kept] == [("PG_PASSWORD", None), ("PG_USER", None)]


async def test_an_update_that_also_moves_does_both_or_neither(connected: Ground) -> None:
    async with opened() as api:
        ci = await api.caller()
        made = await create(ci, connected)
        await api.service.secrets.put(Place("default", "prod", "/"), "TAKEN", {"secretValue": "x"})
        path, there = f"{ROTATIONS}/{made['id']}", {"environment": "prod", "rotationInterval": 7}
        mapping = {**made["secretsMapping"], "password": "TAKEN"}
        refused = await ci("PATCH", path, {**there, "secretsMapping": mapping}, expect=422)
        assert refused["message"] == "secretPath: taken there: TAKEN"
        both = await ci("PATCH", path, {**there, "rotationInterval": 0, "secretsMapping": {}}, expect=422)
        assert "rotationInterval" in both["message"]
        assert (await ci("GET", path))["secretRotation"] == made
        mapping = {**made["secretsMapping"], "password": "FREE"}
        moved = (await ci("PATCH", path, {**there, "secretsMapping": mapping}))["secretRotation"]
        assert (moved["environment"]["slug"], moved["secretsMapping"]) == ("prod", mapping)


async def test_what_cannot_be_created_says_all_that_is_wrong(connected: Ground) -> None:
    async with opened() as api:
        ci = await api.caller()
        wrong = {**connected.rotation_body, "name": "Not A Slug", "rotationInterval": 0, "secretsMapping": {}}
        wrong["rotateAtUtc"] = {"hours": 11.5, "minutes": "60"}
        said = await ci("POST", ROTATIONS, wrong, expect=422)
        assert {detail["field"] for detail in said["details"]} == {
            "name",
            "rotationInterval",
            "rotateAtUtc.hours",
            "rotateAtUtc.minutes",
            "secretsMapping.username",
            "secretsMapping.password",
        }
        for field, value in (("projectId", "nowhere"), ("environment", "mars"), ("connectionId", "nothing")):
            absent = await ci("POST", ROTATIONS, {**connected.rotation_body, field: value}, expect=404)
            assert value in absent["message"]
        unknown = {"username1": "nobody_1", "username2": "nobody_2"}
        missing = await ci("POST", ROTATIONS, {**connected.rotation_body, "parameters": unknown}, expect=400)
        assert "nobody_1" in missing["message"]
        assert (await ci("GET", ROTATIONS, projectId="default"))["secretRotations"] == []
        await ci("POST", f"{ALL}/ldap-password", connected.rotation_body, expect=404)
        assert (await ci("GET", ALL, expect=422))["message"] == "projectId: is required"


async def test_what_fails_later_is_told_by_its_status(connected: Ground) -> None:
    async with opened() as api:
        ci = await api.caller()
        made = await create(ci, connected)
        path = f"{ROTATIONS}/{made['id']}"
        of_aws = await ci("GET", path.replace("postgres-credentials", "aws-iam-user-secret"), expect=400)
        assert "is of type postgres-credentials" in of_aws["message"]
        engine = api.service.context.engine
        lease = api.service.store.write(lambda tx: engine.claim_in(tx, made["id"]))
        for method, where, body in (
            ("POST", f"{path}/rotate-secrets", None),
            ("PATCH", path, {"rotationInterval": 3}),
            ("DELETE", path, None),
            ("POST", f"{path}/move", {"destinationEnvironment": "prod", "destinationSecretPath": "/"}),
        ):
            busy = await ci(method, where, body, expect=409)
            assert "working on this rotation" in busy["message"]
        api.service.store.write(lambda tx: leases.release(tx, lease))

        other = sql.SQL("ALTER ROLE {} PASSWORD 'somebody-else-4Vb'").format(sql.Identifier(connected.users[0]))
        connected.pg.execute(other)
        drift = await ci("POST", f"{path}/check-credentials", expect=400)
        assert connected.users[0] in drift["message"]
        gone = sql.SQL("ALTER ROLE {} RENAME TO {}")
        renamed = connected.pg.role_name("renamed")
        connected.pg.execute(gone.format(sql.Identifier(connected.users[1]), sql.Identifier(renamed)))
        failed = await ci("POST", f"{path}/rotate-secrets", expect=502)
        assert connected.users[1] in failed["message"]
        assert (await ci("GET", path))["secretRotation"]["rotationStatus"] == "failed"


async def test_options_tell_what_can_be_rotated(api: Api) -> None:
    ci = await api.caller("reader", "read")
    options = {one["type"]: one for one in (await ci("GET", f"{ALL}/options"))["secretRotationOptions"]}
    assert {"postgres-credentials", "aws-iam-user-secret", "azure-client-secret"} <= options.keys()
    postgres = options["postgres-credentials"]
    assert (postgres["name"], postgres["connection"]) == ("PostgreSQL credentials", "postgres")
    template = postgres["template"]
    assert template["secretsMapping"] == {"username": "POSTGRES_DB_USERNAME", "password": "POSTGRES_DB_PASSWORD"}
    assert "{{password}}" in template["rotationStatement"]
    assert "CREATE ROLE" in template["createUserStatement"]
    aws = {"accessKeyId": "AWS_ACCESS_KEY_ID", "secretAccessKey": "AWS_SECRET_ACCESS_KEY"}
    assert options["aws-iam-user-secret"]["template"] == {"secretsMapping": aws}
