"""Terminals of all kinds: their types, colours and characters, and their sizes, which change at any moment."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.tui.terminal import Tty

pytestmark = pytest.mark.usefixtures("home")

PLAIN = {"COLORTERM": ""}
KINDS: dict[str, tuple[Mapping[str, str], bool]] = {
    "xterm": ({"TERM": "xterm", **PLAIN}, False),
    "linux, a shell that exports its size": ({"TERM": "linux", "COLUMNS": "80", "LINES": "24", **PLAIN}, True),
    "no colours": ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
    "screen": ({"TERM": "screen-256color", **PLAIN}, False),
    "tmux": ({"TERM": "tmux-256color", **PLAIN}, False),
    "vt220": ({"TERM": "vt220", **PLAIN}, False),
    "over SSH": ({"TERM": "xterm-256color", "SSH_TTY": "/dev/pts/9", **PLAIN}, False),
    "plain C": ({"LANG": "C"}, True),
    "POSIX": ({"LC_ALL": "POSIX"}, True),
    "no UTF-8": ({"LC_ALL": "de_DE.ISO-8859-1"}, True),
}
"""The environment, and whether everything must be ASCII."""
ALWAYS = ("linux, a shell that exports its size", "no colours")


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind in ALWAYS else [pytest.mark.soak]) for kind in KINDS]
)
def test_every_terminal_can_be_worked_with(kind: str) -> None:
    environ, ascii_alone = KINDS[kind]
    with Tty(environ=environ) as tty:
        tty.sees("No rotations yet.")
        tty.press("n")
        tty.sees("What do you want to rotate?")
        tty.resize(60, 20)
        tty.sees("Type of 5", "What do you want to rotate?")
        tty.resize(40, 10)
        tty.sees("is a little small", "60x20")
        tty.send(b"\xfc")  # an umlaut of yesterday's encoding, which is no UTF-8
        tty.resize(120, 40)
        tty.sees("5 Review", "What do you want to rotate?")
        tty.press("escape")
        tty.sees("No rotations yet.")
        tty.press("q")
        assert tty.ends() == 0
        assert tty.restored
        if ascii_alone:
            assert tty.output.isascii()
