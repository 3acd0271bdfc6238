"""The connection app: what it accepts, what it sends, and that no server, however ill, holds it up."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.demo.server import PrivateServer
from providers import postgres as postgres_module
from providers.base import TargetRefused, TargetUnavailable
from providers.postgres import METHOD, PostgresCredentials, PostgresTarget
from providers.registry import connection_app
from tests.conftest import Database
from tests.providers.conftest import Open, credentials, parameters, rotate, superuser_of
from tests.providers.line import line_to

COMPLETE = {
    "host": " db.example.com ",
    "port": "5433",
    "database": "app",
    "username": "rotator",
    "password": "  with blanks\t",
    "sslEnabled": True,
    "sslRejectUnauthorized": False,
}


def test_documented_credentials_are_understood() -> None:
    given = PostgresCredentials.model_validate(COMPLETE)
    assert (given.host, given.port) == ("db.example.com", 5433)
    assert given.password.get_secret_value() == "  with blanks\t"
    assert given.ssl_enabled
    assert not given.ssl_reject_unauthorized
    assert "with blanks" not in repr(given) + str(given.model_dump())


def test_what_a_form_starts_with_is_safe() -> None:
    fields = PostgresCredentials.model_fields
    assert fields["port"].default == 5432
    assert fields["ssl_enabled"].default is True
    assert fields["ssl_reject_unauthorized"].default is True
    assert all(info.title for info in fields.values())
    assert all(info.description for info in fields.values())


@pytest.mark.parametrize(
    ("host", "result"),
    [("::1", "::1"), ("[2001:db8::1]", "2001:db8::1"), ("/run/postgresql", "/run/postgresql"), ("münchen.de",) * 2],
)
def test_hosts_of_all_kinds(host: str, result: str) -> None:
    assert PostgresCredentials.model_validate({**COMPLETE, "host": host}).host == result


@pytest.mark.parametrize(
    ("different", "message"),
    [
        ({"host": " "}, "Fill this in."),
        ({"host": "postgres://db/app"}, "Enter the host name alone"),
        ({"host": "db:5432"}, "the port has a field of its own"),
        ({"host": "a,b"}, "Enter one host name"),
        ({"host": "a..b"}, "can't be a host name"),
        ({"port": 0}, "greater than or equal to 1"),
        ({"port": 65536}, "less than or equal to 65535"),
        ({"database": ""}, "Fill this in."),
        ({"username": "a\0b"}, "NUL"),
        ({"password": ""}, "Fill this in."),
        ({"password": "secret\0"}, "NUL"),
        ({"sslCertificate": "-----BEGIN CERTIFICATE-----"}, "no certificate in PEM format"),
        ({"sslCertificate": "kein Zertifikat, aber schön"}, "no certificate in PEM format"),
        ({"sslcert": "x"}, "not permitted"),
    ],
)
def test_wrong_credentials_are_explained_without_quoting_them(different: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        PostgresCredentials.model_validate({**COMPLETE, **different})
    assert message in caught.value.errors()[0]["msg"]
    assert "secret" not in str(caught.value)


def test_a_blank_certificate_is_none() -> None:
    assert PostgresCredentials.model_validate({**COMPLETE, "sslCertificate": " \n"}).ssl_certificate is None


def test_opening_connects_to_nothing_and_wants_its_own_credentials() -> None:
    app = connection_app("postgres")
    app.open(METHOD, PostgresCredentials.model_validate({**COMPLETE, "host": "nowhere.invalid"}))
    with pytest.raises(ValueError, match="no connection method 'iam'"):
        app.open("iam", PostgresCredentials.model_validate(COMPLETE))


@pytest.mark.pg_versions
async def test_a_test_says_what_answered(target: PostgresTarget, pg: Database) -> None:
    assert await target.test() == f"PostgreSQL {pg.server.version} at 127.0.0.1:{pg.port}, no TLS"


async def test_a_host_name_is_resolved(opened: Open) -> None:
    assert " at localhost:" in await opened(host="localhost").test()


async def test_one_admin_connection_serves_all_calls(target: PostgresTarget, pg: Database) -> None:
    users = [pg.create_role(f"app{n}") for n in range(4)]
    async with line_to(pg.port) as line:
        through = postgres_module.PostgresTarget(credentials(pg, port=line.port))
        async with asyncio.TaskGroup() as group:
            for user in users:
                group.create_task(rotate(through, parameters(user)))
        await through.close()
    assert line.connections == 1 + len(users)


async def test_a_server_that_restarted_is_found_again_at_once() -> None:
    with PrivateServer() as server:
        target = PostgresTarget(superuser_of(server))
        await target.test()
        server.restart()
        assert server.version in await target.test()
        await target.close()


async def test_sessions_take_turns(target: PostgresTarget) -> None:
    order = []

    async def use(name: str) -> None:
        async with target.session() as session:
            order.append(f"{name} in")
            await session.rows("SELECT 1")
            order.append(f"{name} out")

    await asyncio.gather(use("a"), use("b"))
    assert order in (["a in", "a out", "b in", "b out"], ["b in", "b out", "a in", "a out"])


async def test_closing_twice_and_using_it_again(target: PostgresTarget) -> None:
    await target.test()
    await target.close()
    await target.close()
    assert await target.test()


async def test_limits_do_not_outlive_the_transaction(target: PostgresTarget, pg: Database) -> None:
    """Behind a pooler in transaction mode they would hit whoever gets the session next."""
    user = pg.create_role("app")
    async with target.session() as session:
        query = "SELECT current_setting('lock_timeout'), current_setting('log_statement')"
        before = await session.rows(query)
        await session.set_password(user, "x")
        assert await session.rows(query) == before


HOSTILE = {
    "PGHOST": "/nowhere",
    "PGHOSTADDR": "192.0.2.1",
    "PGPORT": "1",
    "PGDATABASE": "wrong",
    "PGUSER": "wrong",
    "PGPASSWORD": "wrong",
    "PGOPTIONS": "-c statement_timeout=1",
    "PGAPPNAME": "wrong",
    "PGSSLMODE": "require",
    "PGREQUIRESSL": "1",
    "PGSSLCERT": "/nowhere",
    "PGSSLKEY": "/nowhere",
    "PGSSLCERTMODE": "require",
    "PGSSLROOTCERT": "system",
    "PGSSLNEGOTIATION": "direct",
    "PGSSLMINPROTOCOLVERSION": "TLSv9",
    "PGCHANNELBINDING": "require",
    "PGREQUIREAUTH": "gss",
    "PGREQUIREPEER": "nobody",
    "PGGSSENCMODE": "require",
    "PGTARGETSESSIONATTRS": "standby",
    "PGLOADBALANCEHOSTS": "wrong",
    "PGCLIENTENCODING": "LATIN1",
    "PGCONNECT_TIMEOUT": "wrong",
    "PGMINPROTOCOLVERSION": "wrong",
    "PGMAXPROTOCOLVERSION": "wrong",
}


async def test_the_environment_changes_nothing(pg: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    user = pg.create_role("ä")
    target = PostgresTarget(credentials(pg))
    with monkeypatch.context() as hostile:
        for name, value in HOSTILE.items():
            hostile.setenv(name, value)
        issued = await rotate(target, parameters(user))
        async with target.session() as session:
            [row] = await session.rows(
                "SELECT current_user, current_database(), current_setting('application_name'),"
                " current_setting('client_encoding'), current_setting('statement_timeout')"
            )
        await target.close()
    assert row == ("postgres", pg.database, "keyturn", "UTF8", "0")
    assert issued.values["username"] == user


async def test_nor_does_a_pgpass_file_help_out(pg: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    passfile = tmp_path / "pgpass"
    passfile.touch(mode=0o600)
    passfile.write_text(f"*:*:*:*:{pg.admin_password}\n")
    target = PostgresTarget(credentials(pg, password="wrong"))
    with monkeypatch.context() as helpful:
        helpful.setenv("PGPASSFILE", str(passfile))
        helpful.setenv("PGPASSWORD", pg.admin_password)
        with pytest.raises(TargetRefused, match="The password of postgres was refused"):
            await target.test()


async def test_nor_does_a_service(pg: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    services = tmp_path / "services"
    services.write_text("[other]\nhost=192.0.2.1\nport=1\nuser=wrong\ndbname=wrong\nsslmode=require\nsslcert=/no\n")
    target = PostgresTarget(credentials(pg))
    with monkeypatch.context() as other:
        other.setenv("PGSERVICEFILE", str(services))
        other.setenv("PGSERVICE", "other")
        assert await target.test()
        await target.close()
        other.setenv("PGSERVICE", "missing")
        with pytest.raises(TargetUnavailable, match="missing") as caught:
            await target.test()
    assert "PGSERVICE" in caught.value.remedy
