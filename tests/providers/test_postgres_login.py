"""The login that proves a new password: on a line that was opened while the server set it, and without one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from psycopg import sql

from app.demo.server import PrivateServer
from providers.base import Credential, CredentialRefused, Issue, TargetRefused, TargetUnavailable
from providers.postgres import PostgresTarget
from providers.postgres_credentials import PROVIDER, PostgresParameters
from providers.postgres_login import dial
from tests.conftest import Database
from tests.providers.conftest import Open, candidate, credentials, parameters, rotate, superuser_of, until
from tests.providers.line import Line, line_to

STATEMENT_OF_ONES_OWN = "DO $$BEGIN EXECUTE format('ALTER ROLE %I PASSWORD %L', '{{username}}', '{{password}}'); END$$"


def open_to(port: int) -> list[Any]:
    """This process's connections to a port, from both ends where a test listens itself."""
    return [c for c in psutil.Process().net_connections("tcp") if c.raddr[1:] == (port,) and c.status == "ESTABLISHED"]


@pytest.fixture
async def line(pg: Database) -> AsyncIterator[Line]:
    """To the server."""
    async with line_to(pg.port) as line:
        yield line


@pytest.fixture
async def far(pg: Database, line: Line) -> AsyncIterator[PostgresTarget]:
    """The server at the other end; nothing is open any more once it is closed."""
    target = PostgresTarget(credentials(pg, port=line.port))
    yield target
    await target.close()
    await until(lambda: not open_to(line.port))


async def issued_to(target: PostgresTarget, given: PostgresParameters) -> Credential:
    return await PROVIDER.issue(target, given, Issue(0, candidate(given)))


def hello(user: str) -> bytes:
    return b"user\0" + user.encode() + b"\0"


@pytest.mark.parametrize("statement", [None, STATEMENT_OF_ONES_OWN])
async def test_the_server_hears_of_the_user_when_the_password_is_set(
    pg: Database, line: Line, far: PostgresTarget, statement: str | None
) -> None:
    user = pg.create_role("app")
    given = parameters(user, rotationStatement=statement)
    issued = await issued_to(far, given)
    await until(lambda: line.connections == 2)
    assert hello(user) not in line.sent
    await PROVIDER.verify(far, given, issued)
    assert hello(user) in line.sent
    assert line.connections == 2


async def test_a_line_that_the_server_gave_up_is_not_used() -> None:
    with PrivateServer(settings={"authentication_timeout": "1s"}) as server:
        with server.connect() as superuser:
            superuser.execute("CREATE ROLE app LOGIN")
        target = PostgresTarget(superuser_of(server))
        given = parameters("app")
        issued = await issued_to(target, given)
        await until(lambda: len(open_to(server.port)) == 2)
        await until(lambda: len(open_to(server.port)) == 1)
        await PROVIDER.verify(target, given, issued)
        await target.close()


async def test_a_line_for_another_password_is_not_used(pg: Database, line: Line, far: PostgresTarget) -> None:
    user = pg.create_role("app")
    given = parameters(user)
    issued = await issued_to(far, given)
    with pytest.raises(CredentialRefused):
        await far.login(user, "another")
    await PROVIDER.verify(far, given, issued)
    assert line.connections == 4


async def test_what_somebody_else_set_meanwhile_is_refused(pg: Database, target: PostgresTarget) -> None:
    user = pg.create_role("app")
    given = parameters(user)
    issued = await issued_to(target, given)
    pg.execute(sql.SQL("ALTER ROLE {} PASSWORD 'another'").format(sql.Identifier(user)))
    with pytest.raises(CredentialRefused, match=f"The password of {user} was refused"):
        await PROVIDER.verify(target, given, issued)


async def test_a_line_that_is_cut_at_the_login_may_hold_the_next_time(
    pg: Database, line: Line, far: PostgresTarget
) -> None:
    user = pg.create_role("app")
    given = parameters(user)
    issued = await issued_to(far, given)
    line.cut_on, line.deliver_before_cut, line.once = hello(user), False, True
    with pytest.raises(TargetUnavailable, match=r"does not let .* in: .*closed the connection"):
        await PROVIDER.verify(far, given, issued)
    await PROVIDER.verify(far, given, issued)


async def test_no_line_outlives_a_password_that_was_not_set(pg: Database, line: Line, far: PostgresTarget) -> None:
    with pytest.raises(TargetRefused, match="does not exist"):
        await rotate(far, parameters(pg.role_name("nobody")))
    await until(lambda: not open_to(line.port))


async def test_nor_a_target(pg: Database, line: Line, far: PostgresTarget) -> None:
    await issued_to(far, parameters(pg.create_role("app")))
    await until(lambda: line.connections == 2)
    await far.close()
    await until(lambda: not open_to(line.port))


async def test_a_cancelled_login_hangs_up() -> None:
    with PrivateServer() as server:
        with server.connect() as superuser:
            superuser.execute("CREATE ROLE app LOGIN")
        given = parameters("app")
        async with line_to(server.port) as line:
            target = PostgresTarget(superuser_of(server, port=line.port))
            issued = await issued_to(target, given)
            server.pause()
            verifying = asyncio.create_task(PROVIDER.verify(target, given, issued))
            await until(lambda: hello("app") in line.sent)
            verifying.cancel()
            with pytest.raises(asyncio.CancelledError):
                await verifying
            await until(lambda: len(open_to(line.port)) == 1)
            server.resume()
            await PROVIDER.verify(target, given, issued)
            await target.close()


async def test_a_server_is_called_by_the_name_it_has(opened: Open, pg: Database) -> None:
    """A name may take a while to become an address; then the login is made in one go."""
    await rotate(opened(host="localhost"), parameters(pg.create_role("app")))


@pytest.mark.parametrize("host", ["/nowhere", "nowhere.invalid", "xn--"])
async def test_what_cannot_be_reached_ahead_is_not(pg: Database, host: str) -> None:
    assert await dial(credentials(pg, host=host), "app", "x") is None


async def test_on_a_unix_socket_all_is_said_at_once(pg: Database, tmp_path: Path) -> None:
    given = parameters(pg.create_role("app"))
    async with line_to(pg.port, directory=tmp_path) as line:
        target = PostgresTarget(credentials(pg, host=str(tmp_path)))
        issued = await issued_to(target, given)
        assert line.connections == 1
        await PROVIDER.verify(target, given, issued)
        assert line.connections == 2
        await target.close()
