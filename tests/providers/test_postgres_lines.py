"""Servers that hang or stop, lines that are cut, and logins that fail."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import psutil
import pytest
from psycopg import sql

from app.demo.server import PrivateServer
from providers import postgres as postgres_module
from providers import postgres_connection as wire
from providers.base import Credential, CredentialRefused, Issue, Outcome, TargetRefused, TargetUnavailable
from providers.postgres import PostgresTarget
from providers.postgres_credentials import PROVIDER, PostgresParameters
from tests.conftest import Database
from tests.providers.conftest import Open, candidate, credentials, parameters, rotate, superuser_of, until
from tests.providers.line import STATEMENT, line_to


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
        line.cut_on, line.deliver_before_cut = STATEMENT, deliver
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
    with pytest.raises(TargetUnavailable, match=f"^PostgreSQL at {host}:[0-9]+ can't be reached: ") as caught:
        await opened(host=host).test()
    assert "[Errno" not in caught.value.message


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
