"""Who still uses a user that is about to get a new password."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import cast

import psycopg
import pytest

from providers.base import Credential, Guarded
from providers.postgres import APP, METHOD, PostgresCredentials, PostgresTarget
from providers.postgres_credentials import PROVIDER, PostgresParameters
from tests.conftest import Database

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def target_of(pg: Database, user: str, password: str) -> PostgresTarget:
    fields = {"host": pg.host, "port": pg.port, "database": pg.database, "username": user, "password": password}
    credentials = PostgresCredentials.model_validate({**fields, "sslEnabled": False})
    return cast(PostgresTarget, APP.open(METHOD, credentials))


def session_of(pg: Database, user: str, application: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        host=pg.host, port=pg.port, dbname=pg.database, user=user, password="pw", application_name=application
    )


@pytest.mark.pg_versions
async def test_it_names_applications_and_counts_their_sessions(pg: Database) -> None:
    one, two = pg.create_role("one", "pw"), pg.create_role("two", "pw")
    admin = pg.create_role("admin", "pw", options="LOGIN CREATEROLE")
    parameters = PostgresParameters(username1=one, username2=two)
    provider = PROVIDER
    assert isinstance(provider, Guarded)
    powerful, plain = target_of(pg, pg.admin_user, pg.admin_password), target_of(pg, admin, "pw")
    held = Credential({"username": two, "password": "pw"})
    try:
        assert await provider.in_use(plain, parameters, held, LONG_AGO) == []
        with session_of(pg, two, "billing"), session_of(pg, two, "billing"), session_of(pg, one, "other"):
            seen = await provider.in_use(powerful, parameters, held, LONG_AGO)
            assert [(use.who, use.where, use.count) for use in seen] == [("billing", "127.0.0.1", 2)]
            assert seen[0].since is not None
            # A role without pg_monitor learns who and how many, not from where.
            hidden = await provider.in_use(plain, parameters, held, LONG_AGO)
            assert [(use.who, use.count) for use in hidden] == [("billing", 2)]
        async with asyncio.timeout(30):  # the server forgets a session a moment after the client has
            while await provider.in_use(plain, parameters, held, LONG_AGO):
                await asyncio.sleep(0.01)
    finally:
        await powerful.close()
        await plain.close()
