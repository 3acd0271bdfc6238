"""What PostgreSQL refuses, and what that means."""

from __future__ import annotations

import asyncio
from typing import cast

import psycopg
import pytest
from psycopg import sql

from providers import postgres_connection as wire
from providers.base import (
    Credential,
    CredentialRefused,
    Outcome,
    TargetRefused,
    TargetUnavailable,
)
from providers.postgres import PostgresTarget
from providers.postgres_credentials import PROVIDER
from providers.postgres_errors import Circumstances, identifier, literal, rights
from tests.conftest import Database
from tests.providers.conftest import Open, parameters, rotate, until


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


async def test_a_session_that_is_ended_while_it_waits_leaves_open_what_happened(
    pg: Database, target: PostgresTarget
) -> None:
    user = pg.create_role("app", "old")
    with pg.connect() as other:
        other.execute("BEGIN")
        other.execute(sql.SQL("ALTER ROLE {} PASSWORD 'other'").format(sql.Identifier(user)))
        rotating = asyncio.create_task(rotate(target, parameters(user)))
        blocked = "SELECT pid FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"
        await until(lambda: pg.execute(blocked, other.info.backend_pid))
        [(pid,)] = pg.execute(blocked, other.info.backend_pid)
        pg.execute("SELECT pg_terminate_backend(%s)", pid)
        with pytest.raises(TargetUnavailable, match=r"terminating connection|closed the connection") as caught:
            await rotating
        assert caught.value.outcome is Outcome.UNKNOWN
        other.execute("ROLLBACK")
    await rotate(target, parameters(user))


async def test_many_rotations_at_once_on_one_target(pg: Database, target: PostgresTarget) -> None:
    users = [pg.create_role(f"app{n}") for n in range(12)]
    issued = await asyncio.gather(*(rotate(target, parameters(user)) for user in users))
    assert all(pg.login(one.values["username"], one.values["password"]) for one in issued)


class _Diagnosis:
    def __init__(self, severity: str, message: str) -> None:
        self.severity_nonlocalized = severity
        self.message_primary, self.message_hint, self.message_detail = message, "Ask again.", None


class _Error(Exception):
    pgconn = None

    def __init__(self, state: str, severity: str, message: str) -> None:
        super().__init__("LINE 1: ALTER ROLE x PASSWORD 'secret'")
        self.sqlstate, self.diag = state, _Diagnosis(severity, message)


def _error(state: str, severity: str = "ERROR", message: str = "no") -> psycopg.Error:
    """One that psycopg raises: its own gets state and diagnosis from a server's answer alone."""
    return cast("psycopg.Error", _Error(state, severity, message))


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
    error = Circumstances("db:5432", "app", "rotator", role="app", sent=sent).failure(_error(state))
    assert type(error) is kind
    assert error.outcome is Outcome.UNCHANGED
    assert "secret" not in error.message + error.remedy


@pytest.mark.parametrize(("state", "severity"), [("57P01", "FATAL"), ("40003", "ERROR"), ("08007", "ERROR")])
def test_states_that_leave_the_outcome_open(state: str, severity: str) -> None:
    error = _error(state, severity)
    assert Circumstances("", "", "", sent=True).failure(error).outcome is Outcome.UNKNOWN
    assert Circumstances("", "", "", sent=False).failure(error).outcome is Outcome.UNCHANGED


def test_a_managed_server_that_guards_passwords() -> None:
    error = _error("42501", message="must be a member of rds_password to alter passwords")
    remedy = Circumstances("", "", "the admin", role="x").failure(error).remedy
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
