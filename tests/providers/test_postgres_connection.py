"""The connection app: what it accepts, what it sends, and that no server, however ill, holds it up."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest
from psycopg import sql
from pydantic import ValidationError

from app.demo.server import PrivateServer
from providers import postgres as postgres_module
from providers import postgres_connection as wire
from providers.base import Credential, CredentialRefused, Issue, Outcome, TargetRefused, TargetUnavailable
from providers.postgres import METHOD, PostgresCredentials, PostgresTarget
from providers.postgres_credentials import PROVIDER, PostgresParameters
from providers.registry import connection_app
from tests.conftest import Database, ServerPool
from tests.providers.conftest import Open, candidate, credentials, parameters, rotate, superuser_of, until
from tests.providers.line import Authority, line_to

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


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create()


async def test_tls_with_a_given_authority(pg: Database, authority: Authority, tmp_path: Path) -> None:
    user = pg.create_role("app")
    async with line_to(pg.port, tls=authority.server_context(tmp_path, "127.0.0.1")) as line:
        encrypted = {"port": line.port, "sslEnabled": True, "sslCertificate": authority.certificate}
        target = PostgresTarget(credentials(pg, **encrypted))
        assert (await target.test()).endswith(", TLS")
        await rotate(target, parameters(user))
        await target.close()
    assert line.connections == 2
    assert b"ALTER ROLE" in line.sent


async def test_a_certificate_for_another_name_is_refused(pg: Database, authority: Authority, tmp_path: Path) -> None:
    async with line_to(pg.port, tls=authority.server_context(tmp_path, "db.example.com")) as line:
        encrypted = {"port": line.port, "sslEnabled": True, "sslCertificate": authority.certificate}
        with pytest.raises(TargetRefused, match="certificate is for another name") as caught:
            await PostgresTarget(credentials(pg, **encrypted)).test()
    assert "host" in caught.value.remedy


@pytest.mark.parametrize("given_", [{}, {"sslCertificate": Authority.create().certificate}], ids=["system", "other"])
async def test_an_unknown_authority_is_refused(
    pg: Database, authority: Authority, tmp_path: Path, given_: dict[str, str]
) -> None:
    async with line_to(pg.port, tls=authority.server_context(tmp_path, "127.0.0.1")) as line:
        with pytest.raises(TargetRefused, match="not signed by a trusted authority") as caught:
            await PostgresTarget(credentials(pg, port=line.port, sslEnabled=True, **given_)).test()
    assert "certificate" in caught.value.remedy


async def test_the_systems_authorities_are_used_without_a_certificate(
    pg: Database, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(authority.certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    async with line_to(pg.port, tls=authority.server_context(tmp_path, "127.0.0.1")) as line:
        target = PostgresTarget(credentials(pg, port=line.port, sslEnabled=True))
        assert await target.test()
        await target.close()


async def test_an_unverified_certificate_is_accepted_when_asked_for(
    pg: Database, authority: Authority, tmp_path: Path
) -> None:
    """Even with a root certificate in the home directory, which turns libpq's `require` into `verify-ca`."""
    home = Path(os.environ["HOME"]) / ".postgresql"
    home.mkdir()
    (home / "root.crt").write_text(Authority.create().certificate)
    async with line_to(pg.port, tls=authority.server_context(tmp_path, "elsewhere")) as line:
        unverified = {"port": line.port, "sslEnabled": True, "sslRejectUnauthorized": False}
        target = PostgresTarget(credentials(pg, **unverified))
        assert (await target.test()).endswith(", TLS")
        await target.close()


async def test_tls_is_never_silently_left_out(pg_servers: ServerPool, authority: Authority) -> None:
    """The wheel's own servers can't speak TLS."""
    with pytest.raises(TargetRefused, match="does not speak TLS"):
        await PostgresTarget(superuser_of(pg_servers.get("18"), sslEnabled=True)).test()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    assert postgres_module.CALL_SECONDS <= 15
    assert wire.CONNECT_SECONDS <= 10
    monkeypatch.setattr(postgres_module, "CALL_SECONDS", 0.3)


def _sockets(port: int) -> list[Any]:
    return [c for c in psutil.Process().net_connections("tcp") if c.raddr[1:] == (port,)]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("connected", [False, True])
async def test_a_server_that_hangs_holds_nothing_up(connected: bool) -> None:
    with PrivateServer() as server:
        with server.connect() as superuser:
            superuser.execute("CREATE ROLE app LOGIN")
        target = PostgresTarget(superuser_of(server))
        if connected:
            await target.test()
        threads = threading.active_count()
        server.pause()
        given = parameters("app")
        async with asyncio.timeout(10):
            with pytest.raises(TargetUnavailable, match="did not answer in time") as caught:
                await rotate(target, given)
            with pytest.raises(TargetUnavailable):
                await target.login("app", "x")
        assert caught.value.outcome is (Outcome.UNKNOWN if connected else Outcome.UNCHANGED)
        assert not _sockets(server.port)
        assert threading.active_count() == threads
        server.resume()
        await rotate(target, given)
        await target.close()


async def test_waiting_for_ones_turn_is_bounded_too(target: PostgresTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    async with target.session():
        monkeypatch.setattr(postgres_module, "CALL_SECONDS", 0.05)
        with pytest.raises(TargetUnavailable) as caught:
            await target.test()
    assert caught.value.outcome is Outcome.UNCHANGED


async def test_a_cancelled_call_ends_at_once_and_the_next_one_works(pg: Database, target: PostgresTarget) -> None:
    user = pg.create_role("app")
    with pg.connect() as other:
        other.execute("BEGIN")
        other.execute(sql.SQL("ALTER ROLE {} PASSWORD 'x'").format(sql.Identifier(user)))
        before = _sockets(target.credentials.port)
        task = asyncio.create_task(rotate(target, parameters(user)))
        await _blocked(pg)
        task.cancel()
        async with asyncio.timeout(2):
            with pytest.raises(asyncio.CancelledError):
                await task
        assert len(_sockets(target.credentials.port)) <= len(before)
        other.execute("ROLLBACK")
    await rotate(target, parameters(user))


async def _blocked(pg: Database) -> None:
    """Return once a session waits for a lock."""
    await until(
        lambda: pg.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'", pg.database
        )
    )


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_server_that_stops_meanwhile_leaves_the_outcome_open(mode: Any) -> None:
    with PrivateServer() as server:
        superuser = server.connect()
        superuser.execute("CREATE ROLE app LOGIN")
        superuser.execute("BEGIN")
        superuser.execute("ALTER ROLE app PASSWORD 'x'")
        target = PostgresTarget(superuser_of(server))
        task = asyncio.create_task(rotate(target, parameters("app")))
        with server.connect() as watcher:
            waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            await until(lambda: watcher.execute(waiting).fetchall())
        await asyncio.to_thread(server.halt, mode)
        superuser.close()
        with pytest.raises(TargetUnavailable) as caught:
            await task
        assert caught.value.outcome is Outcome.UNKNOWN
        with pytest.raises(TargetUnavailable, match="Connection refused") as caught:
            await target.test()
        assert caught.value.outcome is Outcome.UNCHANGED
        assert "host and port" in caught.value.remedy


@pytest.mark.parametrize("deliver", [True, False])
async def test_a_lost_answer_leaves_the_outcome_open(pg: Database, deliver: bool) -> None:
    """It may have been carried out; giving the same candidate again settles it."""
    user = pg.create_role("app", "old")
    given = parameters(user)
    wanted = candidate(given)
    async with line_to(pg.port) as line:
        target = PostgresTarget(credentials(pg, port=line.port))
        await target.test()
        line.cut_on, line.deliver_before_cut = b"COMMIT", deliver
        with pytest.raises(TargetUnavailable, match="closed the connection") as caught:
            await _issue(target, given, wanted)
        assert caught.value.outcome is Outcome.UNKNOWN
        assert pg.login(user, wanted.values["password"]) is deliver
        line.cut_on = b""
        await _issue(target, given, wanted)
        assert pg.login(user, wanted.values["password"])
        await target.close()


async def _issue(target: PostgresTarget, given: PostgresParameters, wanted: Credential) -> None:
    await PROVIDER.issue(target, given, Issue(0, wanted))


async def test_a_line_cut_before_anything_was_sent_changes_nothing(pg: Database) -> None:
    async with line_to(pg.port) as line:
        line.cut_on, line.deliver_before_cut = b"user", False
        target = PostgresTarget(credentials(pg, port=line.port))
        with pytest.raises(TargetUnavailable) as caught:
            await rotate(target, parameters("app"))
    assert caught.value.outcome is Outcome.UNCHANGED


async def test_a_wrong_admin_password_is_definite(opened: Open) -> None:
    with pytest.raises(TargetRefused, match="The password of postgres was refused") as caught:
        await opened(password="wrong-secret").test()
    assert not isinstance(caught.value, CredentialRefused)
    assert "connection" in caught.value.remedy
    assert "wrong-secret" not in str(caught.value) + caught.value.remedy


async def test_a_missing_database_is_definite(opened: Open) -> None:
    with pytest.raises(TargetRefused, match="There is no database nothing"):
        await opened(database="nothing").test()


@pytest.mark.parametrize("host", ["nowhere.invalid", "xn--"])
async def test_a_host_that_is_not_found_may_be_found_later(opened: Open, host: str) -> None:
    with pytest.raises(TargetUnavailable):
        await opened(host=host).test()


async def test_a_silent_port_is_given_up(monkeypatch: pytest.MonkeyPatch, opened: Open) -> None:
    monkeypatch.setattr(postgres_module, "CALL_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        async with asyncio.timeout(5):
            with pytest.raises(TargetUnavailable, match="did not answer in time"):
                await opened(port=port).test()
        assert not _sockets(port)


async def test_a_connect_timeout_of_libpqs_is_told_like_ours(monkeypatch: pytest.MonkeyPatch, opened: Open) -> None:
    monkeypatch.setattr(wire, "CONNECT_SECONDS", 2)  # libpq knows none shorter
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(TargetUnavailable, match="timeout expired") as caught,
    ):
        await opened(port=silent.getsockname()[1]).test()
    assert "firewalls" in caught.value.remedy


async def test_a_verifier_of_another_shape_is_never_sent(
    target: PostgresTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server would take it for a password."""
    async with target.session() as session:
        monkeypatch.setattr(wire, "_VERIFIER", re.compile("something else"))
        with pytest.raises(TargetRefused, match="no SCRAM-SHA-256 verifier"):
            session.new_password("app", "x")
