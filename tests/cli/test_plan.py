"""`keyturn rotations plan` tells what the next rotation does, and does nothing of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from psycopg import sql

from store.database import Tx
from tests.cli.ground import Ground, done, keyturn, with_service, without_secrets
from tests.standins.iam import Aws

NAME = "my-pg-rotation"
TABLES = ("rotation", "attempt", "credential", "secret", "secret_version", "event", "connection")


def rows() -> dict[str, list[tuple[Any, ...]]]:
    """Everything that the store holds."""

    def look(tx: Tx) -> dict[str, list[tuple[Any, ...]]]:
        execute = tx.connection.exec_driver_sql
        return {name: [tuple(row) for row in execute(f"SELECT * FROM {name} ORDER BY id")] for name in TABLES}

    return with_service(lambda service: service.store.read(look))


def checks(plan: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {check["title"]: (check["result"], check["remedy"]) for check in plan["checks"]}


def test_it_tells_every_step_and_changes_nothing(connected: Ground) -> None:
    connected.create()
    first, second = connected.users
    passwords = [password_of(slot) for slot in (0, 1)]
    before, verifiers = rows(), connected.verifiers()
    with connected.pg.connect(second, passwords[1]) as session:
        session.execute("SET application_name = 'billing-worker'")
        said = done("rotations", "plan", NAME)
        plan = done("rotations", "plan", NAME, "--json").json["plan"]
    assert rows() == before
    assert connected.verifiers() == verifiers
    assert [step["step"] for step in plan["steps"]] == ["plan", "guard", "issue", "verify", "publish"]
    assert {step["identity"] for step in plan["steps"]} == {second}
    (issue,) = plan["steps"][2]["calls"]
    assert issue["text"] == f"ALTER ROLE \"{second}\" PASSWORD 'SCRAM-SHA-256$...'"
    assert f"Locks the row of {second}" in issue["note"]
    assert plan["publishes"] == {"POSTGRES_DB_USERNAME": "username", "POSTGRES_DB_PASSWORD": "password"}
    assert [death["identity"] for death in plan["deaths"]] == [second, first]
    assert plan["deaths"][1]["at"] > plan["scheduledAt"]
    assert [use["who"] for use in plan["uses"]] == ["billing-worker"]
    assert plan["ready"] is True
    assert {result for result, _ in checks(plan).values()} <= {"passed", "warning"}
    for text in ("Step by step", f"{second} is still in use by billing-worker", "dev /", "Nothing was changed. It can"):
        assert text in said.out
    assert without_secrets(said.said, [*connected.secrets, *passwords])


def password_of(slot: int) -> str:
    found: str = done("rotations", "credentials", NAME, "--json").json["generatedCredentials"][slot]["password"]
    return found


def test_what_is_missing_is_named_with_the_statement_that_mends_it(ground: Ground) -> None:
    pg, (first, second) = ground.pg, ground.users
    admin = pg.create_role("rotator", "rotator-password-5Tz", options="LOGIN CREATEROLE")
    names = {"admin": sql.Identifier(admin), "first": sql.Identifier(first), "second": sql.Identifier(second)}
    pg.execute(sql.SQL("GRANT {first}, {second} TO {admin} WITH ADMIN TRUE, INHERIT FALSE").format(**names))
    body = ground.connection_body
    body["credentials"] |= {"username": admin, "password": "rotator-password-5Tz"}
    done("connections", "add", "postgres", "--file", "-", stdin=json.dumps(body))
    ground.create()
    pg.execute(sql.SQL("REVOKE {second} FROM {admin}").format(**names))
    ran = keyturn("rotations", "plan", NAME, "--json")
    assert ran.code == 1
    plan = ran.json["plan"]
    assert plan["ready"] is False
    result, remedy = checks(plan)[f"{admin} may change the password of {second}"]
    assert result == "failed"
    assert checks(plan)[f"{admin} may change the password of {first}"][0] == "passed"
    assert remedy in keyturn("rotations", "plan", NAME).out
    pg.execute(sql.SQL(remedy))  # as a person would copy it
    assert done("rotations", "plan", NAME, "--json").json["plan"]["ready"] is True


def test_an_interrupted_attempt_is_what_comes_first(connected: Ground) -> None:
    connected.create()
    second = connected.users[1]
    connected.pg.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(second)))
    assert keyturn("rotations", "rotate", NAME).code == 1
    ran = keyturn("rotations", "plan", NAME, "--json")
    assert ran.code == 1
    plan = ran.json["plan"]
    assert [step["step"] for step in plan["steps"]] == ["verify", "publish"]
    assert "is unfinished: it is resumed at its step verify" in plan["first"][0]
    assert checks(plan)[f"{second} may log in"] == ("failed", f'ALTER ROLE "{second}" LOGIN;')


def test_one_that_does_not_exist_is_not_found(connected: Ground) -> None:
    assert keyturn("rotations", "plan", "nobody").code == 3


@pytest.mark.parametrize("keys", [1, 2])
def test_the_keys_of_the_rotation_itself_are_no_strangers(ready: object, aws: Aws, keys: int) -> None:
    done("connections", "add", "aws", "--file", "-", stdin=json.dumps(aws.connection_body))
    body = json.dumps(aws.rotation_body)
    done("rotations", "create", "aws-iam-user-secret", "--file", "-", stdin=body)
    if keys == 2:
        done("rotations", "rotate", "billing-keys", "--force")
    held = set(aws.account.keys(aws.user))
    active = done("secrets", "get", "AWS_ACCESS_KEY_ID").out.strip()
    before = rows()
    plan = done("rotations", "plan", "billing-keys", "--json").json["plan"]
    assert rows() == before
    assert set(aws.account.keys(aws.user)) == held
    calls = [call["text"] for step in plan["steps"] for call in step["calls"]]
    goes = held - {active}
    assert [call for call in calls if "delete-access-key" in call] == [
        f"iam delete-access-key --user-name {aws.user} --access-key-id {key}" for key in goes
    ]
    assert not [call for call in calls if active in call]
    assert checks(plan)[f"{aws.user} has room for another key"][0] == "passed"


def test_a_strangers_key_is_in_the_way(ready: object, aws: Aws) -> None:
    done("connections", "add", "aws", "--file", "-", stdin=json.dumps(aws.connection_body))
    done("rotations", "create", "aws-iam-user-secret", "--file", "-", stdin=json.dumps(aws.rotation_body))
    stranger = aws.account.create_key(aws.user)
    ran = keyturn("rotations", "plan", "billing-keys", "--json")
    assert ran.code == 1
    result, remedy = checks(ran.json["plan"])[f"{aws.user} has room for another key"]
    assert result == "failed"
    assert f"--access-key-id {stranger.key_id}" in remedy
