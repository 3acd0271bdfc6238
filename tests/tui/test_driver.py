"""The way to the terminal, and from it, never blocks and never fails."""

from __future__ import annotations

import contextlib
import io
import os
import threading

import pytest
from textual import events

from screens import driver
from screens.driver import Intake, Outlet, typed_encoding

PATIENCE = 20


class Slow(io.StringIO):
    """Takes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def write(self, text: str) -> int:
        assert self.go.wait(PATIENCE)
        return super().write(text)


def test_everything_arrives_in_order() -> None:
    file = io.StringIO()
    outlet = Outlet(file, lambda: None)
    for number in range(1000):
        outlet.write(f"{number} ")
    outlet.close()
    assert file.getvalue().split() == [str(number) for number in range(1000)]


def test_what_a_slow_terminal_misses_is_dropped_whole_and_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "MOST_WAITING", 100)
    file, again = Slow(), threading.Event()
    outlet = Outlet(file, again.set)
    for number in range(100):
        outlet.write(f"<frame {number:02}>")
    assert not again.is_set()
    file.go.set()
    assert again.wait(PATIENCE)
    outlet.write("<last>")
    outlet.close()
    frames = file.getvalue()
    assert frames.endswith("<frame 99><last>")
    assert len(frames) < 400
    assert frames.count("<") == frames.count(">")


def test_last_words_reach_a_terminal_that_is_far_behind() -> None:
    file = Slow()
    outlet = Outlet(file, lambda: None)
    for _ in range(100):
        outlet.write("frame")
    outlet.drop()
    outlet.write("restored")
    file.go.set()
    outlet.close()
    assert file.getvalue().endswith("restored")
    assert file.getvalue().count("frame") <= 1


def test_a_dropped_line_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    file = open(write, "w", closefd=False)  # noqa: SIM115 - a descriptor that is left to the end
    outlet = Outlet(file, lambda: None)
    for _ in range(100):
        outlet.write("gone")
    outlet.close()
    with contextlib.suppress(BrokenPipeError):
        file.close()
    os.close(write)


def test_leaving_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "LAST_WORDS", 0.05)
    file = Slow()
    outlet = Outlet(file, lambda: None)
    outlet.write("never taken")
    outlet.close()
    assert file.getvalue() == ""
    file.go.set()


def keys(encoding: str, *chunks: bytes) -> list[str | None]:
    intake = Intake(encoding)
    return [event.character for chunk in chunks for event in intake.feed(chunk) if isinstance(event, events.Key)]


def test_what_is_typed_arrives_in_the_terminals_encoding() -> None:
    assert keys("utf-8", "aü日".encode()) == ["a", "ü", "日"]
    assert keys("utf-8", b"a\xc3", b"\xbcb") == ["a", "ü", "b"]
    assert keys("iso8859-1", b"a\xfcb") == ["a", "ü", "b"]


@pytest.mark.parametrize(
    "noise", [b"\xfc", b"\xff\xfe", b"\x1b[99999999999999u", b"\x1b[1;1;99999999999999u", b"\x1b[<0;NaN;NaNM"]
)
def test_noise_on_the_line_costs_no_key_after_it(noise: bytes) -> None:
    assert keys("utf-8", b"a", noise, b"b")[0] == "a"
    assert keys("utf-8", b"a", noise, b"b")[-1] == "b"


@pytest.mark.parametrize(
    ("found", "encoding"), [("UTF-8", "utf-8"), ("ANSI_X3.4-1968", "utf-8"), ("ISO-8859-15", "iso8859-15")]
)
def test_a_plain_locale_says_nothing_of_what_is_typed(
    monkeypatch: pytest.MonkeyPatch, found: str, encoding: str
) -> None:
    monkeypatch.setattr("locale.getencoding", lambda: found)
    assert typed_encoding() == encoding
