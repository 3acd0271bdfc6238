"""The address for health and metrics by itself: slow and many askers, and the extra that is missing."""

from __future__ import annotations

import http.client
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.background import web
from app.background.metrics import make_metrics
from app.background.notify import notifier, watchdog_seconds
from app.background.pulse import Pulse
from app.background.web import MOST, Door, open_door
from app.settings.address import is_loopback, parse_address
from app.settings.model import Declared
from tests.background.systemd import manager


@pytest.fixture
def pulse() -> Pulse:
    return Pulse()


@pytest.fixture(params=["127.0.0.1:0", "[::1]:0"])
def door(request: pytest.FixtureRequest, pulse: Pulse) -> Iterator[Door]:
    """Without the extra."""
    opened = open_door(Declared(metrics_address=request.param), pulse, None)
    yield opened
    opened.close()


def ask(door: Door, path: str, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection(*door.address, timeout=60)
    connection.request(method, path)
    answer = connection.getresponse()
    read = answer.status, answer.read().decode()
    connection.close()
    return read


def test_health_is_told_without_the_extra_and_metrics_name_it(door: Door, pulse: Pulse) -> None:
    assert ask(door, "/healthz")[0] == 503
    pulse.turn("")
    assert ask(door, "/healthz?verbose") == (200, "ok\n")
    assert ask(door, "/healthz", "HEAD") == (200, "")
    pulse.turn("The disk is full.")
    assert ask(door, "/healthz") == (503, "The disk is full.\n")
    status, text = ask(door, "/metrics")
    assert status == 501
    assert "keyturn[metrics]" in text
    assert ask(door, "/healthz", "POST")[0] == 501
    pulse.stop()
    assert "stopped" in ask(door, "/healthz")[1]


def test_without_the_extra_there_are_no_metrics(monkeypatch: pytest.MonkeyPatch, pulse: Pulse) -> None:
    assert make_metrics(pulse, lambda: None) is not None
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    assert make_metrics(pulse, lambda: None) is None


def test_who_asks_slowly_is_cut_off_and_makes_room(pulse: Pulse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "PATIENCE", 0.2)
    pulse.turn("")
    opened = open_door(Declared(metrics_address="127.0.0.1:0"), pulse, None)
    try:
        slow = [socket.create_connection(opened.address, timeout=60) for _ in range(MOST)]
        for one in slow:
            one.sendall(b"GET /healthz HTTP/1.0\r\n")  # and never the empty line
        assert [one.recv(100) for one in slow] == [b""] * MOST
        for one in slow:
            one.close()
        # Nobody is told that all of the former are done with: the first answer is.
        assert any(answered(opened) for _ in range(1000))
    finally:
        opened.close()


def answered(door: Door) -> bool:
    try:
        return ask(door, "/healthz") == (200, "ok\n")
    except (http.client.HTTPException, OSError):
        return False


def test_a_loop_that_does_not_turn_is_ill_and_gives_no_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    pulse = Pulse(lambda *lines: sent.extend(lines), watchdog=1.0)
    pulse.turn("")
    assert sent == ["READY=1", "WATCHDOG=1"]
    assert pulse.illness() == ""
    monkeypatch.setattr("app.background.pulse.STALLED_AFTER", -1.0)
    assert "has not turned" in pulse.illness()
    assert sent == ["READY=1", "WATCHDOG=1"]
    pulse.turn("The store is away.")  # a restart would not bring it back
    assert sent[2:] == ["WATCHDOG=1"]


def test_systemd_is_told_at_abstract_addresses_too_and_may_be_away(tmp_path: Path) -> None:
    abstract = f"@keyturn-test-{tmp_path.name}-{id(tmp_path)}"
    with manager(abstract) as systemd:
        notify = notifier({"NOTIFY_SOCKET": abstract})
        assert notify is not None
        notify("READY=1", "STATUS=é")
        assert systemd.hear("READY=1") == ["READY=1", "STATUS=é"]
    notify("READY=1")  # nobody is there: no error
    assert notifier({}) is None
    assert notifier({"NOTIFY_SOCKET": "vsock:2:1234"}) is None
    assert watchdog_seconds({"WATCHDOG_USEC": "3000000"}) == 3
    assert watchdog_seconds({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}) is None
    assert watchdog_seconds({"WATCHDOG_USEC": "soon"}) is None
    assert watchdog_seconds({}) is None


@pytest.mark.parametrize(
    ("text", "host", "port"), [("127.0.0.1:1", "127.0.0.1", 1), ("[::1]:65535", "::1", 65535), ("a.b:0", "a.b", 0)]
)
def test_addresses_are_read_as_people_write_them(text: str, host: str, port: int) -> None:
    address = parse_address(text)
    assert address == (host, port)
    assert str(address) == text


@pytest.mark.parametrize("text", ["", ":1", "1", "a:", "a:b", "a:65536", "::1:5", "[::1]", "[x]:1", "a b:1", "a:-1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_address(text)


def test_only_this_machine_is_loopback() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "localhost.example.com", "192.168.1.1")))
