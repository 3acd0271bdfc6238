"""The script that prepares a database: complete, harmless to repeat, and enough to rotate."""

from __future__ import annotations

import pytest
from psycopg import sql

from providers.base import CheckResult, TargetRefused
from providers.postgres import PostgresTarget
from providers.postgres_credentials import PROVIDER, PostgresParameters
from providers.postgres_preparation import script, shared_role
from tests.conftest import Database
from tests.providers.conftest import Open, parameters, rotate


def users(pg: Database) -> PostgresParameters:
    """Names that are dropped after the test, and so is their shared role."""
    return parameters(pg.role_name('app "1'), pg.role_name("app '2 $keyturn$"))


@pytest.fixture(autouse=True)
def _dropped_suffix(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """The shared role gets the test's suffix, so that the fixture `pg` drops it."""
    if "pg" in request.fixturenames:
        pg: Database = request.getfixturevalue("pg")
        monkeypatch.setattr("providers.postgres_preparation.shared_role", lambda *_: pg.role_name("the 'shared\" role"))


async def _works(pg: Database, target: PostgresTarget, given: PostgresParameters) -> None:
    """Both users rotate, and each can change what the other made."""
    one, two = await rotate(target, given, 0), await rotate(target, given, 1)
    with pg.connect(given.username1, one.values["password"]) as connection:
        connection.execute("CREATE TABLE made (id serial)")
    with pg.connect(given.username2, two.values["password"]) as connection:
        connection.execute("ALTER TABLE made ADD COLUMN more int")
        connection.execute("INSERT INTO made (more) VALUES (1)")


def _catalogues(pg: Database) -> list[object]:
    return [
        pg.execute("SELECT rolname, rolcanlogin, rolsuper, rolpassword FROM pg_authid ORDER BY oid"),
        pg.execute("SELECT roleid, member, grantor, admin_option FROM pg_auth_members ORDER BY 1, 2, 3"),
        pg.execute("SELECT * FROM pg_db_role_setting ORDER BY 1, 2"),
        pg.execute("SELECT datacl FROM pg_database WHERE datname = current_database()"),
        pg.execute("SELECT nspacl FROM pg_namespace WHERE nspname = 'public'"),
        pg.execute("SELECT relname, relacl FROM pg_class WHERE relacl IS NOT NULL ORDER BY relname"),
        pg.execute("SELECT * FROM pg_default_acl ORDER BY oid"),
    ]


@pytest.mark.pg_versions
async def test_a_superuser_prepares(pg: Database, target: PostgresTarget) -> None:
    given = users(pg)
    pg.execute("CREATE TABLE existing (id serial)")
    await PROVIDER.prepare(target, given)
    before = _catalogues(pg)
    await PROVIDER.prepare(target, given)
    assert _catalogues(pg) == before
    checks = await PROVIDER.preflight(target, given)
    assert {check.result for check in checks} == {CheckResult.PASSED}
    await _works(pg, target, given)
    one = await rotate(target, given, 0)
    with pg.connect(given.username1, one.values["password"]) as connection:
        connection.execute("INSERT INTO existing DEFAULT VALUES")
        connection.execute("DELETE FROM existing")


@pytest.fixture
def owner(pg: Database, opened: Open) -> PostgresTarget:
    """A CREATEROLE role that owns the database."""
    name = pg.create_role("the 'owner", "x", options="LOGIN CREATEROLE")
    pg.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(pg.database), sql.Identifier(name)))
    return opened(username=name, password="x")


@pytest.mark.pg_versions
async def test_the_databases_owner_prepares(pg: Database, owner: PostgresTarget) -> None:
    given = users(pg)
    pg.execute("CREATE TABLE somebody_elses (id int)")
    await PROVIDER.prepare(owner, given)
    before = _catalogues(pg)
    await PROVIDER.prepare(owner, given)
    assert _catalogues(pg) == before
    checks = await PROVIDER.preflight(owner, given)
    assert {check.result for check in checks} == {CheckResult.PASSED}
    await _works(pg, owner, given)


@pytest.mark.pg_versions
async def test_what_is_shown_can_be_run_by_hand_for_another_role(pg: Database, opened: Open) -> None:
    """By a superuser, for a connection whose role has CREATEROLE and, on 16 and later, nothing else."""
    given = users(pg)
    name = pg.create_role("rotator", "x", options="LOGIN CREATEROLE")
    shown = PROVIDER.preparation(given, {"username": name, "database": pg.database})
    pg.execute(shown.text)
    pg.execute(shown.text)
    target = opened(username=name, password="x")
    assert not [c for c in await PROVIDER.preflight(target, given) if c.result is not CheckResult.PASSED]
    await _works(pg, target, given)


async def test_what_exists_is_left_alone(pg: Database, target: PostgresTarget) -> None:
    given = users(pg)
    pg.execute(sql.SQL("CREATE ROLE {} NOLOGIN PASSWORD 'kept'").format(sql.Identifier(given.username1)))
    pg.execute(sql.SQL("ALTER ROLE {} SET role TO 'postgres'").format(sql.Identifier(given.username1)))
    await PROVIDER.prepare(target, given)
    [(can_log_in, stored, configured)] = pg.execute(
        "SELECT a.rolcanlogin, a.rolpassword, r.rolconfig FROM pg_authid a JOIN pg_roles r USING (oid)"
        " WHERE a.rolname = %s",
        given.username1,
    )
    assert not can_log_in
    assert stored is not None
    assert configured == ["role=postgres"]


async def test_a_role_that_may_log_in_is_not_shared(pg: Database, target: PostgresTarget) -> None:
    given = users(pg)
    pg.create_role("the 'shared\" role")
    with pytest.raises(TargetRefused, match="but it may log in") as caught:
        await PROVIDER.prepare(target, given)
    assert "Rename that role" in caught.value.remedy
    assert pg.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", given.username1) == []


async def test_who_may_not_prepare_changes_nothing_and_learns_who_may(pg: Database, opened: Open) -> None:
    given = users(pg)
    name = pg.create_role("powerless", "x")
    before = _catalogues(pg)
    with pytest.raises(TargetRefused, match="permission denied to create role") as caught:
        await PROVIDER.prepare(opened(username=name, password="x"), given)
    assert "superuser" in caught.value.remedy
    assert _catalogues(pg) == before


def test_the_script_holds_no_password_and_names_everything() -> None:
    shown = PROVIDER.preparation(parameters("app_1", "app_2"), {"username": "rotator", "database": "app"})
    assert shown.title == "Create app_1 and app_2"
    for text in ('CREATE ROLE "app_1" LOGIN', 'ON DATABASE "app"', 'TO "rotator" WITH ADMIN TRUE'):
        assert text in shown.text
    assert "PASSWORD '" not in shown.text


def test_a_name_cannot_end_the_script_early() -> None:
    text = script(("a$keyturn$b", "a$keyturn_$b"), admin="x\ny", database="d\n; DROP TABLE x; --")
    assert text.count("$keyturn__$") == 2
    assert not [line for line in text.split("DO $keyturn__$")[0].splitlines() if not line.startswith("-- ")]


@pytest.mark.parametrize(
    ("names", "admin", "database", "expected"),
    [
        (("app_user_1", "app_user_2"), "rotator", "app", "app_user_shared"),
        (("blue", "green"), "rotator", "shop", "shop_shared"),
        (("shop_shared", "green"), "rotator", "shop", "shop_owner"),
        (("blue", "green"), "rotator", "pg_stats", "keyturn_pg_stats_shared"),
        (("blue", "green"), "rotator", "é" * 31, "é" * 28 + "_shared"),
    ],
)
def test_the_shared_roles_name(names: tuple[str, str], admin: str, database: str, expected: str) -> None:
    name = shared_role(names, admin, database)
    assert name == expected
    assert len(name.encode()) <= 63
