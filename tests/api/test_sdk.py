"""Infisical's own Python SDK, as it comes from the package index, against the server and a real database."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
from infisical_sdk import InfisicalSDKClient
from infisical_sdk.infisical_requests import APIError

from app.api import serving
from app.operations.identities import Credited
from app.views import Place
from tests.api.ground import Api
from tests.cli.ground import Ground


@pytest.fixture
async def host(api: Api) -> AsyncIterator[str]:
    """The address of a server in this process."""
    where = serving.binding("127.0.0.1:0", None, None)
    async with serving.answering(api.service, where, asyncio.Event(), 5) as reached:
        yield f"http://{reached}"


@contextlib.contextmanager
def logged_in(host: str, credited: Credited) -> Iterator[InfisicalSDKClient]:
    with InfisicalSDKClient(host=host, cache_ttl=None) as client:
        client.auth.universal_auth.login(credited.identity.id, credited.client_secret)
        yield client


def token_of(host: str, credited: Credited) -> str:
    with logged_in(host, credited) as client:
        token: str = client.get_token()
        return token


def listed(client: InfisicalSDKClient) -> dict[str, str]:
    found = client.secrets.list_secrets(project_id="default", environment_slug="dev", secret_path="/")
    return {secret.secretKey: secret.secretValue for secret in found.secrets}


def got(client: InfisicalSDKClient, name: str) -> str:
    found = client.secrets.get_secret_by_name(
        secret_name=name, project_id="default", environment_slug="dev", secret_path="/"
    )
    value: str = found.secretValue
    return value


@pytest.mark.parametrize(("rotations", "clients"), [(3, 2), pytest.param(60, 3, marks=pytest.mark.soak)])
async def test_what_it_reads_logs_in_during_and_after_every_rotation(
    host: str, api: Api, connected: Ground, rotations: int, clients: int
) -> None:
    """With its cache, which serves a value for a minute after it was replaced, and without; from several threads."""
    ci = await api.identity("ci", "read")
    token = await asyncio.to_thread(token_of, host, ci)  # one for all: logins are throttled
    made = await api.service.creation.create("postgres-credentials", connected.rotation_body)
    mapping = made.rotation.secrets_mapping
    user, password = mapping["username"], mapping["password"]
    stop, tries, refused = threading.Event(), [0] * clients, []

    def use(number: int) -> None:
        with InfisicalSDKClient(host=host, token=token, cache_ttl=None) as client:
            while not stop.is_set():
                pair = listed(client)
                if not connected.pg.login(pair[user], pair[password]):
                    refused.append(pair[user])
                tries[number] += 1

    def rotated_under(cached: InfisicalSDKClient, before: dict[str, str], after: dict[str, str]) -> None:
        assert (listed(cached), got(cached, password)) == (before, before[password])
        with InfisicalSDKClient(host=host, token=token, cache_ttl=None) as fresh:
            assert listed(fresh) == after
            assert (got(fresh, user), got(fresh, password)) == (after[user], after[password])
        assert before[password] != after[password]
        assert connected.pg.login(before[user], before[password])
        assert connected.pg.login(after[user], after[password])

    users = [asyncio.create_task(asyncio.to_thread(use, number)) for number in range(clients)]
    try:
        for _ in range(rotations):
            with InfisicalSDKClient(host=host, token=token) as cached:
                before = await asyncio.to_thread(listed, cached)
                assert await asyncio.to_thread(got, cached, password) == before[password]
                await api.service.rotations.rotate(made.rotation.id)
                after = await api.service.secrets.values(Place("default", "dev", "/"))
                await asyncio.to_thread(rotated_under, cached, before, after)
    finally:
        stop.set()
        await asyncio.gather(*users)
    assert refused == []
    assert all(tries)


async def test_it_writes_plain_secrets_and_reads_why_not(host: str, api: Api) -> None:
    ci = await api.identity("ci")

    def walk() -> None:
        with logged_in(host, ci) as client:
            where = {"project_id": "default", "environment_slug": "dev", "secret_path": "/app"}
            made = client.secrets.create_secret_by_name(
                secret_name="KEY", secret_value="one", secret_comment="for tests", **where
            )
            assert (made.secretValue, made.version, made.secretComment) == ("one", 1, "for tests")
            changed = client.secrets.update_secret_by_name(
                current_secret_name="KEY", new_secret_name="KEY2", secret_value="two", **where
            )
            assert (changed.secretKey, changed.secretValue, changed.version) == ("KEY2", "two", 2)
            old = client.secrets.get_secret_by_name(secret_name="KEY2", version="1", **where)
            hidden = client.secrets.get_secret_by_name(secret_name="KEY2", view_secret_value=False, **where)
            assert (old.secretValue, hidden.secretValueHidden) == ("one", True)
            folders = client.folders.list_folders(project_id="default", environment_slug="dev", path="/")
            assert [folder.name for folder in folders.folders] == ["app"]
            by_slug = client.secrets.list_secrets(
                project_slug="default", environment_slug="dev", secret_path="/", recursive=True
            )
            assert [secret.secretPath for secret in by_slug.secrets] == ["/app"]
            client.secrets.delete_secret_by_name(secret_name="KEY2", **where)
            for name in ("KEY2", "A/B C"):
                with pytest.raises(APIError) as refused:
                    client.secrets.get_secret_by_name(secret_name=name, **where)
                assert (refused.value.status_code, name in str(refused.value)) == (404, True)
            client.set_token("kt_nonsense")
            with pytest.raises(APIError) as refused:
                client.secrets.list_secrets(**where)
            assert refused.value.status_code == 401

    await asyncio.to_thread(walk)
