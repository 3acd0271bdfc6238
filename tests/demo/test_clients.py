"""The clients under load tell a login that failed from a value that they cached for too long themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from psycopg import sql

from app.demo import story
from app.demo.load import Clients
from app.demo.stage import USERS, Stage, stage
from app.service import Service, open_service


@pytest.fixture
def built() -> Iterator[Stage]:
    with stage() as made:
        yield made


@pytest.fixture
async def service(built: Stage) -> AsyncIterator[Service]:
    """With the connection and the prepared users in place."""
    opened = open_service(built.settings, "test")
    await built.set_up(opened)
    yield opened
    await opened.aclose()


async def create(service: Service) -> None:
    await story._create(service, lambda text: None)


async def test_they_wait_for_a_first_rotation_and_then_log_in(built: Stage, service: Service) -> None:
    with Clients(built, pause=0.01) as clients:
        assert "wait for a rotation" in story.status_line(clients)
        await create(service)
        await clients.all_try(2)
        assert clients.tally.ok >= 8
        assert "0 failed" in story.status_line(clients)
    assert clients.tally.failed == 0


async def test_what_is_cached_for_longer_than_a_credential_lives_is_no_failed_login(
    built: Stage, service: Service
) -> None:
    await create(service)
    with Clients(built, pause=0.01) as clients:
        await clients.all_try(2)
        for _ in range(2):
            await service.rotations.rotate(story._NAME)
        await clients.all_try(2)
        tally = clients.tally
    assert tally.failed == 0
    assert tally.expired >= 1
    assert f"{tally.expired} cached for too long" in str(tally)


async def test_a_refused_value_is_a_failed_login_whoever_holds_it(built: Stage, service: Service) -> None:
    await create(service)
    with Clients(built, pause=0.01) as clients:
        await clients.all_try(2)
        with built.server.connect() as superuser:
            superuser.execute(sql.SQL("ALTER ROLE {} PASSWORD 'another'").format(sql.Identifier(USERS[0])))
        await clients.all_try(2)
        tally = clients.tally
    assert tally.failed >= 4
    assert tally.expired == 0
    assert "password authentication failed" in tally.last_failure


async def test_a_deleted_rotation_leaves_nothing_to_log_in_with(built: Stage, service: Service) -> None:
    await create(service)
    with Clients(built, pause=0.01) as clients:
        await clients.all_try(1)
        await service.rotations.delete(story._NAME, revoke=True, delete_secrets=True)
        await create(service)
        await clients.all_try(2)
    assert clients.tally.failed == 0
