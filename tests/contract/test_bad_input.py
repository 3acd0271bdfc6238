"""Bodies that are wrong: a clear error under the documented field's name, and nothing is stored, changed or shown."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from tests.cli.ground import Ground, Ran, done, keyturn

MISSING = object()
"""Take the field away."""


@dataclass(frozen=True)
class Wrong:
    """A change to a good body, by dotted path, and what the error must say."""

    path: str
    value: Any
    said: tuple[str, ...]
    code: int = 2


def wrong(path: str, value: Any, *said: str, code: int = 2) -> Any:
    shown = "missing" if value is MISSING else ascii(value)
    if len(shown) > 32:
        shown = f"{shown[:24]}... {len(shown)}"
    return pytest.param(Wrong(path, value, said, code), id=f"{path} {shown}")


def changed(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    body = copy.deepcopy(body)
    *parents, last = path.split(".")
    inner = body
    for parent in parents:
        inner = inner.setdefault(parent, {})
    if value is MISSING:
        del inner[last]
    else:
        inner[last] = value
    return body


REQUIRED = [
    "name",
    "projectId",
    "connectionId",
    "environment",
    "secretPath",
    "rotationInterval",
    "parameters",
    "secretsMapping",
    "parameters.username1",
    "parameters.username2",
    "secretsMapping.username",
    "secretsMapping.password",
]

ROTATIONS = [
    *(wrong(path, MISSING, path, "required") for path in REQUIRED),
    *(wrong(path, None, path) for path in REQUIRED),
    # Of another type.
    wrong("name", 7, "name: must be text"),
    wrong("name", ["x"], "name: must be text"),
    wrong("projectId", 7, "projectId: must be text"),
    wrong("connectionId", {}, "connectionId: must be text"),
    wrong("environment", True, "environment: must be text"),
    wrong("secretPath", 1, "secretPath: must be text"),
    wrong("description", 7, "description: must be text"),
    wrong("isAutoRotationEnabled", "perhaps", "isAutoRotationEnabled: must be true or false"),
    wrong("isAutoRotationEnabled", "yes", "isAutoRotationEnabled: must be true or false"),
    wrong("isAutoRotationEnabled", 1, "isAutoRotationEnabled: must be true or false"),
    wrong("isAutoRotationEnabled", None, "isAutoRotationEnabled: must be true or false"),
    wrong("rotationInterval", "often", "rotationInterval: must be a whole number"),
    wrong("rotationInterval", True, "rotationInterval: must be a whole number"),
    wrong("rotateAtUtc", "00:00", "rotateAtUtc: must be an object"),
    wrong("rotateAtUtc.hours", "noon", "rotateAtUtc.hours: must be a whole number"),
    wrong("parameters", [], "parameters: must be an object"),
    wrong("parameters.username1", 7, "parameters.username1: must be text"),
    wrong("secretsMapping", "A", "secretsMapping: must be an object"),
    wrong("secretsMapping.username", 7, "secretsMapping.username: must be text"),
    # Names.
    wrong("name", "", "name: must not be empty"),
    wrong("name", "  ", "name: must not be empty"),
    wrong("name", "n" * 33, "name: must have at most 32 characters"),
    wrong("name", "two words", "name: must be slug-friendly"),
    wrong("name", "under_score", "name: must be slug-friendly"),
    wrong("name", "double--hyphen", "name: must be slug-friendly"),
    wrong("name", "-x", "name: must be slug-friendly"),
    wrong("name", "ä", "name: must be slug-friendly"),
    wrong("name", "x\ny", "name: must be slug-friendly"),
    wrong("projectId", "", "projectId: must not be empty"),
    wrong("projectId", "nonsense", "There is no project 'nonsense'", "default", code=3),
    wrong("connectionId", " ", "connectionId: must not be empty"),
    wrong("connectionId", "3c90c3cc-0d44-4b50-8888-8dd25736052a", "There is no connection", "3c90c3cc", code=3),
    wrong("environment", "", "environment: must not be empty"),
    wrong("environment", "Not A Slug", "environment: must be slug-friendly"),
    wrong("environment", "e" * 65, "environment: must have at most 64 characters"),
    wrong("environment", "e" * 64, "no environment", "dev, staging, prod", code=3),
    wrong("secretPath", "", "secretPath: must not be empty"),
    wrong("secretPath", "/a b", "secretPath: must be a folder path"),
    wrong("secretPath", "/../etc", "secretPath: must be a folder path"),
    wrong("secretPath", "/a//b", "secretPath: must be a folder path"),
    wrong("secretPath", "/" + "p" * 512, "secretPath: must have at most 512 characters"),
    wrong("description", "d" * 257, "description: must have at most 256 characters"),
    wrong("description", "a\0b", "description: must not contain the character NUL"),
    wrong("projectId", "a\0b", "projectId: must not contain the character NUL"),
    wrong("connectionId", "a\0b", "connectionId: must not contain the character NUL"),
    # The schedule.
    wrong("rotationInterval", 0, "rotationInterval: must be at least 1"),
    wrong("rotationInterval", -1, "rotationInterval: must be at least 1"),
    wrong("rotationInterval", 1.5, "rotationInterval: must be a whole number, not 1.5"),
    wrong("rotationInterval", "1.5", "rotationInterval: must be a whole number"),
    wrong("rotationInterval", 10**9, "rotationInterval: must be at most 3650"),
    wrong("rotationInterval", 3651, "rotationInterval: must be at most 3650"),
    wrong("rotationInterval", 10**39, "rotationInterval: must be"),
    wrong("rotateAtUtc.hours", 24, "rotateAtUtc.hours: must be at most 23"),
    wrong("rotateAtUtc.hours", -1, "rotateAtUtc.hours: must be at least 0"),
    wrong("rotateAtUtc.minutes", 60, "rotateAtUtc.minutes: must be at most 59"),
    wrong("rotateAtUtc.minutes", -1, "rotateAtUtc.minutes: must be at least 0"),
    # What the endpoint's reference page has in places of real values.
    wrong(
        "rotateAtUtc",
        {"hours": 11.5, "minutes": 29.5},
        "rotateAtUtc.hours: must be a whole number, not 11.5",
        "rotateAtUtc.minutes: must be a whole number, not 29.5",
    ),
    wrong("name", "<string>", "name: must be slug-friendly"),
    wrong("environment", "<string>", "environment: must be slug-friendly"),
    # The mapping.
    wrong("secretsMapping.password", "POSTGRES_DB_USERNAME", "secretsMapping.password: POSTGRES_DB_USERNAME is used"),
    wrong("secretsMapping.username", "", "secretsMapping.username: must not be empty"),
    wrong("secretsMapping.username", "a:b", 'secretsMapping.username: must not contain ":" or "/"'),
    wrong("secretsMapping.password", "a/b", 'secretsMapping.password: must not contain ":" or "/"'),
    wrong("secretsMapping.password", "a\nb", "secretsMapping.password: must not contain control characters"),
    wrong("secretsMapping.username", "S" * 257, "secretsMapping.username: must have at most 256 characters"),
    # The users.
    wrong("parameters.username1", "", "parameters.username1"),
    wrong("parameters.username2", " ", "parameters.username2"),
    wrong("parameters.username1", "a\0b", "parameters.username1", "NUL"),
    wrong("parameters.username1", "u" * 64, "parameters.username1", "63 bytes"),
    wrong("parameters.username2", "ü" * 32, "parameters.username2", "63 bytes"),
    # Statements.
    wrong("parameters.rotationStatement", "ALTER USER {{user}} PASSWORD '{{password}}'", "rotationStatement", "{{user"),
    wrong("parameters.rotationStatement", "ALTER USER {{username}}", "rotationStatement", "{{password}}"),
    wrong("parameters.rotationStatement", "ALTER USER {{username", "rotationStatement"),
    wrong("parameters.rotationStatement", 'ALTER USER "{{username}}" PASSWORD \'{{password}}', "quotes"),
    wrong("parameters.rotationStatement", 7, "parameters.rotationStatement: must be text"),
    wrong("parameters.passwordRequirements.length", 0, "parameters.passwordRequirements.length"),
    wrong("parameters.passwordRequirements", "long", "parameters.passwordRequirements: must be an object"),
]

CONNECTIONS = [
    *(
        wrong(path, MISSING, path, "required")
        for path in [
            "name",
            "method",
            "credentials",
            "credentials.host",
            "credentials.database",
            "credentials.username",
            "credentials.password",
        ]
    ),
    wrong("name", "Not A Slug", "name: must be slug-friendly"),
    wrong("name", "n" * 33, "name: must have at most 32 characters"),
    wrong("description", "d" * 257, "description: must have at most 256 characters"),
    wrong("method", "kerberos", "method: must be one of: username-and-password"),
    wrong("method", 7, "method: must be text"),
    wrong("credentials", "x", "credentials: must be an object"),
    wrong("description", "a\0b", "description: must not contain the character NUL"),
    wrong("credentials.host", "", "credentials.host"),
    wrong("credentials.host", "a\0b", "credentials.host", "NUL"),
    wrong("credentials.sslCertificate", "-----BEGIN CERTIFICATE-----\0", "credentials.sslCertificate", "PEM"),
    wrong("credentials.host", "postgres://admin@db/x", "credentials.host", "whole URL"),
    wrong("credentials.host", "a,b", "credentials.host", "one host name"),
    wrong("credentials.port", 0, "credentials.port: must be at least 1"),
    wrong("credentials.port", 65536, "credentials.port: must be at most 65535"),
    wrong("credentials.port", "often", "credentials.port: must be a whole number"),
    wrong("credentials.port", 54.32, "credentials.port"),
    wrong("credentials.username", " ", "credentials.username"),
    wrong("credentials.password", "", "credentials.password"),
    wrong("credentials.password", 12345678, "credentials.password: must be text"),
    wrong("credentials.password", "nul-in-secret\0x", "credentials.password", "NUL"),
    wrong("credentials.sslEnabled", "perhaps", "credentials.sslEnabled: must be true or false"),
    wrong("credentials.sslEnabled", "no", "credentials.sslEnabled: must be true or false"),
    wrong("credentials.sslRejectUnauthorized", 0, "credentials.sslRejectUnauthorized: must be true or false"),
    wrong("credentials.sslCertificate", "no certificate", "credentials.sslCertificate", "PEM"),
]


def state(ground: Ground) -> tuple[object, ...]:
    """All that could have changed: every row of the store, and the users' passwords at the target."""
    with contextlib.closing(sqlite3.connect(Path(os.environ["KEYTURN_HOME"]) / "keyturn.db")) as store:
        return [*store.iterdump()], ground.verifiers()


def refused(ran: Ran, case: Wrong, ground: Ground, before: tuple[object, ...]) -> None:
    assert ran.code == case.code, ran.said
    assert ran.out == ""
    for text in case.said:
        assert text in ran.err
    assert "Traceback" not in ran.err
    assert not any(secret in ran.err for secret in ground.secrets)
    if isinstance(case.value, str) and "secret" in case.value:
        assert case.value.partition("\0")[0] not in ran.err
    assert state(ground) == before


@pytest.mark.parametrize("case", ROTATIONS)
def test_a_wrong_rotation_is_refused(untouched: Ground, case: Wrong) -> None:
    before = state(untouched)
    body = changed(untouched.rotation_body, case.path, case.value)
    ran = keyturn("rotations", "create", "postgres-credentials", "--file", "-", stdin=json.dumps(body))
    refused(ran, case, untouched, before)


@pytest.mark.parametrize("case", CONNECTIONS)
def test_a_wrong_connection_is_refused(untouched: Ground, case: Wrong) -> None:
    before = state(untouched)
    body = changed({**untouched.connection_body, "name": "another"}, case.path, case.value)
    ran = keyturn("connections", "add", "postgres", "--file", "-", stdin=json.dumps(body))
    refused(ran, case, untouched, before)


def test_all_that_is_wrong_is_told_at_once(untouched: Ground) -> None:
    body = {**untouched.rotation_body, "name": "Not A Slug", "rotationInterval": 0, "surplus": 1}
    del body["secretPath"]
    ran = keyturn("rotations", "create", "postgres-credentials", "--file", "-", stdin=json.dumps(body))
    assert ran.code == 2
    assert ran.err.splitlines()[0] == "keyturn: 3 things are not valid; nothing was changed."
    assert ran.err.splitlines()[-1] == "keyturn: warning: ignored, since nobody reads them: surplus"
    for field in ("name: ", "rotationInterval: ", "secretPath: "):
        assert f"\n  {field}" in ran.err


def test_users_must_differ_from_each_other_and_from_the_connection(untouched: Ground) -> None:
    before = state(untouched)
    first, admin = untouched.users[0], untouched.pg.admin_user
    for path, value, said in (
        ("parameters.username2", first, "The two users must differ"),
        ("parameters.username1", admin, "the connection's own user"),
        ("parameters.username2", admin, "the connection's own user"),
    ):
        body = changed(untouched.rotation_body, path, value)
        ran = keyturn("rotations", "create", "postgres-credentials", "--file", "-", stdin=json.dumps(body))
        refused(ran, Wrong(path, value, (f"{path}: ", said)), untouched, before)


def test_users_that_cannot_be_rotated_are_refused_with_the_statement_that_mends_it(untouched: Ground) -> None:
    no_login = untouched.pg.create_role("no_login", options="NOLOGIN")
    before = state(untouched)
    for name, failed, said in (
        ('nobody\'s "user"', 'nobody\'s "user" exists. There is no such role.', "CREATE"),
        (no_login, f"{no_login} may log in. The role is NOLOGIN.", "LOGIN"),
    ):
        body = changed(untouched.rotation_body, "parameters.username2", name)
        ran = keyturn("rotations", "create", "postgres-credentials", "--file", "-", stdin=json.dumps(body))
        refused(ran, Wrong("parameters.username2", name, (f"Failed check: {failed}", said), 1), untouched, before)
    untouched.pg.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(no_login)))  # the ground is for others, too


def inside(field: str, value: Any, becomes: Any = MISSING) -> Any:
    """A value that is accepted, and what the response has for it."""
    expected = value if becomes is MISSING else becomes
    shown = ascii(value)
    return pytest.param(field, value, expected, id=f"{field} {shown[:24]} {len(shown)}")


JUST_INSIDE = [
    inside("name", "n"),
    inside("name", "n" * 32),
    inside("name", "  My-Rotation  ", "my-rotation"),
    inside("description", None),
    inside("description", "d" * 256),
    inside("rotationInterval", 1),
    inside("rotationInterval", 3650),
    inside("rotationInterval", 30.0, 30),
    inside("rotationInterval", "30", 30),
    inside("rotateAtUtc", {"hours": 23, "minutes": 59}),
    inside("rotateAtUtc", {"hours": 0, "minutes": 0}),
    inside("rotateAtUtc", {}, {"hours": 0, "minutes": 0}),
    inside("isAutoRotationEnabled", False),
    inside("secretsMapping", {"username": "U" * 256, "password": "p"}),
]


@pytest.mark.parametrize(("field", "value", "expected"), JUST_INSIDE)
def test_what_is_just_inside_the_limits_is_accepted(connected: Ground, field: str, value: Any, expected: Any) -> None:
    document = connected.create(**{field: value})
    assert document[field] == expected
    assert done("rotations", "show", document["id"], "--json").json["secretRotation"] == document


def test_the_longest_environment_and_path_are_accepted(connected: Ground) -> None:
    environment, path = "e" * 64, "/" + "p" * 511
    add_environment(environment)
    document = connected.create(environment=environment, secretPath=f"{path}/")
    assert document["environment"]["slug"] == environment
    assert document["folder"]["path"] == path
    place = ("--env", environment, "--path", path)
    assert list(done("secrets", "export", "--json", *place).json) == ["POSTGRES_DB_PASSWORD", "POSTGRES_DB_USERNAME"]


def add_environment(slug: str) -> None:
    from store import projects
    from store.database import Tx
    from store.tables import Environment
    from tests.cli.ground import with_service

    def add(tx: Tx) -> None:
        project = projects.find_project(tx, "default")
        assert project is not None
        tx.session.add(Environment(id=slug[:36], project_id=project.id, slug=slug, name="Longest", position=9))

    with_service(lambda service: service.store.write(add))


def test_a_taken_name_and_taken_secrets_are_refused(connected: Ground) -> None:
    document = connected.create()
    before = connected.verifiers()
    users = [connected.pg.create_role(f"other_{n}", "temporary") for n in (1, 2)]
    others = {"username1": users[0], "username2": users[1]}
    for change, said in (
        ({}, "name: a rotation named my-pg-rotation exists already at /"),
        ({"name": "another"}, "secretsMapping.username: a secret named POSTGRES_DB_USERNAME exists already at /"),
        (
            {"name": "another", "secretsMapping": {"username": "FREE", "password": "POSTGRES_DB_PASSWORD"}},
            "secretsMapping.password: a secret named POSTGRES_DB_PASSWORD exists already at /",
        ),
    ):
        body = {**connected.rotation_body, "parameters": others, **change}
        ran = keyturn("rotations", "create", "postgres-credentials", "--file", "-", stdin=json.dumps(body))
        assert (ran.code, ran.out) == (2, "")
        assert said in ran.err
    assert done("rotations", "list", "--json").json == {"secretRotations": [document]}
    assert connected.verifiers() == before
    assert all(connected.pg.login(user, "temporary") for user in users)


def test_unknown_keys_are_named_in_a_warning_and_ignored(connected: Ground) -> None:
    body = changed(connected.rotation_body, "parameters.extra", 1)
    body |= {"App": "postgres", "ID": None}
    body["secretsMapping"]["host"] = "HOST"
    ran = done("rotations", "create", "postgres-credentials", "--file", "-", "--json", stdin=json.dumps(body))
    assert "warning" in ran.err
    for key in ("App", "ID", "parameters.extra", "secretsMapping.host"):
        assert key in ran.err
    assert ran.json["secretRotation"]["secretsMapping"] == connected.rotation_body["secretsMapping"]


NAMES = [
    "Capital",
    "two words",
    'dou"ble',
    "sin'gle",
    "żółć 漢字",
    "semi;colon--",
    "$1 {{username}} %s",
    "back\\slash",
]


@pytest.mark.parametrize("stem", NAMES, ids=ascii)
def test_users_of_any_name_work(connected: Ground, stem: str) -> None:
    user = connected.pg.create_role(stem, "temporary-three")
    document = connected.create(parameters={"username1": user, "username2": connected.users[1]})
    assert document["parameters"]["username1"] == user
    assert connected.published_logs_in()
    for expected in (connected.users[1], user):
        done("rotations", "rotate", "my-pg-rotation")
        assert connected.published()["POSTGRES_DB_USERNAME"] == expected
        assert connected.published_logs_in()
    assert done("rotations", "list").lines[0][2] == user
    granted = connected.pg.execute(sql.SQL("SELECT count(*) FROM pg_roles WHERE rolname = %s"), user)
    assert granted == [(1,)]
