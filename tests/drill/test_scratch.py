"""The drill's own users: made with as little as possible, and removed again."""

from __future__ import annotations

import pytest
from psycopg import sql

from app.drill.gate import Access
from app.drill.postgres import PostgresScratch, postgres_scratch
from providers.base import TargetRefused
from providers.postgres import METHOD
from tests.conftest import Database

PASSWORD = "admin-of-the-drill"


def users_of(pg: Database, admin: str) -> PostgresScratch:
    place = {"host": pg.host, "port": pg.port, "database": pg.database, "sslEnabled": False}
    return postgres_scratch(Access("postgres", METHOD, {**place, "username": admin, "password": PASSWORD}))


def found(pg: Database, users: PostgresScratch) -> list[str]:
    return [name for (name,) in pg.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", list(users.names))]


@pytest.mark.pg_versions
@pytest.mark.parametrize("open_to_all", [True, False])
async def test_they_come_and_go_by_a_role_that_may_create_roles(pg: Database, open_to_all: bool) -> None:
    admin = pg.create_role("admin", PASSWORD, options="LOGIN CREATEROLE")
    database = sql.Identifier(pg.database)
    if not open_to_all:
        pg.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(database))
        grant = sql.SQL("GRANT CONNECT ON DATABASE {} TO {} WITH GRANT OPTION")
        pg.execute(grant.format(database, sql.Identifier(admin)))
    users = users_of(pg, admin)
    await users.make()
    assert sorted(found(pg, users)) == sorted(users.names)
    assert users.let_in is not open_to_all
    mine = list(users.names)
    powers = pg.execute(
        "SELECT DISTINCT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = ANY(%s)", mine
    )
    assert powers == [(False, False, False)]
    assert pg.execute(
        "SELECT bool_and(has_database_privilege(u, current_database(), 'CONNECT')) FROM unnest(%s::text[]) u", mine
    )
    await users.remove()
    assert found(pg, users) == []
    assert users.present == ()


async def test_one_who_may_not_create_roles_is_told_and_leaves_nothing(pg: Database) -> None:
    users = users_of(pg, pg.create_role("plain", PASSWORD))
    with pytest.raises(TargetRefused) as refused:
        await users.make()
    assert "CREATEROLE" in refused.value.remedy
    assert users.present == ()
    assert found(pg, users) == []


async def test_those_that_somebody_removed_already_are_no_trouble(pg: Database) -> None:
    users = users_of(pg, pg.create_role("admin", PASSWORD, options="LOGIN CREATEROLE"))
    await users.make()
    pg.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(users.names[0])))
    await users.remove()
    assert found(pg, users) == []
