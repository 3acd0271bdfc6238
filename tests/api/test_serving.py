"""The server itself, on a real socket: clients that hang up, dawdle or send nonsense, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import re
import select
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from app.api import protocol, serving
from app.cli import serve
from app.demo.certificates import make_certificates
from app.errors import UsageError
from app.settings.address import Address
from tests.api.ground import (
    CONNECTIONS,
    DEADLINE,
    LOGIN,
    ROTATIONS,
    WAITING,
    Api,
    Caller,
    assert_documented,
    create,
    held_up,
    opened,
    until,
)
from tests.cli.ground import Ground, Running, keyturn, make_due
from tests.cli.ground import until as now

HERE = serving.binding("127.0.0.1:0", None, None)


class Standing:
    """A server in this process, which ends when the block does; `ending` closes what was opened to it."""

    def __init__(self, api: Api, address: Address, ending: contextlib.AsyncExitStack) -> None:
        self.api, self.address, self.ending = api, address, ending
        self.url = f"http://{address}"

    async def client(self, **more: Any) -> httpx.AsyncClient:
        client = httpx.AsyncClient(base_url=self.url, timeout=DEADLINE, **more)
        return await self.ending.enter_async_context(client)

    async def caller(self) -> Caller:
        inner = await self.api.caller()
        return Caller(await self.client(headers=inner.client.headers), inner.credited)

    async def line(self, text: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(*self.address)
        self.ending.push_async_callback(_closed, writer)
        writer.write(text)
        await writer.drain()
        return reader, writer


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def standing(
    api: Api | None = None, stopping: asyncio.Event | None = None, *, park_seconds: float = DEADLINE
) -> AsyncIterator[Standing]:
    async with contextlib.AsyncExitStack() as stack:
        stage: Api = api if api is not None else await stack.enter_async_context(opened())
        ending = await stack.enter_async_context(contextlib.AsyncExitStack())
        answering = serving.answering(stage.service, HERE, stopping or asyncio.Event(), park_seconds)
        yield Standing(stage, await stack.enter_async_context(answering), ending)


async def test_who_hangs_up_in_the_middle_of_a_rotation_does_not_stop_it(connected: Ground) -> None:
    async with standing() as server:
        ci = await server.caller()
        path = f"{ROTATIONS}/{(await create(ci, connected))['id']}"
        token = ci.client.headers["authorization"]
        request = (
            f"POST {path}/rotate-secrets HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Length: 0\r\n\r\n"
        )
        with connected.locked(connected.users[1]) as let_go:
            _, writer = await server.line(request.encode())
            await until(lambda: held_up(connected.pg))
            writer.transport.abort()
            let_go()

        async def rotated() -> bool:
            rotation = (await ci("GET", path))["secretRotation"]
            return bool(rotation["activeIndex"] == 1 and rotation["rotationStatus"] == "success")

        await until(rotated)


async def test_at_the_end_what_runs_finishes_and_what_is_new_is_refused(connected: Ground) -> None:
    stopping = asyncio.Event()
    async with standing(stopping=stopping) as server:
        ci, other = await server.caller(), await server.client()
        path = f"{ROTATIONS}/{(await create(ci, connected))['id']}"
        with connected.locked(connected.users[1]) as let_go:
            running = asyncio.create_task(ci("POST", f"{path}/rotate-secrets"))
            await until(lambda: held_up(connected.pg))
            stopping.set()

            async def refused() -> bool:
                answer = await other.get("/api/status")
                if answer.status_code == 503:
                    assert_documented(answer)
                    assert answer.headers["retry-after"] == "5"
                return answer.status_code == 503

            await until(refused)
            let_go()
            assert (await running)["secretRotation"]["activeIndex"] == 1


async def test_what_takes_too_long_at_the_end_is_parked(connected: Ground) -> None:
    async with opened() as api:
        made = await create(await api.caller("creator"), connected)
        with connected.locked(connected.users[1]):
            async with standing(api, park_seconds=0.0) as server:
                ci = await server.caller()
                rotating = ci("POST", f"{ROTATIONS}/{made['id']}/rotate-secrets", expect=503)
                running = asyncio.create_task(rotating)
                await until(lambda: held_up(connected.pg))
            assert "journaled" in (await running)["message"]
        assert (await api.service.rotations.rotate(made["id"])).active_index == 1


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.soak)])
async def test_half_open_connections_hold_up_nobody_and_end(
    ready: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    async with standing() as server:
        client = await server.client()
        assert (await client.get("/api/status")).status_code == 200
        monkeypatch.setattr(protocol, "PATIENCE", 1.5)  # from here on: a client of ours may be slow, too
        begun = (b"", b"GET /api/status HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        lines = [await server.line(begun[number % 2]) for number in range(count)]
        assert (await client.get("/api/status")).status_code == 200
        async with asyncio.timeout(DEADLINE):
            for reader, _ in lines:
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
        assert (await client.get("/api/status")).status_code == 200


async def test_a_body_that_nobody_waits_for_has_to_end(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer was given before it: to somebody without a token."""
    monkeypatch.setattr(protocol, "UNREAD", 1.0)
    begun = b"POST /api/v3/secrets/raw/A HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n12"
    async with standing() as server, asyncio.timeout(DEADLINE):
        reader, writer = await server.line(begun)
        assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")
        writer.write(b"3456789GET /api/status HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"HTTP/1.1 200 ")

        slow, dripping = await server.line(begun)
        assert (await slow.readline()).startswith(b"HTTP/1.1 401 ")
        dripping.write(b"3")
        with contextlib.suppress(ConnectionError):
            await slow.read()


async def test_who_does_not_read_the_answer_is_cut_off(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads as it comes gets all of it meanwhile, however much that is."""
    monkeypatch.setattr(protocol, "READING", 1.0)
    asked, times = b"GET /api/docs/json HTTP/1.1\r\nHost: x\r\n\r\n", 60
    async with standing() as server:
        with socket.create_connection(server.address) as idle:
            idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            idle.sendall(asked * times)
            reader, _ = await server.line(asked * times)
            for _ in range(times):
                header = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", header)
                assert length is not None
                await reader.readexactly(int(length[1]))
            ended = select.poll()
            ended.register(idle, 0)
            assert await asyncio.to_thread(ended.poll, DEADLINE * 1000)


async def test_there_are_only_so_many_connections(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MOST", 3)
    async with standing() as server:
        lines = [await server.line(b"GET / HTTP/1.1\r\n") for _ in range(3)]
        reader, _ = await server.line(b"")
        async with asyncio.timeout(DEADLINE):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        for _, writer in lines:
            writer.close()

        client = await server.client()

        async def room_again() -> bool:
            try:
                answer = await client.get("/api/status")
            except httpx.HTTPError:
                return False
            return answer.status_code == 200

        await until(room_again)


NO_REQUESTS = [
    b"garbage\r\n\r\n",
    b"GET /api/status HTTP/1.1\r\nX-Large: " + b"x" * 70_000 + b"\r\n\r\n",
    b"GET /api/status HTTP/1.1\r\nBad Name: 1\r\n\r\n",
    b"POST /api/v1/auth/universal-auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
    b"POST /api/v1/auth/universal-auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n",
    b"GET /api/status\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
]


async def test_what_is_no_request_is_answered_and_cut_off(ready: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="keyturn")
    async with standing() as server:
        for text in NO_REQUESTS:
            reader, _ = await server.line(text)
            async with asyncio.timeout(DEADLINE):
                answer = (await reader.read()).decode()
            assert answer.startswith("HTTP/1.1 400 ")
            assert answer.count('"statusCode": 400') == answer.count("HTTP/1.1 ") == 1
            named = re.findall(r"x-request-id: (\S+)\r\n", answer)
            assert named == re.findall(r'"reqId": "(.+?)"', answer) != []
            assert vars(caplog.records[-1])["fields"]["request"] == named[0]


async def test_a_crowd_is_told_of_once(ready: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with standing():
        loop = asyncio.get_running_loop()
        for error in [OSError(errno.EMFILE, "Too many open files")] * 100 + [OSError(errno.EIO, "I/O error")]:
            loop.call_exception_handler({"message": "accept", "exception": error, "socket": None})
    told = [
        (record.name, record.getMessage().splitlines()[0]) for record in caplog.records if record.levelname == "ERROR"
    ]
    assert told == [("keyturn", "crowded"), ("asyncio", "accept")]


async def test_over_tls(
    ready: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "PATIENCE", 3.0)
    made = make_certificates(tmp_path)
    locked = tmp_path / "locked.key"
    locked.write_bytes(
        load_pem_private_key(made.leaf.read_bytes(), None).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
        )
    )
    where = serving.binding("127.0.0.1:0", str(made.leaf), str(made.leaf))
    trusting = ssl.create_default_context(cafile=str(made.ca))
    async with opened() as api, serving.answering(api.service, where, asyncio.Event(), DEADLINE) as address:
        async with httpx.AsyncClient(base_url=f"https://{address}", verify=trusting) as client:
            assert (await client.get("/api/status")).status_code == 200
        async with httpx.AsyncClient(base_url=f"http://{address}") as plain:
            with pytest.raises(httpx.HTTPError):
                await plain.get("/api/status")
        with socket.create_connection(address, DEADLINE / 4) as silent:
            assert await asyncio.to_thread(silent.recv, 1) == b""
        for key in (made.ca, locked):
            wrong = serving.binding("127.0.0.1:0", str(made.leaf), str(key))
            with pytest.raises(UsageError, match="cannot be used"):
                await serving.answering(api.service, wrong, asyncio.Event(), DEADLINE).__aenter__()
    assert "pass phrase" not in capfd.readouterr().err


async def test_a_renewed_certificate_is_taken_up(ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "LOOK_EVERY", 0.01)
    made = make_certificates(tmp_path)
    where = serving.binding("127.0.0.1:0", str(made.leaf), str(made.leaf))
    async with opened() as api, serving.answering(api.service, where, asyncio.Event(), DEADLINE) as address:
        made.leaf.write_text("half of it")
        make_certificates(tmp_path)
        renewed = ssl.create_default_context(cafile=str(made.ca))

        async def trusted() -> bool:
            try:
                async with httpx.AsyncClient(base_url=f"https://{address}", verify=renewed) as client:
                    return (await client.get("/api/status")).status_code == 200
            except httpx.ConnectError:
                return False

        await until(trusted)


@pytest.mark.parametrize(
    ("address", "more", "said"),
    [
        ("0.0.0.0:80", {}, "Other machines can reach"),
        ("[::]:80", {"without_tls": True}, "Other machines can reach"),
        ("keyturn.example:80", {"public": True}, "without TLS"),
        ("127.0.0.1", {}, "not HOST:PORT"),
        ("127.0.0.1:99999", {}, "not HOST:PORT"),
    ],
)
def test_an_address_that_others_reach_has_to_be_asked_for(address: str, more: dict[str, bool], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        serving.binding(address, None, None, **more)


def test_an_address_that_was_asked_for_plainly_is_taken() -> None:
    assert serving.binding("0.0.0.0:80", None, None, public=True, without_tls=True).certificate is None
    assert serving.binding("0.0.0.0:80", "a.pem", "a.key", public=True).key == "a.key"
    with pytest.raises(UsageError, match="go together"):
        serving.binding("127.0.0.1:80", "a.pem", None)


def test_an_address_that_is_taken_is_told(ready: Path) -> None:
    with serving._listening(HERE) as listener:
        ran = keyturn("serve", "--address", f"127.0.0.1:{listener.getsockname()[1]}")
    assert ran.code == 1
    assert "address already in use" in ran.err


def test_without_the_extra_it_says_how_to_install_it(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "find_spec", lambda name: None)
    ran = keyturn("serve")
    assert ran.code == 2
    assert "pip install 'keyturn[api]'" in ran.err


def test_a_process_serves_rotates_and_ends(connected: Ground) -> None:
    """With the loop in the same process; at a second signal what runs is parked. Its log holds no query, no secret."""
    created = keyturn("identities", "create", "ci", "--project", "default", "--allow", "read,rotate", "--json").json
    connected_rotation = connected.create()
    with Running("serve", "--with-scheduler", "--address", "127.0.0.1:0") as running:
        found = re.search(r"address=(\S+)", running.hear("event=listening"))
        assert found is not None
        with httpx.Client(base_url=f"http://{found[1]}", timeout=DEADLINE) as client:
            login = {"clientId": created["identity"]["id"], "clientSecret": created["clientSecret"]}
            token = client.post(LOGIN, json=login).json()["accessToken"]
            headers = {"Authorization": f"Bearer {token}"}
            answer = client.get(CONNECTIONS, params={"token": "query-secret-8Kd"}, headers=headers)
            assert len(answer.json()["appConnections"]) == 1
            make_due(connected_rotation["id"])
            running.hear("event=done", "rotation=my-pg-rotation")
            path = f"{ROTATIONS}/{connected_rotation['id']}"
            assert client.get(path, headers=headers).json()["secretRotation"]["activeIndex"] == 1
            with connected.locked(connected.users[0]), ThreadPoolExecutor() as threads:
                rotating = threads.submit(client.post, f"{path}/rotate-secrets", headers=headers)
                now(lambda: bool(connected.pg.execute(WAITING)))
                running.signal(signal.SIGTERM)
                running.hear("event=stopping")
                running.signal(signal.SIGTERM)
                assert rotating.result().status_code == 503
        ran = running.finish()
    assert ran.code == 0
    assert "path=/api/v1/app-connections/postgres" in ran.err
    assert "who=ci" in ran.err
    for secret in ("query-secret-8Kd", token, created["clientSecret"], *connected.secrets):
        assert secret not in ran.said
