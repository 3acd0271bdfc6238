"""A hook that is a web address, on a real socket: what it is sent, and what receivers do to it."""

from __future__ import annotations

import hashlib
import hmac
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.demo.certificates import make_certificates
from app.errors import UsageError
from app.notify import webhook
from app.notify.answer import Answer
from app.service import Service
from tests.notify.ground import add_hook, deliver, outbox
from tests.notify.receiver import Receiver
from tests.rotation.conftest import Ground, published


def post(url: str, *, time_out: float = 30.0) -> Answer:
    return webhook.send(webhook.Post(url, "the signing key", "event-1", b"{}", int(time.time())), time_out=time_out)


async def test_it_is_a_signed_post_without_values(ground: Ground, service: Service, receiver: Receiver) -> None:
    created = await ground.create(service)
    key = await add_hook(service, "published", webhook=receiver.url)
    await service.rotations.rotate("app")
    await deliver(service)
    (row,), (got,) = await outbox(service), receiver.got
    assert got.line == "POST /hook/path-that-is-a-token HTTP/1.1"
    assert got.json["rotation"] == {
        "id": str(created.id),
        "name": "app",
        "type": "model-passwords",
        "project": "default",
        "environment": "dev",
        "path": "/",
    }
    assert (got.json["id"], got.json["event"]) == (row.event_id, "published")
    assert got.headers["keyturn-id"] == row.event_id
    signed = got.headers["keyturn-timestamp"].encode() + b"." + got.body
    expected = "sha256=" + hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()
    assert got.headers["keyturn-signature"] == expected
    assert abs(time.time() - int(got.headers["keyturn-timestamp"])) < 600
    assert (await published(service))["password"] not in got.body.decode()
    assert (row.state, row.answer) == ("done", "200 OK: fine")
    assert "token" not in row.to


async def test_the_documented_check_accepts_it_and_no_forgery(
    ground: Ground, service: Service, receiver: Receiver
) -> None:
    page = Path(__file__).parents[2] / "docs" / "notifications.md"
    documented: dict[str, Callable[[str, dict[str, str], bytes], bool]] = {}
    exec(page.read_text("utf-8").split("```python\n")[1].split("```")[0], documented)
    key = await add_hook(service, "published", webhook=receiver.url)
    await service.hooks.test("hook")
    (got,) = receiver.got
    headers = {name.title(): value for name, value in got.headers.items()}
    assert documented["is_genuine"](key, headers, got.body)
    assert not documented["is_genuine"](key, headers, got.body + b" ")
    assert not documented["is_genuine"]("another", headers, got.body)


def drip(connection: socket.socket) -> None:
    """Never silent for long, and never done."""
    try:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while True:
            connection.sendall(b"x")
            time.sleep(0.01)
    except OSError:
        return


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 500 Oh No\r\nContent-Length: 3\r\n\r\nbad", "500 Oh No: bad"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            "302 Found: a redirect, and those are not followed; give the hook the final address",
        ),
        (b"", "the connection was closed without an answer"),
        (b"what is this\r\n\r\n", "the answer is no HTTP (BadStatusLine)"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "200 OK"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 99\r\n\r\nhalf", "404 Not Found: half"),
    ],
)
def test_what_a_receiver_answers_is_said(receiver: Receiver, answer: bytes, said: str) -> None:
    receiver.answers = [answer]
    found = post(receiver.url)
    assert found.text == said
    assert found.ok == said.startswith("200")


def test_bytes_that_drip_in_end_with_the_time_out(receiver: Receiver) -> None:
    receiver.answers = [drip]
    assert post(receiver.url, time_out=0.3) == Answer(False, "no answer within 0.3 s")


def test_silence_ends_with_the_time_out(receiver: Receiver) -> None:
    def silent(connection: socket.socket) -> None:
        receiver.ended.wait()

    receiver.answers = [silent]
    assert not post(receiver.url, time_out=0.3).ok


def test_of_a_flood_no_more_than_the_beginning_is_read(receiver: Receiver) -> None:
    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nbegins ")
        try:
            while True:
                connection.sendall(b"y" * 65536)
        except OSError:
            return

    receiver.answers = [flood]
    answer = post(receiver.url)
    assert answer.ok
    assert answer.text.startswith("200 OK: begins yyy")
    assert len(answer.text) < 1024


@pytest.mark.parametrize("header", ["120", "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_how_long_it_wants_to_be_left_alone_is_heard(receiver: Receiver, header: str) -> None:
    receiver.answers = [f"HTTP/1.1 429 Slow\r\nRetry-After: {header}\r\nContent-Length: 0\r\n\r\n".encode()]
    assert post(receiver.url).asked >= 120


def test_an_echo_of_the_address_and_the_key_is_not_kept(receiver: Receiver) -> None:
    said = b"path-that-is-a-token and the signing key"
    receiver.answers = [b"HTTP/1.1 400 No\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said)]
    assert post(receiver.url).text == "400 No: ••• and •••"


def test_nobody_there_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert post(f"http://127.0.0.1:{port}/").text == "no connection: Connection refused"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https:///hook", "names no host"),
        ("ftp://example.com/", "https://"),
        ("example.com/hook", "https://"),
        ("http://example.com:port/", "no web address"),
        ("http://exa mple.com/", "blanks"),
        ("http://[::1/", "no web address"),
        ("http://example.com/ä", "ASCII"),
    ],
)
def test_an_address_that_cannot_be_is_refused(url: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        webhook.checked(url)


def test_a_certificate_of_nobody_is_refused_and_one_that_is_trusted_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_certificates(tmp_path)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(made.leaf)
    with Receiver(serving) as receiver:
        url = receiver.url.replace("http://", "https://")
        refused = post(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(made.ca))
        assert post(url) == Answer(True, "200 OK: fine")
    assert not refused.ok
    assert refused.text.startswith("the certificate is not trusted")
    assert len(receiver.got) == 1


def test_the_proxy_of_the_environment_is_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", receiver.url)
    assert post("http://receiver.invalid/hook").ok
    assert receiver.got[0].line == "POST http://receiver.invalid/hook HTTP/1.1"
