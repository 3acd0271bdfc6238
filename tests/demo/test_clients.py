"""The clients under load tell a login that failed from a value that they cached for too long themselves."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
from psycopg import sql

from app.demo import story
from app.demo.load import Clients
from app.demo.shop_database import USERS
from app.demo.stage import Stage, stage
from app.service import Service, open_service
from providers.azure import AzureSecretCredentials, AzureTarget


@contextlib.asynccontextmanager
async def opened(*, clouds: bool) -> AsyncIterator[tuple[Stage, Service]]:
    """With the connections and the prepared users in place."""
    with stage(clouds=clouds) as built:
        service = open_service(built.settings, "test")
        try:
            await built.set_up(service)
            yield built, service
        finally:
            await service.aclose()


@pytest.fixture
async def ground() -> AsyncIterator[tuple[Stage, Service]]:
    """PostgreSQL alone."""
    async with opened(clouds=False) as made:
        yield made


@pytest.fixture
def built(ground: tuple[Stage, Service]) -> Stage:
    return ground[0]


@pytest.fixture
def service(ground: tuple[Stage, Service]) -> Service:
    return ground[1]


async def create(built: Stage, service: Service, target: int = 0) -> None:
    await story._create(service, built.targets[target], lambda text: None)


def switch_keys_off(built: Stage) -> None:
    """Behind Keyturn's back."""
    assert built.account is not None
    user = built.targets[1].parameters["userName"]
    for key_id in built.account.keys(user):
        built.account.iam().update_access_key(UserName=user, AccessKeyId=key_id, Status="Inactive")


async def remove_secrets(built: Stage) -> None:
    """Behind Keyturn's back."""
    azure = built.targets[2]
    tenant = AzureTarget(AzureSecretCredentials.model_validate(dict(azure.credentials)))
    directory, application = await tenant.directory(), azure.parameters["objectId"]
    for secret in (await directory.application(application)).secrets:
        await directory.remove_password(application, str(secret.key_id))
    await tenant.close()


async def test_they_wait_for_a_first_rotation_and_then_log_in(built: Stage, service: Service) -> None:
    with Clients(built, pause=0.01) as clients:
        assert "wait for a rotation" in story.status_line(clients)
        await create(built, service)
        await clients.all_try(2)
        assert clients.tally.ok >= 8
        assert "0 failed" in story.status_line(clients)
    assert clients.tally.failed == 0


@pytest.mark.soak
async def test_what_is_cached_for_longer_than_a_credential_lives_is_no_failed_login(
    built: Stage, service: Service
) -> None:
    await create(built, service)
    with Clients(built, pause=0.01) as clients:
        await clients.all_try(2)
        for _ in range(2):
            await service.rotations.rotate(built.targets[0].rotation)
        await clients.all_try(2)
        tally = clients.tally
    assert tally.failed == 0
    assert tally.expired >= 1
    assert f" ok {tally.expired} cached for too long; 0 failed" in str(tally)


async def test_a_refused_value_is_a_failed_login_whoever_holds_it(built: Stage, service: Service) -> None:
    await create(built, service)
    with Clients(built, pause=0.01) as clients:
        await clients.all_try(2)
        with built.server.connect() as superuser:
            superuser.execute(sql.SQL("ALTER ROLE {} PASSWORD 'another'").format(sql.Identifier(USERS[0])))
        await clients.all_try(2)
        tally = clients.tally
    assert tally.failed >= 4
    assert tally.expired == 0
    assert "password authentication failed" in tally.last_failure


@pytest.mark.soak
async def test_a_deleted_rotation_leaves_nothing_to_log_in_with(built: Stage, service: Service) -> None:
    await create(built, service)
    with Clients(built, pause=0.01) as clients:
        await clients.all_try(1)
        await service.rotations.delete(built.targets[0].rotation, revoke=True, delete_secrets=True)
        await create(built, service)
        await clients.all_try(2)
    assert clients.tally.failed == 0


@pytest.mark.soak
async def test_each_target_is_counted_by_itself_and_a_credential_that_died_is_noticed() -> None:
    """One start for both clouds: they are all there before the load, then lose what is published."""
    async with opened(clouds=True) as (built, service):
        _, aws, azure = built.targets
        for number in (1, 2):
            await create(built, service, number)
        with Clients(built, pause=0.01) as clients:
            await clients.all_try(2, aws)
            await clients.all_try(2, azure)
            good = clients.tally
            switch_keys_off(built)
            await clients.all_try(2, aws)
            assert "STS refuses AKIA" in clients.tally.last_failure
            await remove_secrets(built)
            await clients.all_try(2, azure)
            tally = clients.tally
    assert (good.failed, list(good.of)) == (0, ["AWS", "Azure"])
    assert min(counts.ok for counts in good.of.values()) >= 4
    assert min(tally.of["AWS"].failed, tally.of["Azure"].failed) >= 2
    assert tally.expired == 0
    assert str(tally).endswith(f"; {tally.failed} failed")
