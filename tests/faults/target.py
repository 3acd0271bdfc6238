"""Two users of a real server that are rotated, and what their applications and the people in charge see of it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import sql

from app.errors import RotationFailed
from app.service import Service, open_service
from app.settings import load_settings
from app.views import Progress, Status
from providers.postgres import METHOD
from providers.postgres_credentials import PostgresCredentialsProvider
from store import jobs
from tests.conftest import Database
from tests.rotation.conftest import PLACE, Clock, body

DUE = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
NAME = "app"
BY_HAND = "hand"
BY_SCHEDULE = "schedule"
ADMIN_PASSWORD = "the-rotator's own"


@dataclass
class Site:
    """The rotation `app` on one server. `shut`: applications that come now are let in by nobody, by intent."""

    pg: Database = field(repr=False)
    service: Service
    clock: Clock
    passwords: set[str] = field(repr=False)
    users: tuple[str, str]
    admin: str
    shut: bool = False
    looks: int = 0
    told: list[str] = field(default_factory=list)
    """Whatever people were told, for a search for secrets."""
    promised: list[dict[str, str]] = field(default_factory=list, repr=False)
    """What applications may still use: it logs in at every moment."""

    # -- the target ------------------------------------------------------------------------------------------------

    def execute(self, statements: LiteralString) -> None:
        """As the superuser, with {first}, {second}, {admin}, {database} put in; Keyturn's connection is lost."""
        names = {
            "first": sql.Identifier(self.users[0]),
            "second": sql.Identifier(self.users[1]),
            "admin": sql.Identifier(self.admin),
            "database": sql.Identifier(self.pg.database),
            "other": sql.Identifier(self.pg.role_name("renamed")),
        }
        self.pg.execute(sql.SQL(statements).format(**names))
        self.lose_connection()

    def let_rotate(self, *users: str) -> None:
        """Since PostgreSQL 16 CREATEROLE alone is not enough."""
        if self.pg.execute("SELECT current_setting('server_version_num')::int >= 160000") == [(True,)]:
            for user in users:
                grant = sql.SQL("GRANT {} TO {} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
                self.pg.execute(grant.format(sql.Identifier(user), sql.Identifier(self.admin)))

    def lose_connection(self) -> None:
        self.pg.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = %s", self.admin)

    def logs_in(self, credential: dict[str, str]) -> bool:
        return self.pg.login(credential["username"], credential["password"])

    # -- the store ---------------------------------------------------------------------------------------------------

    async def connect(self, name: str = "target", **different: Any) -> None:
        documented = {
            "host": self.pg.host,
            "port": self.pg.port,
            "database": self.pg.database,
            "username": self.admin,
            "password": ADMIN_PASSWORD,
            "sslEnabled": False,
        }
        given = {"name": name, "method": METHOD, "credentials": {**documented, **different}}
        await self.service.connections.add("postgres", given)

    async def create(self, **changes: Any) -> None:
        users = {"username1": self.users[0], "username2": self.users[1], **changes.pop("parameters", {})}
        given = body(**{"connectionId": "target", "parameters": users, **changes})
        await self.service.creation.create("postgres-credentials", given)

    async def published(self) -> dict[str, str]:
        values = await self.service.secrets.values(PLACE)
        return {"username": values["DB_USER"], "password": values["DB_PASSWORD"]}

    async def slots(self) -> list[dict[str, str]]:
        return (await self.service.rotations.credentials(NAME)).generated_credentials

    async def next_at(self) -> datetime:
        at = (await self.service.rotations.detail(NAME)).row.next_at
        assert at is not None
        return at

    async def scheduled_for(self) -> datetime | None:
        """By the schedule. What the documented nextRotationAt shows is the next try."""
        assert (await self.service.rotations.document(NAME)).next_rotation_at == await self.next_at()
        return (await self.service.rotations.detail(NAME)).next_rotation_at

    async def message(self) -> str:
        return (await self.service.rotations.detail(NAME)).row.last_message

    async def attempts(self) -> int:
        return len(await self.service.rotations.history(NAME))

    async def is_open(self) -> bool:
        """Whether an attempt waits to be resumed."""
        rotation_id = (await self.service.rotations.document(NAME)).id
        job = await self.service.store.aread(lambda tx: jobs.load(tx, rotation_id))
        return job.open is not None

    # -- runs --------------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """As applications do, through psycopg."""
        for credential in self.promised:
            try:
                assert self.logs_in(credential), f"{credential['username']} is shut out"
                self.looks += 1
            except psycopg.OperationalError:
                if not self.shut:
                    raise

    async def run(self, by: str, listener: Callable[[Progress], None] = lambda progress: None) -> bool:
        """Rotate when it is due, or by hand; whether that went well. What is published logs in at each step."""
        self.promised = [await self.published()]
        failures: list[str | None] = []

        def heard(progress: Progress) -> None:
            self.told.append(progress.message)
            listener(progress)
            if progress.state != "started":  # nothing happens between two steps
                self.look()

        self.look()
        if by == BY_HAND:
            try:
                await self.service.rotations.rotate(NAME, heard)
                failures.append(None)
            except RotationFailed as failure:
                failures.append(failure.message)
                self.told += [failure.message, failure.remedy]
        else:
            await self.service.scheduler(listener=heard, on_outcome=lambda _, error: failures.append(error)).run_once()
            self.told += filter(None, failures)
        self.promised.append(await self.published())
        self.look()
        assert len(failures) == 1
        return failures == [None]

    async def wait_until_next(self) -> None:
        """Nothing happens before; then it is due."""
        before, due = await self.attempts(), await self.next_at()
        self.clock.now = max(self.clock.now, due - timedelta(seconds=1))
        if self.clock.now < due:
            assert await self.service.scheduler().run_once() == 0
            assert await self.attempts() == before
        self.clock.now = max(self.clock.now, due + timedelta(seconds=1))

    async def assert_whole(self, published_user: str) -> None:
        """Both slots are known and log in, what is mapped is the active one, and nothing is left to be done."""
        self.shut = False
        document, slots = await self.service.rotations.document(NAME), await self.slots()
        published = await self.published()
        assert published["username"] == published_user
        assert published == slots[document.active_index]
        assert [slot["username"] for slot in slots] == list(self.users)
        assert all(self.logs_in(slot) for slot in slots)
        assert not await self.is_open()
        row = (await self.service.rotations.detail(NAME)).row
        assert (row.failures, row.last_result, row.last_message) == (0, "success", "")
        assert row.status in {Status.HEALTHY, Status.DUE_SOON}
        self.promised = slots
        self.look()

    async def assert_silent(self, logged: str, *, least: int = 3) -> None:
        """No password in anything that was told, logged or is kept in the open."""
        self.told += [event.message for event in await self.service.history.recent()]
        self.told += [attempt.message for attempt in await self.service.rotations.history(NAME)]
        self.told += [step.note for attempt in await self.service.rotations.history(NAME) for step in attempt.steps]
        everything = "\n".join([*self.told, await self.message(), logged])
        assert len(self.passwords) >= least
        for password in (*self.passwords, ADMIN_PASSWORD):
            assert password not in everything
        assert not re.search(r"SCRAM-SHA-256\$|\bmd5[0-9a-f]{32}", everything)


async def assert_backed_off(site: Site, failures: int) -> None:
    """The next try is soon, and later each time; the schedule stays as it was."""
    earliest, latest = backed_off(site.clock.now, failures)
    assert earliest - timedelta(seconds=1) <= await site.next_at() <= latest
    assert await site.scheduled_for() == DUE


def backed_off(now: datetime, failures: int) -> tuple[datetime, datetime]:
    """Between when and when the next try is, after so many failures in a row that time may cure."""
    return now + timedelta(seconds=30 * 2 ** (failures - 1)), now + timedelta(seconds=30 * 2**failures)


@contextlib.asynccontextmanager
async def make_site(pg: Database, home: Path, monkeypatch: pytest.MonkeyPatch, **different: Any) -> AsyncIterator[Site]:
    """A service with a store of its own, and on the server an ordinary role that may rotate two users."""
    passwords: set[str] = set()
    real = PostgresCredentialsProvider.candidate

    def candidate(self: PostgresCredentialsProvider, *args: Any) -> Any:
        made = real(self, *args)
        passwords.add(made.values["password"])
        return made

    monkeypatch.setattr(PostgresCredentialsProvider, "candidate", candidate)
    monkeypatch.setattr(PostgresCredentialsProvider, "verify_patience", 0.0)
    clock = Clock()
    service = open_service(load_settings({"KEYTURN_HOME": str(home)}), "test", clock=clock)
    users = (pg.create_role("app_1"), pg.create_role("app_2"))
    admin = pg.create_role("rotator", ADMIN_PASSWORD, options="LOGIN CREATEROLE")
    site = Site(pg, service, clock, passwords, users, admin)
    site.let_rotate(*users)
    await site.connect(**different)
    yield site
    await service.aclose()


@pytest.fixture
async def site(pg: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    """Before the rotation is created."""
    async with make_site(pg, tmp_path / "home", monkeypatch) as made:
        yield made
