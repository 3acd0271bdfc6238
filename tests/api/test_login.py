"""Logging in: who gets a token, how long it is worth something, and what is kept of it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString

import httpx
import pytest
from fastapi import FastAPI

from app.api.application import make_application
from app.api.errors import TooMany
from app.api.login import AccessToken, TokenRenewal, UniversalLogin
from app.api.throttle import OF_ADDRESS, OF_CLIENT, Throttle
from app.contract import CreateConnection
from app.operations.identities import Credited
from tests.api.ground import LOGIN, ROTATIONS, Api, assert_documented, held_up, opened, until
from tests.conftest import Database
from tests.store.conftest import postgresql_url

ANYTHING = "/api/v1/app-connections"
RENEW = "/api/v1/auth/token/renew"


async def log_in(api: Api, client_id: str, secret: str, path: str = LOGIN, **more: Any) -> httpx.Response:
    return await api.stranger.post(path, json={"clientId": client_id, "clientSecret": secret, **more})


async def status(api: Api, token: str, path: str = ANYTHING) -> int:
    answer = await api.stranger.get(path, headers={"Authorization": f"Bearer {token}"})
    return answer.status_code


def found_in(home: Path, secrets: list[str]) -> list[str]:
    """Which of them stand in any of the files."""
    kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    return [secret for secret in secrets if secret.encode() in kept]


async def test_a_secret_gives_a_token_that_works_until_it_is_revoked(api: Api, home: Path) -> None:
    ci = await api.identity("ci", "read")
    answer = await log_in(api, ci.identity.id, ci.client_secret, organizationSlug="acme")
    granted = answer.json()
    token = granted.pop("accessToken")
    assert granted == {"expiresIn": 3600, "accessTokenMaxTTL": 86400, "tokenType": "Bearer"}
    assert not token.startswith("st.")
    assert await status(api, token) == 200

    with_slash = (await log_in(api, ci.identity.id, ci.client_secret, f"{LOGIN}/")).json()["accessToken"]
    renewed = await api.stranger.post(RENEW, json={"accessToken": with_slash})
    assert renewed.json()["accessToken"] == with_slash
    assert (await api.service.identities.show("ci")).tokens == 2

    assert await api.service.identities.revoke("ci") == 2
    assert [await status(api, token), await status(api, with_slash)] == [401, 401]
    assert (await api.stranger.post(RENEW, json={"accessToken": token})).status_code == 401

    again = await api.token(ci)
    other = await api.service.identities.new_secret("ci")
    assert await status(api, again) == 401
    assert (await log_in(api, ci.identity.id, ci.client_secret)).status_code == 401
    last = await api.token(other)
    await api.service.identities.remove("ci")
    assert await status(api, last) == 401

    actions = [(e.actor, e.action, e.result) for e in await api.service.history.recent()]
    assert ("api:ci", "login", "success") in actions
    assert ("test", "login", "failed") in actions
    assert ("api:ci", "renew-token", "success") in actions
    assert found_in(home, [token, again, last, ci.client_secret, other.client_secret]) == []


async def test_a_store_on_postgresql_keeps_them_too(home: Path, pg: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYTURN_DATABASE_URL", postgresql_url(pg))
    async with opened() as api:
        ci = await api.identity("ci", "read", environments=("dev",))
        token = await api.token(ci)
        assert await status(api, token) == 200
        for nowhere in ("%00", "x" * 5000, "'"):
            assert await status(api, token, f"/api/v2/secret-rotations?projectId={nowhere}") in (404, 422)
        assert (await api.stranger.post(RENEW, json={"accessToken": token})).status_code == 200
        assert (await log_in(api, "nobody\0", "wrong")).status_code == 401
        writer = await api.caller("writer", "manage")
        await writer("POST", ROTATIONS, {"connectionId": "a\0b"}, expect=404)
        assert await api.service.identities.revoke("ci") == 1
        assert await status(api, token) == 401
        assert (await api.service.identities.remove("ci")).tokens == 0


ENDED: list[tuple[str, LiteralString]] = [
    (LOGIN, "UPDATE identity SET secret_hash = decode(repeat('00', 32), 'hex'), last_login_at = NULL"),
    (LOGIN, "DELETE FROM identity"),
    (RENEW, "DELETE FROM access_token"),
]


async def test_what_is_ended_meanwhile_is_granted_nothing(
    home: Path, pg: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login and a renewal that wait for a new secret, a removal or a revocation are judged by what that left."""
    monkeypatch.setenv("KEYTURN_DATABASE_URL", postgresql_url(pg))
    async with opened() as api:
        for number, (path, ending) in enumerate(ENDED):
            ci = await api.identity(f"ci-{number}", "read")
            body = {"clientId": ci.identity.id, "clientSecret": ci.client_secret, "accessToken": await api.token(ci)}
            with pg.connect() as other:
                other.execute("BEGIN")
                other.execute("DELETE FROM access_token")
                other.execute(ending)
                granting = asyncio.create_task(api.stranger.post(path, json=body))
                await until(lambda: held_up(pg))
                other.execute("COMMIT")
            assert (await granting).status_code == 401
            assert pg.execute("SELECT 1 FROM access_token") == []


async def test_who_is_unknown_and_who_is_wrong_are_answered_alike(api: Api) -> None:
    ci = await api.identity("ci", "read")
    unlike = []
    for client_id, secret in (
        (ci.identity.id, "wrong"),
        ("3c90c3cc-0d44-4b50-8888-8dd25736052a", "wrong"),
        ("\0", "x"),
    ):
        answer = await log_in(api, client_id, secret)
        assert_documented(answer)
        unlike.append({key: value for key, value in answer.json().items() if key != "reqId"})
    assert unlike == [unlike[0]] * 3
    assert unlike[0]["statusCode"] == 401
    for headers in (
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer st.abc"},
        {"Authorization": f"Bearer {'x' * 9000}"},
        {"Authorization": f"Basic {ci.client_secret}"},
        {"Authorization": f"Bearer {ci.client_secret}"},
    ):
        answer = await api.stranger.get(ANYTHING, headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"clientId", "clientSecret"}),
        ({"clientId": 1, "clientSecret": None}, {"clientId", "clientSecret"}),
        ([], {"body"}),
        ({"clientId": "x" * 65, "clientSecret": "y" * 257}, {"clientId", "clientSecret"}),
    ],
)
async def test_every_field_of_a_wrong_login_is_told_at_once(api: Api, body: Any, fields: set[str]) -> None:
    answer = await api.stranger.post(LOGIN, json=body)
    assert answer.status_code == 422
    assert {detail["field"] for detail in answer.json()["details"]} == fields


async def test_tokens_end_and_are_renewed_as_far_as_they_may_be(ready: Path) -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    async with opened(lambda: now) as api:
        ci = await api.identity("ci", "read")
        token = await api.token(ci)

        async def renew() -> httpx.Response:
            return await api.stranger.post(RENEW, json={"accessToken": token})

        now += timedelta(minutes=59)
        assert await status(api, token) == 200
        assert (await renew()).json()["expiresIn"] == 3600
        now += timedelta(minutes=59)
        assert await status(api, token) == 200
        for _ in range(22):
            await renew()
            now += timedelta(minutes=59)
        assert (await renew()).json()["expiresIn"] < 3600  # a day after the login it ends
        now += timedelta(hours=1)
        assert await status(api, token) == 401
        assert (await renew()).status_code == 401

        long = await api.identity("long", "read", token_seconds=7 * 86400)
        granted = (await log_in(api, long.identity.id, long.client_secret)).json()
        assert granted["expiresIn"] == granted["accessTokenMaxTTL"] == 7 * 86400
        assert (await api.service.identities.show("ci")).tokens == 0


async def test_who_tries_too_often_has_to_wait_and_keeps_nobody_else_out(api: Api) -> None:
    now = 0.0
    assert isinstance(api.gate.inner, FastAPI)
    api.gate.inner.state.throttle = Throttle(lambda: now)
    ci: Credited = await api.identity("ci", "read")
    answers = [await log_in(api, ci.identity.id, "wrong") for _ in range(OF_CLIENT[0] + 1)]
    assert [a.status_code for a in answers] == [401] * OF_CLIENT[0] + [429]
    assert_documented(answers[-1])
    assert answers[-1].headers["retry-after"] == "3"
    assert (await log_in(api, ci.identity.id, ci.client_secret)).status_code == 200
    now += 3
    assert (await log_in(api, ci.identity.id, "wrong")).status_code == 401
    failed = [event for event in await api.service.history.recent(200) if event.result == "failed"]
    assert len(failed) == OF_CLIENT[0] + 1

    right = [await log_in(api, ci.identity.id, ci.client_secret) for _ in range(OF_CLIENT[0])]
    assert {answer.status_code for answer in right} == {200}
    assert (await log_in(api, ci.identity.id, ci.client_secret)).status_code == 429


def tries(throttle: Throttle, client: str, address: str, *, right: bool = False) -> int:
    """How many are let through before one has to wait."""
    for count in range(10_000):
        try:
            throttle.take(client, address, right=right)
        except TooMany:
            return count
    raise AssertionError("there is no limit")


def test_wrong_logins_are_limited_by_client_and_address_and_by_address() -> None:
    now = 0.0
    throttle = Throttle(lambda: now)
    assert [tries(throttle, *who) for who in (("a", "1"), ("a", "2"), ("b", "1"))] == [OF_CLIENT[0]] * 3
    others = sum(tries(throttle, f"client {number}", "1") for number in range(10))
    assert others == OF_ADDRESS[0] - 2 * OF_CLIENT[0]
    assert tries(throttle, "a", "1", right=True) == tries(throttle, "new", "1", right=True) == OF_CLIENT[0]
    now += OF_ADDRESS[1]
    assert tries(throttle, "a", "1") == OF_CLIENT[0]


def test_a_network_of_ipv6_is_one_address_and_a_mapped_address_is_its_own() -> None:
    throttle = Throttle(lambda: 0.0)
    assert sum(tries(throttle, "a", f"2001:db8::{number:x}") for number in range(10)) == OF_CLIENT[0]
    assert tries(throttle, "a", "2001:db8:0:1::1") == OF_CLIENT[0]
    assert tries(throttle, "a", "::ffff:192.0.2.1") == OF_CLIENT[0]
    assert tries(throttle, "a", "::ffff:192.0.2.2") == OF_CLIENT[0]
    assert tries(throttle, "a", "192.0.2.1") == 0


def test_what_the_throttle_remembers_is_bounded() -> None:
    throttle = Throttle(lambda: 0.0)
    for number in range(12_000):
        throttle.take(f"client {number}", f"address {number}", right=False)
    assert len(throttle._full_at) <= 10_000


async def test_what_is_no_token_is_refused_while_somebody_writes(api: Api, home: Path) -> None:
    with contextlib.closing(sqlite3.connect(home / "keyturn.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = await api.stranger.post(RENEW, json={"accessToken": "kt_nonsense"})
        other.execute("ROLLBACK")
    assert answer.status_code == 401


async def test_what_holds_a_secret_does_not_show_it(api: Api) -> None:
    ci = await api.identity("ci", "read")
    granted = await api.service.logins.log_in(ci.identity.id, ci.client_secret, "here")
    shown = AccessToken(access_token=granted.access_token, expires_in=1, access_token_max_ttl=1)
    login = UniversalLogin(client_id=ci.identity.id, client_secret=ci.client_secret)
    renewal = TokenRenewal(access_token=granted.access_token)
    connection = CreateConnection(name="x", method="x", credentials={"password": "hunter2"})
    text = repr([ci, granted, shown, login, renewal, connection])
    assert [secret for secret in (ci.client_secret, granted.access_token, "hunter2") if secret in text] == []


async def test_a_server_without_a_known_defect_says_so_without_details(api: Api, home: Path) -> None:
    """What is wrong inside is for the log."""
    ci = await api.caller()
    broken = make_application(api.service)
    assert isinstance(broken.inner, FastAPI)
    broken.inner.state.service = None
    transport = httpx.ASGITransport(app=broken)
    async with httpx.AsyncClient(transport=transport, base_url="http://keyturn") as client:
        answer = await client.get(ANYTHING, headers=ci.client.headers)
    assert answer.status_code == 500
    assert_documented(answer)
    assert "NoneType" not in answer.text
