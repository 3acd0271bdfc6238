"""The server stops, comes back, hangs, is full, or is a replica: at whatever step of a run that happens."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from app.demo.server import Mode, PrivateServer, ServerError, system_binaries
from app.views import Progress, Status
from providers import postgres as postgres_module
from tests.conftest import Database, ServerPool, fresh_database
from tests.faults.target import BY_HAND, BY_SCHEDULE, DUE, NAME, Site, assert_backed_off, make_site, site
from tests.rotation.conftest import PLACE
from tests.variants import few, few_rows

__all__ = ["site"]

DEADLINE = 60.0
STEPS = [
    (step, state) for step in ("guard", "issue", "verify") for state in ("started", "done")
] + [("plan", "started"), ("publish", "started")]  # fmt: skip
UNTOUCHED = {("plan", "started"), ("guard", "started"), ("guard", "done"), ("issue", "started")}
PROVED = {("verify", "done"), ("publish", "started")}


@pytest.fixture(scope="module")
def own_server() -> Iterator[PrivateServer]:
    settings = {"max_connections": "12", "superuser_reserved_connections": "3", "wal_writer_delay": "10s"}
    with PrivateServer(settings=settings) as server:
        yield server


@pytest.fixture
def pg_server(own_server: PrivateServer) -> PrivateServer:
    """One that may be stopped."""
    return own_server


@pytest.fixture(autouse=True)
def _runs_afterwards(own_server: PrivateServer, pg: Database) -> Iterator[None]:
    yield
    own_server.resume()
    with contextlib.suppress(ServerError):  # it runs already
        own_server.start()


@pytest.mark.parametrize(
    ("mode", "step"),
    few_rows(
        [("fast", ("guard", "started")), ("fast", ("verify", "started")), *(("immediate", step) for step in STEPS)],
        keep=3,
    ),
    ids=str,
)
async def test_a_server_that_stops_at_any_step(
    site: Site, own_server: PrivateServer, caplog: pytest.LogCaptureFixture, mode: Mode, step: tuple[str, str]
) -> None:
    await site.create()
    site.clock.now = DUE + timedelta(seconds=7)
    site.look()

    def stop(progress: Progress) -> None:
        if (progress.step, progress.state) == step:
            site.shut = True
            own_server.halt(mode)

    went_well = await site.run(BY_SCHEDULE, stop)
    assert site.shut, f"the run did not come to {step}"
    assert went_well is (step in PROVED)
    if not went_well:
        told = await site.message()
        assert re.search(r"PostgreSQL at .*(Connection refused|closed the connection|shutting down)", told)
        assert "Check the connection's host and port, and that the server runs." in told
        assert await site.is_open() is (step not in UNTOUCHED)
        await assert_backed_off(site, 1)
        await site.wait_until_next()
        assert not await site.run(BY_SCHEDULE)
        await assert_backed_off(site, 2)
    own_server.start()
    site.shut = False
    if not went_well:
        await site.wait_until_next()
        assert await site.run(BY_SCHEDULE)
    await site.assert_whole(site.users[1])
    await site.assert_silent(caplog.text)


@pytest.mark.parametrize("step", few(STEPS, keep=3), ids="-".join)
async def test_a_server_that_restarts_at_any_step_is_not_even_noticed(
    site: Site, own_server: PrivateServer, step: tuple[str, str]
) -> None:
    await site.create()

    def restart(progress: Progress) -> None:
        if (progress.step, progress.state) == step:
            own_server.restart("immediate")

    assert await site.run(BY_HAND, restart)
    await site.assert_whole(site.users[1])


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_server_that_stops_inside_the_statement(
    site: Site,
    own_server: PrivateServer,
    mode: Mode,
    caplog: pytest.LogCaptureFixture,
    request: pytest.FixtureRequest,
) -> None:
    await site.create()
    site.clock.now = DUE + timedelta(seconds=7)
    blocker = own_server.connect()
    request.addfinalizer(blocker.close)
    blocker.execute("BEGIN")
    blocker.execute(f'ALTER ROLE "{site.users[1]}" CONNECTION LIMIT -1'.encode())
    running = asyncio.create_task(site.run(BY_SCHEDULE))
    async with asyncio.timeout(DEADLINE):
        while not site.pg.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
            assert not running.done(), await site.message()
            await asyncio.sleep(0.01)
    site.shut = True
    await asyncio.to_thread(own_server.halt, mode)
    blocker.close()
    assert not await running
    assert await site.is_open()
    await assert_backed_off(site, 1)
    own_server.start()
    site.shut = False
    await site.wait_until_next()
    assert await site.run(BY_SCHEDULE)
    await site.assert_whole(site.users[1])
    await site.assert_silent(caplog.text)


async def test_a_crash_takes_back_nothing_that_was_published(site: Site, own_server: PrivateServer) -> None:
    """A server that answers before it has written would forget a password that applications read already."""
    await site.create()
    site.execute("ALTER ROLE {admin} SET synchronous_commit = off")

    def crash(progress: Progress) -> None:
        if (progress.step, progress.state) == ("publish", "started"):
            site.shut = True
            own_server.halt("immediate")

    assert await site.run(BY_HAND, crash)
    own_server.start()
    await site.assert_whole(site.users[1])


@pytest.mark.parametrize("step", [("plan", "started"), ("guard", "done"), ("issue", "done")], ids="-".join)
async def test_a_server_that_hangs(
    site: Site,
    own_server: PrivateServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    step: tuple[str, str],
) -> None:
    await site.create()
    site.clock.now = DUE + timedelta(seconds=7)

    def hang(progress: Progress) -> None:
        if (progress.step, progress.state) == step:
            own_server.pause()
            monkeypatch.setattr(postgres_module, "CALL_SECONDS", 0.3)
            monkeypatch.setattr(site, "look", lambda: None)  # it would hang, too

    assert not await site.run(BY_SCHEDULE, hang)
    told = await site.message()
    assert f"PostgreSQL at 127.0.0.1:{own_server.port} did not answer in time." in told
    assert "Look whether" in told
    assert await site.is_open() is (step != ("plan", "started"))
    await assert_backed_off(site, 1)
    own_server.resume()
    monkeypatch.undo()
    site.look()
    await site.wait_until_next()
    assert await site.run(BY_SCHEDULE)
    await site.assert_whole(site.users[1])
    await site.assert_silent(caplog.text)


@pytest.mark.parametrize("hanging", [1, 6])
async def test_a_server_that_hangs_delays_no_other(
    site: Site,
    own_server: PrivateServer,
    pg_servers: ServerPool,
    monkeypatch: pytest.MonkeyPatch,
    hanging: int,
) -> None:
    """However many of its rotations are due: more than run at once, and all before the other server's."""
    monkeypatch.setattr(postgres_module, "CALL_SECONDS", DEADLINE)
    await site.create()
    for number in range(1, hanging):
        users = [site.pg.create_role(f"more_{number}_{one}") for one in "ab"]
        site.let_rotate(*users)
        await site.create(
            name=f"more-{number}",
            parameters={"username1": users[0], "username2": users[1]},
            secretsMapping={"username": f"USER_{number}", "password": f"PASSWORD_{number}"},
        )
    with fresh_database(pg_servers.get("18")) as elsewhere:
        one, two = elsewhere.create_role("one"), elsewhere.create_role("two")
        await site.connect(
            "elsewhere",
            port=elsewhere.port,
            database=elsewhere.database,
            username=elsewhere.admin_user,
            password=elsewhere.admin_password,
        )
        await site.create(
            name="other",
            connectionId="elsewhere",
            parameters={"username1": one, "username2": two},
            secretsMapping={"username": "OTHER_USER", "password": "OTHER_PASSWORD"},
            rotateAtUtc={"hours": 12, "minutes": 1},
        )
        other = (await site.service.rotations.document("other")).id
        site.clock.now = DUE + timedelta(minutes=2)
        own_server.pause()
        outcomes: asyncio.Queue[tuple[str, str | None]] = asyncio.Queue()
        stop = asyncio.Event()
        loop = site.service.scheduler(on_outcome=lambda *outcome: outcomes.put_nowait(outcome))
        running = asyncio.create_task(loop.run(stop))
        assert await asyncio.wait_for(outcomes.get(), DEADLINE / 2) == (other, None)
        assert outcomes.empty()
        own_server.resume()
        for _ in range(hanging):
            assert (await asyncio.wait_for(outcomes.get(), DEADLINE))[1] is None
        stop.set()
        await asyncio.wait_for(running, DEADLINE)
        values = await site.service.secrets.values(PLACE)
        assert elsewhere.login(values["OTHER_USER"], values["OTHER_PASSWORD"])
        await site.assert_whole(site.users[1])
        await site.service.context.targets.close()


async def test_a_server_that_is_full(site: Site, own_server: PrivateServer, caplog: pytest.LogCaptureFixture) -> None:
    await site.create()
    site.clock.now = DUE + timedelta(seconds=7)
    site.lose_connection()
    user, password = (await site.published()).values()
    crowd: list[psycopg.Connection[tuple[object, ...]]] = []
    with contextlib.suppress(psycopg.OperationalError):
        while True:
            crowd.append(site.pg.connect(user, password))
    site.shut = True
    for failures in (1, 2):
        assert not await site.run(BY_SCHEDULE)
        told = await site.message()
        assert re.search("does not let rotator_.* in: (sorry, too many clients|remaining connection slots)", told)
        assert "Raise the limit, or end sessions that nobody needs." in told
        assert not await site.is_open()
        assert all(one.execute("SELECT 1").fetchone() == (1,) for one in crowd)
        await assert_backed_off(site, failures)
        await site.wait_until_next()
    for one in crowd:
        one.close()
    async with asyncio.timeout(DEADLINE):
        while site.pg.execute("SELECT 1 FROM pg_stat_activity WHERE usename = %s", site.users[0]):
            await asyncio.sleep(0.01)
    site.shut = False
    assert await site.run(BY_SCHEDULE)
    await site.assert_whole(site.users[1])
    await site.assert_silent(caplog.text)


async def test_a_replica_is_waited_for_until_it_is_promoted(
    site: Site, own_server: PrivateServer, caplog: pytest.LogCaptureFixture
) -> None:
    await site.create()
    site.clock.now = DUE + timedelta(seconds=7)
    own_server.halt()
    (own_server.directory / "data" / "standby.signal").touch()
    own_server.start()
    for failures in (1, 2):
        assert not await site.run(BY_SCHEDULE)
        told = await site.message()
        assert "This is a replica, or the database is read-only." in told
        assert "Point the connection at the primary." in told
        assert not await site.is_open()
        await assert_backed_off(site, failures)
        await site.wait_until_next()
    assert site.pg.execute("SELECT pg_promote()") == [(True,)]
    assert await site.run(BY_SCHEDULE)
    await site.assert_whole(site.users[1])
    await site.assert_silent(caplog.text)


def _with_passwordcheck() -> Path | None:
    return next((path for path in system_binaries() if (path.parent / "lib" / "passwordcheck.so").is_file()), None)


@pytest.mark.skipif(_with_passwordcheck() is None, reason="no server at hand has passwordcheck")
async def test_a_real_policy_refuses_a_password_and_minds_no_verifier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plain = "DO $$BEGIN EXECUTE format('ALTER ROLE %I PASSWORD %L', '{{username}}', '{{password}}'); END$$"
    settings = {"shared_preload_libraries": "passwordcheck"}
    with (
        PrivateServer(str(_with_passwordcheck()), settings=settings) as server,
        fresh_database(server) as pg,
    ):
        async with make_site(pg, tmp_path / "home", monkeypatch) as site:
            await site.create()
            parameters = {"username1": site.users[0], "username2": site.users[1]}
            too_short = {
                "length": 6, "required": {"lowercase": 1, "uppercase": 0, "digits": 0, "symbols": 0},
            }  # fmt: skip
            await site.service.edits.edit(
                NAME, {"parameters": {**parameters, "rotationStatement": plain, "passwordRequirements": too_short}}
            )
            site.clock.now = DUE + timedelta(seconds=7)
            assert not await site.run(BY_SCHEDULE)
            assert "says: password is too short" in await site.message()
            assert (await site.service.rotations.detail(NAME)).row.status is Status.FAILING
            assert await site.next_at() == await site.scheduled_for() == DUE + timedelta(days=1)
            await site.service.edits.edit(NAME, {"parameters": {**parameters, "rotationStatement": plain}})
            site.clock.now = max(site.clock.now, await site.next_at() + timedelta(seconds=1))
            assert await site.run(BY_SCHEDULE)
            await site.assert_whole(site.users[1])
            await site.assert_silent(caplog.text)
