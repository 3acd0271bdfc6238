"""The way to the terminal never blocks and never fails."""

from __future__ import annotations

import contextlib
import io
import os
import threading

import pytest

from screens import driver
from screens.driver import Outlet

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
