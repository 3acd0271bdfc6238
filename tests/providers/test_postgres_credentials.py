"""The rotation type on real servers: passwords change hands, nothing leaks, and errors mean what they say."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import sql
from pydantic import ValidationError

from app.demo.server import PrivateServer
from providers import postgres_connection as wire
from providers.base import (
    Credential,
    CredentialRefused,
    Issue,
    Outcome,
    Preparable,
    Problem,
    TargetRefused,
    TargetUnavailable,
)
from providers.postgres import PostgresCredentials, PostgresTarget
from providers.postgres_credentials import PROVIDER, PostgresMapping, PostgresParameters
from providers.postgres_errors import Circumstances, identifier, literal, rights, withhold
from providers.postgres_statement import DEFAULT_STATEMENT
from tests.conftest import Database
from tests.providers.conftest import Open, candidate, parameters, rotate, superuser_of

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


# -- leaks -------------------------------------------------------------------------------------------------------


@pytest.fixture
def talkative(pg_version: str) -> Iterator[PrivateServer]:
    """A server that logs all it can."""
    settings = {
        "log_statement": "all",
        "log_min_duration_statement": "0",
        "log_min_error_statement": "debug5",
        "log_min_messages": "debug1",
        "log_parameter_max_length": "-1",
        "log_parameter_max_length_on_error": "-1",
        "log_error_verbosity": "verbose",
        "log_connections": "all" if pg_version == "18" else "on",
        "log_duration": "on",
    }
    with PrivateServer(pg_version, settings=settings) as server:
        yield server


@pytest.mark.pg_versions
@pytest.mark.parametrize("role", ["superuser", "ordinary"])
async def test_the_password_never_shows_in_the_servers_log(talkative: PrivateServer, role: str) -> None:
    with talkative.connect() as superuser:
        superuser.execute("CREATE ROLE app LOGIN")
        superuser.execute("CREATE ROLE rotator LOGIN CREATEROLE PASSWORD 'rotator-secret'")
        if superuser.info.server_version >= 160000:
            superuser.execute("GRANT app TO rotator WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
    login = {"username": "rotator", "password": "rotator-secret"} if role == "ordinary" else {}
    target = PostgresTarget(superuser_of(talkative, **login))
    given = [
        parameters("app"),
        parameters("app", rotationStatement=DEFAULT_STATEMENT),
        parameters("app", rotationStatement="DO $k$BEGIN ALTER ROLE {{username}} PASSWORD {{password}}; END$k$"),
    ]
    passwords = []
    for chosen in given:
        issued = await rotate(target, chosen)
        passwords.append(issued.values["password"])
        await PROVIDER.preflight(target, chosen)
        await PROVIDER.revoke(target, chosen, issued)
    missing = candidate(parameters("missing"))
    with pytest.raises(TargetRefused):
        await PROVIDER.issue(target, parameters("missing"), Issue(0, missing))
    await target.close()
    log = talkative.log()
    assert "connection authorized" in log
    assert not [password for password in (*passwords, missing.values["password"]) if password in log]
    assert ("ALTER ROLE" in log) is (role == "ordinary")
    assert ("SCRAM-SHA-256$" in log) is (role == "ordinary")


@pytest.mark.pg_versions
@pytest.mark.parametrize("role", ["superuser", "ordinary"])
async def test_a_superuser_hides_even_a_password_that_has_to_be_sent(talkative: PrivateServer, role: str) -> None:
    """That the ordinary role's shows up proves that the log would tell."""
    with talkative.connect() as superuser:
        superuser.execute("CREATE ROLE app LOGIN")
        superuser.execute("CREATE ROLE ordinary LOGIN PASSWORD 'x'")
    login = {"username": "ordinary", "password": "x"} if role == "ordinary" else {}
    target = PostgresTarget(superuser_of(talkative, **login))
    given = parameters("app", rotationStatement="SELECT '{{username}}', '{{password}}'")
    wanted = candidate(given)
    await PROVIDER.issue(target, given, Issue(0, wanted))
    await target.close()
    assert ("SELECT 'app'," in talkative.log()) is (role == "ordinary")
    assert (wanted.values["password"] in talkative.log()) is (role == "ordinary")


async def test_a_server_that_quotes_the_password_is_not_passed_on(pg: Database, target: PostgresTarget) -> None:
    given = parameters(pg.create_role("app"), rotationStatement="SELECT '{{password}}'::int, '{{username}}'")
    wanted = candidate(given)
    with pytest.raises(TargetRefused, match="withheld") as caught:
        await PROVIDER.issue(target, given, Issue(0, wanted))
    assert wanted.values["password"] not in f"{caught.value} {caught.value.remedy}"
    assert caught.value.outcome is Outcome.UNCHANGED


def test_parts_of_a_secret_count_too() -> None:
    assert withhold('syntax error at or near "cdef"', ("abcdefgh",)).startswith("(the server's message is withheld")
    assert withhold("syntax error", ("abcdefgh", "")) == "syntax error"
    assert withhold("the x", ("x",)).startswith("(the server's")


# -- errors ------------------------------------------------------------------------------------------------------


async def test_a_user_that_does_not_exist(pg: Database, target: PostgresTarget) -> None:
    given = parameters(pg.role_name('no "one'))
    with pytest.raises(TargetRefused, match="does not exist") as caught:
        await rotate(target, given)
    assert caught.value.outcome is Outcome.UNCHANGED
    pg.execute(caught.value.remedy)
    await rotate(target, given)


@pytest.mark.pg_versions
async def test_a_right_that_is_missing(pg: Database, opened: Open, caplog: pytest.LogCaptureFixture) -> None:
    user = pg.create_role('the "app')
    admin = pg.create_role("the 'admin", "secret")
    target = opened(username=admin, password="secret")
    with pytest.raises(TargetRefused, match="permission denied") as caught:
        await rotate(target, parameters(user))
    assert caught.value.outcome is Outcome.UNCHANGED
    assert not caplog.records
    pg.execute(caught.value.remedy)
    await rotate(target, parameters(user))


@pytest.mark.pg_versions
async def test_a_superusers_password_is_out_of_reach_until_it_is_none(pg: Database, opened: Open) -> None:
    user = pg.create_role("app", options="LOGIN SUPERUSER")
    admin = pg.create_role("admin", "secret", options="LOGIN CREATEROLE")
    target = opened(username=admin, password="secret")
    with pytest.raises(TargetRefused) as caught:
        await rotate(target, parameters(user))
    assert caught.value.remedy == f'ALTER ROLE "{user}" NOSUPERUSER;'
    pg.execute(caught.value.remedy)
    pg.execute(rights(user, admin, int(pg.execute("SHOW server_version_num")[0][0])))
    await rotate(target, parameters(user))


async def test_a_user_that_may_not_log_in(pg: Database, target: PostgresTarget) -> None:
    user = pg.create_role("the app", options="NOLOGIN")
    with pytest.raises(CredentialRefused, match="may not log in") as caught:
        await rotate(target, parameters(user))
    pg.execute(caught.value.remedy)
    await rotate(target, parameters(user))


async def test_a_user_that_may_not_connect(pg: Database, target: PostgresTarget) -> None:
    user = pg.create_role("the app")
    pg.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(sql.Identifier(pg.database)))
    with pytest.raises(TargetRefused, match="may not connect") as caught:
        await rotate(target, parameters(user))
    assert not isinstance(caught.value, CredentialRefused)
    pg.execute(caught.value.remedy)
    await rotate(target, parameters(user))


async def test_a_full_server_is_no_refusal(pg: Database, target: PostgresTarget) -> None:
    user = pg.create_role("app", "x", options="LOGIN CONNECTION LIMIT 1")
    with pg.connect(user, "x"), pytest.raises(TargetUnavailable, match="too many connections"):
        await PROVIDER.verify(target, parameters(user), Credential({"username": user, "password": "x"}))


async def test_a_server_without_room_for_the_admin(pg: Database, opened: Open) -> None:
    admin = pg.create_role("admin", "x", options="LOGIN CREATEROLE CONNECTION LIMIT 1")
    with pg.connect(admin, "x"), pytest.raises(TargetUnavailable, match="too many connections") as caught:
        await rotate(opened(username=admin, password="x"), parameters("app"))
    assert caught.value.outcome is Outcome.UNCHANGED


async def test_a_read_only_server_is_told_as_one(pg: Database, opened: Open) -> None:
    user = pg.create_role("app")
    pg.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(sql.Identifier(pg.database)))
    with pytest.raises(TargetUnavailable, match="replica") as caught:
        await rotate(opened(), parameters(user))
    assert caught.value.outcome is Outcome.UNCHANGED
    assert "primary" in caught.value.remedy


@pytest.mark.parametrize("limit", ["lock_timeout", "statement_timeout"])
async def test_a_lock_that_is_not_released_is_waited_for_in_bounds(
    pg: Database, target: PostgresTarget, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    user = pg.create_role("app", "old")
    assert wire._LIMITS["lock_timeout"] == "5s"
    assert wire._LIMITS["statement_timeout"] == "10s"
    monkeypatch.setitem(wire._LIMITS, limit, "50ms")
    with pg.connect() as other:
        other.execute("BEGIN")
        other.execute(sql.SQL("ALTER ROLE {} PASSWORD 'other'").format(sql.Identifier(user)))
        with pytest.raises(TargetUnavailable, match="canceling statement due to") as caught:
            await rotate(target, parameters(user))
        assert caught.value.outcome is Outcome.UNCHANGED
        other.execute("ROLLBACK")
    assert pg.login(user, "old")
    await rotate(target, parameters(user))


async def test_many_rotations_at_once_on_one_target(pg: Database, target: PostgresTarget) -> None:
    users = [pg.create_role(f"app{n}") for n in range(12)]
    issued = await asyncio.gather(*(rotate(target, parameters(user)) for user in users))
    assert all(pg.login(one.values["username"], one.values["password"]) for one in issued)


class _Diagnosis:
    def __init__(self, severity: str) -> None:
        self.severity_nonlocalized = severity
        self.message_primary, self.message_hint, self.message_detail = "no", "Ask again.", None


class _Error(Exception):
    pgconn = None

    def __init__(self, state: str, severity: str = "ERROR") -> None:
        super().__init__("LINE 1: ALTER ROLE x PASSWORD 'secret'")
        self.sqlstate, self.diag = state, _Diagnosis(severity)


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        *[(state, TargetUnavailable) for state in (
            "08006", "53300", "53200", "57P01", "57P02", "57P03", "57P05", "40001", "40P01", "55P03", "57014",
            "25006", "58000", "XX000",
        )],
        *[(state, TargetRefused) for state in (
            "42501", "42704", "42601", "0A000", "22023", "23505", "28000", "25001", "57P04", "P0001", "55000",
        )],
    ],
)  # fmt: skip
@pytest.mark.parametrize("sent", [False, True])
def test_what_a_state_means(state: str, kind: type, sent: bool) -> None:
    error = Circumstances("db:5432", "app", "rotator", role="app", sent=sent).failure(_Error(state))  # type: ignore[arg-type]
    assert type(error) is kind
    assert error.outcome is Outcome.UNCHANGED
    assert "secret" not in error.message + error.remedy


@pytest.mark.parametrize(("state", "severity"), [("57P01", "FATAL"), ("40003", "ERROR"), ("08007", "ERROR")])
def test_states_that_leave_the_outcome_open(state: str, severity: str) -> None:
    error = _Error(state, severity)
    assert Circumstances("", "", "", sent=True).failure(error).outcome is Outcome.UNKNOWN  # type: ignore[arg-type]
    assert Circumstances("", "", "", sent=False).failure(error).outcome is Outcome.UNCHANGED  # type: ignore[arg-type]


def test_a_managed_server_that_guards_passwords() -> None:
    error = _Error("42501")
    error.diag.message_primary = "must be a member of rds_password to alter passwords"
    remedy = Circumstances("", "", "the admin", role="x").failure(error).remedy  # type: ignore[arg-type]
    assert remedy == 'GRANT rds_password TO "the admin";'


LOCALIZED = {
    "de": "Passwort-Authentifizierung für Benutzer »u« fehlgeschlagen",
    "es": "la autentificación password falló para el usuario «u»",
    "fr": "authentification par mot de passe échouée pour l'utilisateur  « u »",
    "it": 'autenticazione con password fallita per l\'utente "u"',
    "ja": 'ユーザー"u"のパスワード認証に失敗しました',
    "ka": 'პაროლით ავთენტიფიკაცია მომხმარებლისთვის "u" ვერ მოხერხდა',
    "ko": '사용자 "u"의 password 인증을 실패했습니다',
    "ru": 'пользователь "u" не прошёл проверку подлинности (по паролю)',
    "sv": 'Lösenordsautentisering misslyckades för användare "u"',
    "uk": 'користувач "u" не пройшов автентифікацію за допомогою пароля',
    "zh": '用户 "u" Password 认证失败',
}


@pytest.mark.parametrize("text", LOCALIZED.values(), ids=LOCALIZED)
def test_a_wrong_password_in_the_servers_language(text: str) -> None:
    import psycopg

    circumstances = Circumstances("db:5432", "app", "u", refused=CredentialRefused, connecting=True)
    with pytest.raises(CredentialRefused), circumstances.translating():
        raise psycopg.OperationalError(f"connection failed: FATAL:  {text}")


@pytest.mark.parametrize(
    "text",
    [
        'FATAL:  too many connections for role "u"',
        "FATAL:  the database system is starting up",
        "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
        "SSL error: unexpected eof while reading",
        "server closed the connection unexpectedly",
        "",
    ],
)
def test_what_is_unclear_at_login_is_not_a_refusal(text: str) -> None:
    import psycopg

    circumstances = Circumstances("db:5432", "app", "u", refused=CredentialRefused, connecting=True)
    with pytest.raises(TargetUnavailable) as caught, circumstances.translating():
        raise psycopg.OperationalError(f'connection to server at "db", port 5432 failed: {text}')
    assert text.removeprefix("FATAL:  ") in caught.value.message
    assert "failed:" not in caught.value.message


def test_names_and_texts_are_quoted() -> None:
    assert identifier('a"b') == '"a""b"'
    assert literal("a'b") == "'a''b'"
