"""Terminals of all kinds: their types, colours and characters, and their sizes, which change at any moment."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from app.preferences import Preferences, wants_mouse
from tests.tui.ground import settings_here
from tests.tui.terminal import Tty
from tests.variants import few

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


BACKGROUNDS: dict[str, tuple[Mapping[str, str], bytes]] = {
    "light, in all colours": ({"COLORTERM": "truecolor", "COLORFGBG": "0;15"}, b"48;2;246;245;241"),
    "light, in 256 colours": ({"COLORFGBG": "0;default;15", **PLAIN}, b"48;5;231"),
    "dark, in all colours": ({"COLORTERM": "truecolor", "COLORFGBG": "15;0"}, b"48;2;21;24;28"),
    "the terminal's own, over SSH": ({"COLORFGBG": "0;15", "SSH_TTY": "/dev/pts/9"}, b";49m"),
}
"""The environment, and how the background is asked for."""


@pytest.mark.parametrize("kind", few(list(BACKGROUNDS), keep=1))
def test_the_background_is_what_the_terminal_says_it_is(kind: str) -> None:
    environ, background = BACKGROUNDS[kind]
    with Tty(environ={"SSH_TTY": "", "SSH_CLIENT": "", "SSH_CONNECTION": "", **environ}) as tty:
        tty.sees("No rotations yet.")
        tty.press("n")
        tty.sees("What do you want to rotate?")
        tty.press("escape")
        tty.sees("No rotations yet.")
        tty.press("q")
        assert tty.ends() == 0
        assert tty.restored
    assert background in tty.output
    others = {each for _, each in BACKGROUNDS.values()} - {background}
    assert not [each for each in others if each in tty.output]


MOUSE_ON = b"\x1b[?1003h"
UP = "\x1b[A"
COMMAND = "import sys; from app.cli import main; sys.exit(main(sys.argv[1:] or ['--no-mouse']))"


def test_the_mouse_can_be_left_to_the_terminal() -> None:
    with Tty(COMMAND) as tty:
        tty.sees("Welcome to Keyturn")
        tty.press("x")
        tty.sees("No rotations yet.")
        tty.press("ctrl+q")
        assert tty.ends() == 0
    assert MOUSE_ON not in tty.output

    settings_here().file.path.write_text('[ui]\nmouse = "off"\n')
    with Tty() as tty:
        tty.sees("No rotations yet.")
        assert MOUSE_ON not in tty.output
        tty.press(",")
        tty.sees("selects text, as everywhere")
        tty.press(UP, UP)  # from the first field past the button to the last one
        tty.sees("keyturn --no-mouse")
        tty.press("enter")
        tty.sees("clicks and scrolls here")
        tty.press(UP, "enter")
        tty.sees("kept")
        tty.press("escape")
        tty.sees("No rotations yet.")
        assert MOUSE_ON in tty.output
        tty.press("q")
        assert tty.ends() == 0
        assert tty.restored
    assert 'mouse = "on"' in settings_here().file.path.read_text()


@pytest.mark.soak
def test_a_variable_decides_about_the_mouse() -> None:
    on, off = Preferences(), Preferences(mouse="off")
    assert wants_mouse(on, {})
    assert not wants_mouse(off, {"KEYTURN_NO_MOUSE": ""})
    assert not wants_mouse(on, {"KEYTURN_NO_MOUSE": "1"})
    assert wants_mouse(off, {"KEYTURN_NO_MOUSE": "0"})
