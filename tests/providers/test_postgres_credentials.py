"""The rotation type on real servers: passwords change hands, nothing leaks, and errors mean what they say."""

from __future__ import annotations

import re
from typing import Any

import pytest
from psycopg import sql
from pydantic import ValidationError

from providers.base import (
    Credential,
    CredentialRefused,
    Issue,
    Outcome,
    Preparable,
    Problem,
    TargetRefused,
)
from providers.postgres import PostgresCredentials, PostgresTarget
from providers.postgres_credentials import PROVIDER, PostgresMapping, PostgresParameters
from providers.postgres_statement import DEFAULT_STATEMENT
from tests.conftest import Database
from tests.providers.conftest import Open, candidate, parameters, rotate

DIFFICULT_NAMES = [
    "app_user",
    "App User",
    'quo"ted',
    "it's",
    "per%cent {{username}} $$;--",
    "schl\u00fcssel-\u9375-\U0001f511",
    "select",
    "back\\slash",
]


# -- declarations ------------------------------------------------------------------------------------------------


def test_documented_parameters_are_understood() -> None:
    given = PostgresParameters.model_validate(
        {
            "username1": " app_user_1 ",
            "username2": "app_user_2",
            "rotationStatement": f"  {DEFAULT_STATEMENT}\n",
            "passwordRequirements": {"length": 20, "required": {"digits": 20, "lowercase": 0, "uppercase": 0}},
        }
    )
    assert given.username1 == "app_user_1"
    assert given.rotation_statement == DEFAULT_STATEMENT
    assert candidate(given, 1).values["username"] == "app_user_2"
    assert candidate(given).values["password"].isdigit()
    assert len(candidate(given).values["password"]) == 20


def test_a_blank_statement_is_none() -> None:
    assert parameters("a", rotationStatement=" ").rotation_statement is None


def test_the_documented_mapping_is_offered() -> None:
    assert PostgresMapping().model_dump() == {"username": "POSTGRES_DB_USERNAME", "password": "POSTGRES_DB_PASSWORD"}


@pytest.mark.parametrize(
    ("different", "field", "message"),
    [
        ({"username1": " "}, "username1", "Fill this in."),
        ({"username2": "a\0b"}, "username2", "NUL"),
        ({"username1": "x" * 64}, "username1", "can't be longer than 63 bytes; this has 64."),
        ({"username1": "ä" * 32}, "username1", "can't be longer than 63 bytes; this has 64."),
        ({"username1": "\ud800"}, "username1", "no valid Unicode"),
        ({"rotationStatement": "ALTER ROLE x"}, "rotationStatement", "must contain {{username}}"),
        ({"rotationStatement": "{{x}}"}, "rotationStatement", "{{x}} is no placeholder"),
        ({"passwordRequirements": {"length": 300}}, "passwordRequirements.length", "less than or equal to 250"),
    ],
)
def test_wrong_parameters_are_explained(different: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        PostgresParameters.model_validate({"username1": "a", "username2": "b", **different})
    [problem] = caught.value.errors()
    assert ".".join(map(str, problem["loc"])) == field
    assert message in problem["msg"]


def test_users_that_must_not_be_rotated_are_named() -> None:
    connection = {"username": "rotator", "database": "app"}
    assert PROVIDER.check_parameters(parameters("a", "b"), connection) == []
    assert [p.field for p in PROVIDER.check_parameters(parameters("a", "a"), connection)] == ["parameters.username2"]
    assert [p.field for p in PROVIDER.check_parameters(parameters("rotator", "b"), connection)] == [
        "parameters.username1"
    ]
    assert PROVIDER.check_parameters(parameters("a", "rotator"), connection) == [
        Problem("parameters.username2", "rotator is the connection's own user; rotating it would lock Keyturn out.")
    ]


def test_a_statement_that_cant_hold_the_values_is_refused_early() -> None:
    connection = {"username": "rotator", "database": "app"}
    statement = "DO $q$BEGIN EXECUTE 'ALTER ROLE \"{{username}}\" PASSWORD ''{{password}}'''; END$q$"
    given = parameters("a", "it's", rotationStatement=statement)
    [problem] = PROVIDER.check_parameters(given, connection)
    assert problem.field == "parameters.rotationStatement"
    assert problem.message.startswith("For it's: ")
    quotes = {"required": {"symbols": 1}, "allowedSymbols": "-'"}
    given = parameters("a", "b", rotationStatement=statement, passwordRequirements=quotes)
    assert len(PROVIDER.check_parameters(given, connection)) == 2


# -- rotating ----------------------------------------------------------------------------------------------------


@pytest.mark.pg_versions
@pytest.mark.parametrize("statement", [None, DEFAULT_STATEMENT], ids=["built-in", "template"])
async def test_two_users_take_turns(pg: Database, target: PostgresTarget, statement: str | None) -> None:
    first, second = pg.create_role("app1", "temporary"), pg.create_role("app2", "temporary")
    given = parameters(first, second, rotationStatement=statement)
    one = await rotate(target, given, 0)
    two = await rotate(target, given, 1)
    assert one.values["username"] == PROVIDER.identity(given, 0) == first
    assert two.values["username"] == PROVIDER.identity(given, 1) == second
    assert not pg.login(first, "temporary")
    assert not pg.login(second, "temporary")
    await PROVIDER.verify(target, given, one)
    await rotate(target, given, 0)
    with pytest.raises(CredentialRefused):
        await PROVIDER.verify(target, given, one)
    await PROVIDER.verify(target, given, two)


@pytest.mark.pg_versions
@pytest.mark.parametrize("statement", [None, DEFAULT_STATEMENT], ids=["built-in", "template"])
async def test_a_password_is_as_costly_to_guess_as_the_server_wants(
    pg: Database, target: PostgresTarget, statement: str | None
) -> None:
    """Before PostgreSQL 16, by its built-in cost."""
    user, wanted = pg.create_role("app"), "4096"
    with pg.connect() as connection:
        if connection.info.server_version >= 160000:
            wanted = "77"
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET scram_iterations = 77").format(sql.Identifier(pg.database))
            )
    await rotate(target, parameters(user, rotationStatement=statement))
    ((stored,),) = pg.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", user)
    assert stored.startswith(f"SCRAM-SHA-256${wanted}:")


@pytest.mark.parametrize("statement", [None, DEFAULT_STATEMENT], ids=["built-in", "template"])
@pytest.mark.parametrize("stem", DIFFICULT_NAMES)
async def test_names_of_all_kinds(pg: Database, target: PostgresTarget, stem: str, statement: str | None) -> None:
    await rotate(target, parameters(pg.create_role(stem), rotationStatement=statement))


@pytest.mark.parametrize("stem", DIFFICULT_NAMES)
async def test_databases_of_all_kinds(pg: Database, opened: Open, stem: str) -> None:
    user, database = pg.create_role("app"), pg.role_name(stem)
    pg.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    try:
        target = opened(database=database)
        await rotate(target, parameters(user))
        await target.close()
    finally:
        pg.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))


@pytest.mark.parametrize("statement", [None, DEFAULT_STATEMENT], ids=["built-in", "template"])
@pytest.mark.parametrize(
    "password", ["'", "\\", "a;b", "%s %", "{{password}}", "$$", '"', " blanks ", "ü\u200b\u9375", "-" * 250, "&lt;"]
)
async def test_passwords_of_all_kinds(
    pg: Database, target: PostgresTarget, password: str, statement: str | None
) -> None:
    given = parameters(pg.create_role("app"), rotationStatement=statement)
    wanted = Credential({"username": given.username1, "password": password})
    issued = await PROVIDER.issue(target, given, Issue(0, wanted))
    await PROVIDER.verify(target, given, issued)
    assert pg.login(given.username1, password)


async def test_a_whole_template_is_one_transaction(pg: Database, target: PostgresTarget) -> None:
    user = pg.create_role("app", "old")
    pg.execute("CREATE TABLE note (value text NOT NULL)")
    template = "INSERT INTO note VALUES ('a;b'); ALTER ROLE {{username}} PASSWORD '{{password}}'; "
    given = parameters(user, rotationStatement=f"{template} INSERT INTO note VALUES (NULL)")
    with pytest.raises(TargetRefused, match="null value") as caught:
        await rotate(target, given)
    assert caught.value.outcome is Outcome.UNCHANGED
    assert pg.login(user, "old")
    assert pg.execute("SELECT value FROM note") == []
    await rotate(target, parameters(user, rotationStatement=f"{template} SELECT 1"))
    assert pg.execute("SELECT value FROM note") == [("a;b",)]


@pytest.mark.parametrize(
    ("template", "said", "mended_by"),
    [
        ("ALTRE ROLE {{username}} PASSWORD {{password}}", "syntax error", "Change the rotation statement."),
        ("SELECT '{{username}} {{password}}'", "was refused", "Or the rotation statement does not set the password."),
    ],
)
async def test_a_template_that_does_not_do_it_is_named(
    pg: Database, target: PostgresTarget, template: str, said: str, mended_by: str
) -> None:
    with pytest.raises(TargetRefused, match=said) as caught:
        await rotate(target, parameters(pg.create_role("app", "old"), rotationStatement=template))
    assert caught.value.remedy.endswith(mended_by)


async def test_a_template_does_not_spill_into_the_next_rotation(pg: Database, target: PostgresTarget) -> None:
    user, weak = pg.create_role("app"), pg.create_role("weak", options="NOLOGIN")
    template = f"ALTER ROLE {{{{username}}}} PASSWORD {{{{password}}}}; SET ROLE {weak}; SET search_path = nowhere"
    await rotate(target, parameters(user, rotationStatement=template))
    await rotate(target, parameters(user))


async def test_a_template_that_ends_its_transaction_is_caught(
    pg: Database, target: PostgresTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = pg.create_role("app")
    monkeypatch.setattr("providers.postgres_credentials.problem", lambda template: "")
    monkeypatch.setattr("providers.postgres_statement._TRANSACTION_WORDS", frozenset())
    template = "ALTER ROLE {{username}} PASSWORD '{{password}}'; COMMIT"
    with pytest.raises(TargetRefused, match="ended its own transaction") as caught:
        await rotate(target, parameters(user, rotationStatement=template))
    assert caught.value.outcome is Outcome.UNKNOWN


async def test_copy_in_a_template_is_refused(pg: Database, target: PostgresTarget) -> None:
    template = "ALTER ROLE {{username}} PASSWORD '{{password}}'; COPY (SELECT 1) TO STDOUT"
    with pytest.raises(TargetRefused, match="can't be run"):
        await rotate(target, parameters(pg.create_role("app"), rotationStatement=template))


async def test_md5_stays_out_of_it(pg: Database, target: PostgresTarget) -> None:
    user = pg.create_role("app")
    pg.execute(sql.SQL("ALTER DATABASE {} SET password_encryption = 'md5'").format(sql.Identifier(pg.database)))
    await rotate(target, parameters(user))
    [(stored,)] = pg.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", user)
    assert stored.startswith("SCRAM-SHA-256$")


async def test_nothing_but_the_password_is_named(pg: Database, target: PostgresTarget) -> None:
    async with target.session() as session:
        statement = session.new_password("a b", "x").as_string()
    assert re.fullmatch(r"ALTER ROLE \"a b\" PASSWORD 'SCRAM-SHA-256\$[^ ]+'", statement)


async def test_the_published_user_is_never_touched(pg: Database, target: PostgresTarget) -> None:
    user = pg.create_role("app", "published")
    given = parameters(user)
    request = Issue(0, candidate(given), active=Credential({"username": user, "password": "published"}))
    with pytest.raises(TargetRefused, match="is the published user"):
        await PROVIDER.issue(target, given, request)
    assert pg.login(user, "published")


async def test_revoking_leaves_a_password_that_nobody_knows(pg: Database, target: PostgresTarget) -> None:
    given = parameters(pg.create_role("app"))
    issued = await rotate(target, given)
    await PROVIDER.revoke(target, given, issued)
    with pytest.raises(CredentialRefused):
        await PROVIDER.verify(target, given, issued)
    [(stored,)] = pg.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", given.username1)
    assert stored.startswith("SCRAM-SHA-256$")
    await PROVIDER.revoke(target, given, issued)


async def test_retiring_concerns_only_users_that_were_edited_away(pg: Database, target: PostgresTarget) -> None:
    old, new = pg.create_role("old"), pg.create_role("new")
    issued = await rotate(target, parameters(old))
    await PROVIDER.retire(target, parameters("first", old), issued)
    await PROVIDER.verify(target, parameters(old), issued)
    await PROVIDER.retire(target, parameters(new), issued)
    with pytest.raises(CredentialRefused):
        await PROVIDER.verify(target, parameters(old), issued)


async def test_a_user_may_have_a_role_of_its_own_to_work_in(pg: Database, target: PostgresTarget) -> None:
    owner = pg.create_role("owner", options="NOLOGIN")
    user = pg.create_role("app", options=f"LOGIN IN ROLE {owner}")
    pg.execute(sql.SQL("ALTER ROLE {} SET role TO {}").format(sql.Identifier(user), sql.Identifier(owner)))
    await rotate(target, parameters(user))


def test_every_declaration_has_a_json_schema_with_the_documented_names() -> None:
    schema = PROVIDER.parameters.model_json_schema()
    assert list(schema["properties"]) == ["username1", "username2", "rotationStatement", "passwordRequirements"]
    assert schema["required"] == ["username1", "username2"]
    documented = ["host", "port", "database", "username", "password"]
    documented += ["sslEnabled", "sslRejectUnauthorized", "sslCertificate"]
    assert list(PostgresCredentials.model_json_schema()["properties"]) == documented


def test_it_prepares() -> None:
    assert isinstance(PROVIDER, Preparable)
