"""The manual page: what --help says, never stale, and in order for those who show it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from app.cli.manual import page
from app.cli.parser import whole_parser
from tests.cli.ground import ROOT, done
from tests.cli.test_start import all_parsers

PAGE = ROOT / "docs" / "keyturn.1"
SHOWN = {
    "mandoc": ["mandoc", "-T", "lint", "-W", "warning", str(PAGE)],
    "groff": ["groff", "-man", "-ww", "-Tutf8", "-z", str(PAGE)],
    "man": ["man", "--warnings", "-l", str(PAGE)],
}


def test_the_page_in_docs_is_that_of_today() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: make docs"


def test_the_page_is_the_same_whatever_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    before = done("manual").out
    monkeypatch.setenv("COLUMNS", "40")
    assert done("manual").out == before == page()


def test_every_command_and_flag_stands_in_it() -> None:
    text = page().replace("\\-", "-")
    for parser in all_parsers(whole_parser()):
        assert parser.prog == "keyturn" or f'.SS "{parser.prog}"\n' in text
        flags = [name for action in parser._actions for name in action.option_strings]
        assert all(name in text for name in flags if name not in ("-h", "--help"))


@pytest.mark.parametrize("program", SHOWN)
def test_it_is_shown_without_a_warning(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    environ = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MANPAGER": "cat"}
    ran = subprocess.run(SHOWN[program], capture_output=True, text=True, env=environ, check=False, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
    if program == "mandoc":
        assert ran.stdout == ""
    if program == "man":
        assert "keyturn rotations edit" in re.sub(r".\x08", "", ran.stdout)
