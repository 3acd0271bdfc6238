"""`keyturn secrets`: what programs and scripts read."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.cli.ground import Ground, done, keyturn, process
from tests.cli.test_output import RFC3339

NAMES = ["POSTGRES_DB_PASSWORD", "POSTGRES_DB_USERNAME"]


def test_list_tells_names_and_owners_without_values(connected: Ground) -> None:
    connected.create()
    values = connected.published()
    listed = done("secrets", "list", "--json")
    found = listed.json["secrets"]
    assert [secret["name"] for secret in found] == NAMES
    assert [secret["field"] for secret in found] == ["password", "username"]
    assert {secret["rotation"] for secret in found} == {"my-pg-rotation"}
    assert {secret["version"] for secret in found} == {1}
    assert all(RFC3339.fullmatch(secret["updatedAt"]) for secret in found)
    plain = done("secrets", "list")
    assert [cells[0] for cells in plain.lines] == NAMES
    assert values["POSTGRES_DB_PASSWORD"] not in plain.said + listed.said


def test_get_prints_the_value_and_a_line_end(connected: Ground) -> None:
    connected.create()
    value = connected.published()["POSTGRES_DB_PASSWORD"]
    assert process("secrets", "get", "POSTGRES_DB_PASSWORD").out == f"{value}\n"
    assert done("secrets", "get", "POSTGRES_DB_PASSWORD", "--json").json == {
        "name": "POSTGRES_DB_PASSWORD",
        "value": value,
    }


def test_every_format_exports_what_is_published(connected: Ground) -> None:
    connected.create()
    values = done("secrets", "export", "--format", "json").json
    assert list(values) == NAMES
    assert done("secrets", "export", "--json").json == values
    assert yaml.safe_load(done("secrets", "export", "--format", "yaml").out) == values
    lines = [f"{name}={value}" for name, value in values.items()]
    assert done("secrets", "export").out.splitlines() == lines
    assert done("secrets", "export", "--format", "dotenv").out.splitlines() == lines
    assert done("secrets", "export", "--format", "shell").out.splitlines() == [
        f"export {name}='{value}'" for name, value in values.items()
    ]


def test_json_and_another_format_exclude_each_other(ready: object) -> None:
    ran = keyturn("secrets", "export", "--json", "--format", "yaml")
    assert (ran.code, ran.out) == (2, "")
    assert "exclude each other" in ran.err


def test_the_place_is_where_the_rotation_publishes(connected: Ground) -> None:
    connected.create(environment="prod", secretPath="/billing/eu")
    assert connected.published() == {}
    place = ("--env", "prod", "--path", "/billing/eu")
    assert list(done("secrets", "export", "--format", "json", *place).json) == NAMES
    assert list(done("secrets", "export", "--format", "json", "--project", "default", *place).json) == NAMES
    assert [cells[0] for cells in done("secrets", "list", *place).lines] == NAMES
    assert done("secrets", "get", NAMES[1], *place).out == f"{connected.users[0]}\n"


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (("--project", "nonsense"), "There is no project 'nonsense'"),
        (("--env", "nonsense"), "no environment 'nonsense'"),
        (("--path", "/nonsense"), "There is no folder /nonsense"),
    ],
)
@pytest.mark.parametrize("verb", [["list"], ["get", "X"], ["export"]], ids=" ".join)
def test_a_place_that_is_not_there_is_no_empty_one(
    ready: object, verb: list[str], place: tuple[str, str], said: str
) -> None:
    ran = keyturn("secrets", *verb, *place)
    assert (ran.code, ran.out) == (3, "")
    assert said in ran.err


def test_a_name_that_is_not_there_exits_3(connected: Ground) -> None:
    ran = keyturn("secrets", "get", "NOTHING")
    assert (ran.code, ran.out) == (3, "")
    assert "There is no secret 'NOTHING' at default/dev /" in ran.err


def test_names_that_cannot_be_variables_are_an_error_where_variables_are_wanted(connected: Ground) -> None:
    mapping = {"username": "db-user", "password": "DB PASSWORD"}
    connected.create(secretsMapping=mapping)
    for words in (("secrets", "export"), ("secrets", "export", "--format", "shell"), ("run", "--", "true")):
        ran = keyturn(*words)
        assert (ran.code, ran.out) == (1, "")
        assert "'DB PASSWORD', 'db-user'" in ran.err
    assert list(done("secrets", "export", "--format", "json").json) == ["DB PASSWORD", "db-user"]
    assert list(yaml.safe_load(done("secrets", "export", "--format", "yaml").out)) == ["DB PASSWORD", "db-user"]


def test_a_username_of_any_characters_comes_out_as_it_is(connected: Ground) -> None:
    name = 'it\'s a "user" $HOME \\ `id` żółć'
    user = connected.pg.create_role(name, "temporary-three")
    connected.create(parameters={"username1": user, "username2": connected.users[1]})
    assert done("secrets", "get", "POSTGRES_DB_USERNAME").out == f"{user}\n"
    assert json.loads(process("secrets", "export", "--json").out)["POSTGRES_DB_USERNAME"] == user
    shell = done("secrets", "export", "--format", "shell").out
    printed = process_of_shell(f'{shell}printf %s "$POSTGRES_DB_USERNAME"')
    assert printed == user
    assert connected.published_logs_in()


def process_of_shell(script: str) -> str:
    from tests.cli.ground import finished

    return finished(["sh", "-c", script]).out


def test_a_person_looks_around_and_that_is_an_event(connected: Ground) -> None:
    document = connected.create(secretPath="/billing")
    assert ["default", "dev", "/billing"] in done("secrets", "places").lines
    assert {"project": "default", "environment": "dev", "path": "/billing"} in done("secrets", "places", "--json").json[
        "places"
    ]
    value = done("secrets", "get", "POSTGRES_DB_USERNAME", "--path", "/billing").out
    assert done("secrets", "reveal", "POSTGRES_DB_USERNAME", "--path", "/billing").out == value
    by_rotation = done("secrets", "reveal", "POSTGRES_DB_USERNAME", "--rotation", document["id"], "--json")
    assert by_rotation.json == {"name": "POSTGRES_DB_USERNAME", "value": value.strip()}
    events = done("events", "--json").json["events"]
    assert [event["action"] for event in events[:3]] == ["reveal-secret", "reveal-secret", "create-secret-rotation"]
    assert keyturn("secrets", "reveal", "nonsense").code == 3
