"""The preflight tells what is missing, its remedies work, and it changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from psycopg import sql

from app.demo.server import PrivateServer
from providers import postgres_connection as wire
from providers.base import Check, CheckResult
from providers.postgres import PostgresTarget
from providers.postgres_credentials import PROVIDER, PostgresParameters
from providers.postgres_statement import DEFAULT_STATEMENT
from tests.conftest import Database
from tests.providers.conftest import Open, parameters, rotate, superuser_of

PASSED, WARNING, FAILED = CheckResult.PASSED, CheckResult.WARNING, CheckResult.FAILED
SECRET = "Password stays out of the server's log"
SHARED = "Both users own their tables together"


def results(checks: list[Check]) -> dict[str, CheckResult]:
    return {check.title: check.result for check in checks}


def failed(checks: list[Check]) -> list[Check]:
    return [check for check in checks if check.result is FAILED]


@dataclass(frozen=True)
class Ready:
    """Two users with difficult names, and a rotator that owns the database."""

    pg: Database
    users: tuple[str, str]
    rotator: str
    target: PostgresTarget

    @property
    def given(self) -> PostgresParameters:
        return parameters(*self.users)

    async def checks(self, **more: Any) -> list[Check]:
        return await PROVIDER.preflight(self.target, parameters(*self.users, **more))

    async def mend(self, checks: list[Check]) -> None:
        """Run every remedy as the superuser."""
        for check in checks:
            if check.remedy:
                self.pg.execute(check.remedy)


@pytest.fixture
def ready(pg: Database, opened: Open) -> Ready:
    rotator = pg.create_role("the 'rotator", "secret", options="LOGIN CREATEROLE")
    pg.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(pg.database), sql.Identifier(rotator)))
    with pg.connect(rotator, "secret") as connection:
        users = (pg.role_name('one "app'), pg.role_name("two app's"))
        for user in users:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(user)))
    return Ready(pg, users, rotator, opened(username=rotator, password="secret"))


@pytest.mark.pg_versions
async def test_all_is_well(ready: Ready) -> None:
    one, two = ready.users
    assert results(await ready.checks()) == {
        "Server answers": PASSED,
        "TLS": PASSED,
        "Server takes changes": PASSED,
        SECRET: PASSED,
        f"{one} exists": PASSED,
        f"{one} may log in": PASSED,
        f"{two} exists": PASSED,
        f"{two} may log in": PASSED,
        f"{ready.rotator} may change the password of {one}": PASSED,
        f"{ready.rotator} may change the password of {two}": PASSED,
        SHARED: WARNING,
    }


@pytest.mark.pg_versions
async def test_for_a_superuser_too(ready: Ready, target: PostgresTarget) -> None:
    checks = await PROVIDER.preflight(target, ready.given)
    assert not failed(checks)
    assert f"PostgreSQL {ready.pg.server.version} at " in checks[0].detail
    assert "off" in checks[1].detail


@pytest.mark.pg_versions
async def test_it_changes_nothing(ready: Ready) -> None:
    ready.pg.execute(sql.SQL("ALTER ROLE {} PASSWORD 'mine'").format(sql.Identifier(ready.users[0])))
    catalogues = (
        "SELECT * FROM pg_authid ORDER BY oid",
        "SELECT * FROM pg_auth_members",
        "SELECT * FROM pg_db_role_setting",
    )
    before = [ready.pg.execute(catalogue) for catalogue in catalogues]
    await ready.checks()
    await ready.checks(rotationStatement=DEFAULT_STATEMENT)
    assert [ready.pg.execute(catalogue) for catalogue in catalogues] == before
    assert ready.pg.login(ready.users[0], "mine")


@pytest.mark.pg_versions
async def test_a_powerless_connection_gets_what_it_lacks(pg: Database, opened: Open) -> None:
    users = pg.create_role('one "app'), pg.create_role("two app's")
    admin = pg.create_role("pow\"er'less", "x")
    ready = Ready(pg, users, admin, opened(username=admin, password="x"))
    lacking = failed(await ready.checks())
    assert [check.title for check in lacking] == [f"{admin} may change the password of {user}" for user in users]
    assert "permission denied" in lacking[0].detail
    assert all("CREATEROLE" in check.remedy for check in lacking)
    modern = int(pg.server.version.split(".")[0]) >= 16
    assert all(("WITH ADMIN TRUE, INHERIT FALSE, SET FALSE" in check.remedy) is modern for check in lacking)
    await ready.mend(lacking)
    assert not failed(await ready.checks())
    await rotate(ready.target, ready.given, 0)
    await rotate(ready.target, ready.given, 1)


async def test_createrole_alone_is_not_enough_since_16(pg: Database, opened: Open) -> None:
    users = pg.create_role("one"), pg.create_role("two")
    admin = pg.create_role("admin", "x", options="LOGIN CREATEROLE")
    pg.execute(f"GRANT {users[0]} TO {admin} WITH ADMIN TRUE")
    ready = Ready(pg, users, admin, opened(username=admin, password="x"))
    [lacking] = failed(await ready.checks())
    assert lacking.remedy == f'GRANT "{users[1]}" TO "{admin}" WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;'
    await ready.mend([lacking])
    assert not failed(await ready.checks())


@pytest.mark.pg_versions
async def test_a_superuser_is_out_of_reach(ready: Ready) -> None:
    ready.pg.execute(sql.SQL("ALTER ROLE {} SUPERUSER").format(sql.Identifier(ready.users[1])))
    [lacking] = failed(await ready.checks())
    assert "NOSUPERUSER" in lacking.remedy
    await ready.mend([lacking])
    assert not failed(await ready.checks())


async def test_the_superuser_of_the_server_stays_one(ready: Ready) -> None:
    [first] = ready.pg.execute("SELECT rolname FROM pg_roles WHERE oid = 10")
    checks = await PROVIDER.preflight(ready.target, parameters(ready.users[0], *first))
    [lacking] = failed(checks)
    assert lacking.remedy == f"Rotate another user: {first[0]} is the superuser that the server was made with."


@pytest.mark.pg_versions
async def test_a_replication_role(ready: Ready) -> None:
    ready.pg.execute(sql.SQL("ALTER ROLE {} REPLICATION").format(sql.Identifier(ready.users[1])))
    lacking = failed(await ready.checks())
    assert len(lacking) == (int(ready.pg.server.version.split(".")[0]) < 16)
    await ready.mend(lacking)
    assert not failed(await ready.checks())


async def test_users_that_do_not_exist(pg: Database, opened: Open) -> None:
    users = pg.role_name("no 'one"), pg.role_name('no"body')
    ready = Ready(pg, users, pg.admin_user, opened())
    lacking = failed(await ready.checks())
    assert [check.title for check in lacking] == [f"{user} exists" for user in users]
    await ready.mend(lacking)
    assert not failed(await ready.checks())


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ("ALTER ROLE {} NOLOGIN", "NOLOGIN"),
        ("ALTER ROLE {} CONNECTION LIMIT 0", "connection limit is 0"),
        ("ALTER ROLE {} VALID UNTIL '2001-01-01'", "expired at 2001-01-01"),
    ],
)
async def test_a_user_that_may_not_log_in(ready: Ready, change: str, detail: str) -> None:
    ready.pg.execute(change.format('"' + ready.users[0].replace('"', '""') + '"'))
    [lacking] = failed(await ready.checks())
    assert lacking.title == f"{ready.users[0]} may log in"
    assert detail in lacking.detail
    await ready.mend([lacking])
    assert not failed(await ready.checks())
    await rotate(ready.target, ready.given, 0)


async def test_a_user_that_may_not_connect(ready: Ready) -> None:
    ready.pg.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(sql.Identifier(ready.pg.database)))
    lacking = failed(await ready.checks())
    assert [check.title for check in lacking] == [f"{user} may log in" for user in ready.users]
    await ready.mend(lacking)
    assert not failed(await ready.checks())


async def test_a_password_that_will_expire_is_a_warning(ready: Ready) -> None:
    ready.pg.execute(sql.SQL("ALTER ROLE {} VALID UNTIL '2999-01-01'").format(sql.Identifier(ready.users[1])))
    checks = await ready.checks()
    assert not failed(checks)
    [warning] = [check for check in checks if check.title == f"{ready.users[1]} may log in"]
    assert warning.result is WARNING
    assert "2999-01-01" in warning.detail
    await ready.mend([warning])
    assert results(await ready.checks())[warning.title] is PASSED


async def test_users_with_tables_of_their_own_are_a_warning_that_can_be_mended(ready: Ready) -> None:
    one, two = ready.users
    [warning] = [check for check in await ready.checks() if check.title == SHARED]
    assert warning.result is WARNING
    await ready.mend([warning])
    assert results(await ready.checks())[SHARED] is PASSED
    ready.pg.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    creator, other = await rotate(ready.target, ready.given, 0), await rotate(ready.target, ready.given, 1)
    with ready.pg.connect(one, creator.values["password"]) as connection:
        connection.execute("CREATE TABLE made_by_one (id int)")
    with ready.pg.connect(two, other.values["password"]) as connection:
        connection.execute("ALTER TABLE made_by_one ADD COLUMN by_two int")
        connection.execute("DROP TABLE made_by_one")
    # Named after the database, it isn't dropped with the other roles.
    ready.pg.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(f"{ready.pg.database}_shared")))


async def test_half_of_a_shared_role_is_completed(ready: Ready) -> None:
    owner = ready.pg.create_role("owner", options="NOLOGIN")
    one = sql.Identifier(ready.users[0])
    ready.pg.execute(sql.SQL("GRANT {0} TO {1}; ALTER ROLE {1} SET role TO {0}").format(sql.Identifier(owner), one))
    [warning] = [check for check in await ready.checks() if check.title == SHARED]
    assert warning.result is WARNING
    assert "CREATE ROLE" not in warning.remedy
    await ready.mend([warning])
    [mended] = [check for check in await ready.checks() if check.title == SHARED]
    assert (mended.result, mended.detail) == (PASSED, f"As {owner}.")


async def test_a_role_that_is_set_for_this_database_counts(ready: Ready) -> None:
    owner = ready.pg.create_role("owner", options="NOLOGIN")
    for user in ready.users:
        ready.pg.execute(
            sql.SQL("GRANT {0} TO {1}; ALTER ROLE {1} IN DATABASE {2} SET role TO {0}").format(
                *map(sql.Identifier, (owner, user, ready.pg.database))
            )
        )
    assert results(await ready.checks())[SHARED] is PASSED


async def test_with_a_custom_statement_a_missing_right_is_a_warning(pg: Database, opened: Open) -> None:
    users = pg.create_role("one"), pg.create_role("two")
    admin = pg.create_role("powerless", "x")
    ready = Ready(pg, users, admin, opened(username=admin, password="x"))
    checks = await ready.checks(rotationStatement="SELECT set_password('{{username}}', '{{password}}')")
    assert not failed(checks)
    assert results(checks)[f"{admin} may change the password of {users[0]}"] is WARNING


async def test_a_statement_that_sends_the_password_is_a_warning(ready: Ready, target: PostgresTarget) -> None:
    statement = "SELECT '{{username}}', '{{password}}'"
    assert results(await ready.checks(rotationStatement=DEFAULT_STATEMENT))[SECRET] is PASSED
    assert results(await ready.checks(rotationStatement=statement))[SECRET] is WARNING
    given = parameters(*ready.users, rotationStatement=statement)
    assert results(await PROVIDER.preflight(target, given))[SECRET] is PASSED


async def test_a_user_that_is_being_changed_right_now_is_a_warning(
    ready: Ready, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(wire._LIMITS, "lock_timeout", "50ms")
    one = ready.users[0]
    with ready.pg.connect() as other:
        other.execute("BEGIN")
        other.execute(sql.SQL("ALTER ROLE {} PASSWORD 'x'").format(sql.Identifier(one)))
        checks = await ready.checks()
        other.execute("ROLLBACK")
    assert not failed(checks)
    assert results(checks)[f"{ready.rotator} may change the password of {one}"] is WARNING


async def test_a_read_only_database(ready: Ready, opened: Open) -> None:
    ready.pg.execute(
        sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(sql.Identifier(ready.rotator))
    )
    [lacking] = failed(await ready.checks())
    assert lacking.title == "Server takes changes"
    await ready.mend([lacking])
    await ready.target.close()
    assert not failed(await ready.checks())


@pytest.fixture
def replica(pg_version: str) -> Iterator[PrivateServer]:
    with PrivateServer(pg_version) as server:
        with server.connect() as superuser:
            superuser.execute("CREATE ROLE one LOGIN; CREATE ROLE two LOGIN")
        server.halt()
        (server.directory / "data" / "standby.signal").touch()
        server.start()
        yield server


@pytest.mark.pg_versions
async def test_a_replica_is_told_as_one(replica: PrivateServer) -> None:
    target = PostgresTarget(superuser_of(replica))
    [lacking] = failed(await PROVIDER.preflight(target, parameters("one", "two")))
    await target.close()
    assert (lacking.title, lacking.detail) == ("Server takes changes", "This is a replica.")
    assert "primary" in lacking.remedy


async def test_without_a_server_there_is_one_failed_check(opened: Open) -> None:
    [lacking] = await PROVIDER.preflight(opened(port=1), parameters("one", "two"))
    assert (lacking.title, lacking.result) == ("Server answers", FAILED)
    assert "can't be reached: Connection refused" in lacking.detail
    assert "host and port" in lacking.remedy


async def test_with_a_wrong_password_too(opened: Open) -> None:
    [lacking] = await PROVIDER.preflight(opened(password="wrong-secret"), parameters("one", "two"))
    assert lacking.result is FAILED
    assert "wrong-secret" not in lacking.detail + lacking.remedy


async def test_functions_of_others_are_not_called(ready: Ready) -> None:
    """Whoever may create functions in the database would else run code as the connection's role."""
    ready.pg.execute(
        "CREATE SEQUENCE public.called; GRANT ALL ON SEQUENCE public.called TO PUBLIC;"
        "CREATE FUNCTION public.pg_has_role(oid, text) RETURNS boolean LANGUAGE sql"
        " AS $$SELECT nextval('public.called') > 0$$"
    )
    ready.pg.execute(
        sql.SQL("ALTER ROLE {} SET search_path = public, pg_catalog").format(sql.Identifier(ready.rotator))
    )
    assert not failed(await ready.checks())
    assert ready.pg.execute("SELECT is_called FROM public.called") == [(False,)]
