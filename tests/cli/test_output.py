"""What people see on a terminal, what programs get in a pipe, and an output that goes away."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli import output
from tests.cli.ground import ROOT, Ground, done, finished, on_terminal, process

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def test_columns_fit_the_width_and_cut_the_widest_first() -> None:
    rows = [("NAME", "WHAT"), ("a", "x" * 100), ("bb", "short")]
    text = output.laid_out(rows, 40)
    assert text.splitlines() == ["NAME  WHAT", "a     " + "x" * 33 + "…", "bb    short"]
    assert output.laid_out(rows, 200).splitlines()[1] == "a     " + "x" * 100
    assert output.laid_out([("n" * 30, "b" * 20, "c" * 10)], 52) == f"{'n' * 30}  {'b' * 8}…  {'c' * 8}…\n"


def test_columns_that_yield_give_way_first_and_whole_ones_never() -> None:
    rows = [("n" * 10, "b" * 20, "c" * 20)]
    assert output.laid_out(rows, 44, yields=[2]) == f"{'n' * 10}  {'b' * 20}  {'c' * 9}…\n"
    assert output.laid_out(rows, 38, yields=[2, 1]) == f"{'n' * 10}  {'b' * 16}…  {'c' * 6}…\n"
    assert output.laid_out(rows, 30, whole=[2]) == f"{'n' * 6}…  {'b' * 6}…  {'c' * 20}\n"


def test_a_password_is_never_cut_on_a_narrow_terminal(connected: Ground) -> None:
    connected.create()
    password = connected.published()["POSTGRES_DB_PASSWORD"]
    code, screen = on_terminal("rotations", "credentials", "my-pg-rotation", columns=60)
    assert code == 0
    assert password in screen


def test_the_columns_of_every_table_are_documented_in_their_order() -> None:
    documented = (ROOT / "docs" / "command-line.md").read_text()
    for source in sorted((ROOT / "app" / "cli").glob("*.py")):
        for call in ast.walk(ast.parse(source.read_text())):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "output.table" and call.args:
                heading = call.args[0]
                assert isinstance(heading, ast.Tuple), source
                names = [str(each.value) for each in heading.elts if isinstance(each, ast.Constant)]
                assert ", ".join(names).lower() in documented, f"{source.name}: {names}"


def test_wide_and_combining_characters_are_counted_as_terminals_do() -> None:
    text = output.laid_out([("漢字", "x"), ("e\u0301", "y"), ("long enough", "z")], 80)
    assert text.splitlines() == ["漢字         x", "e\u0301            y", "long enough  z"]
    assert output.laid_out([("漢字漢字漢字漢字", "x")], 12).splitlines() == ["漢字漢字…  x"]
    assert output.laid_out([("alone" * 9,)], 12) == "alonealonea…\n"
    jamo = "\u1112\u1161\u11ab"  # one syllable, in two columns
    assert output.laid_out([(jamo, "x"), ("\u0e01\u0e34", "y")], 80).splitlines() == [f"{jamo}  x", "\u0e01\u0e34   y"]


def test_too_many_columns_for_the_width_are_not_cut_to_nothing() -> None:
    assert output.laid_out([("a" * 20, "b" * 20, "c" * 20)], 10) == "aaaaaa…  bbbbbb…  cccccc…\n"


def test_nothing_can_command_the_terminal() -> None:
    assert output.clean("a\x1b[2Jb\nc\td\u202ee") == "a\\x1b[2Jb\\nc\\td\\u202ee"
    assert output.clean("żółć [bold]漢字[/]") == "żółć [bold]漢字[/]"


def test_a_table_on_a_terminal_has_a_heading_and_fits(connected: Ground) -> None:
    connected.create(name="a-rotation-with-a-name-of-thirty")
    for columns in (80, 120):
        code, screen = on_terminal("rotations", "list", columns=columns)
        assert code == 0
        heading, row = screen.splitlines()
        assert heading.split()[:3] == ["NAME", "STATUS", "ACTIVE"]
        assert len(heading) <= columns
        assert len(row) <= columns
        assert row.startswith("a-rotation-with-a-name-of-thirty  healthy  ")
        assert re.search(r"  in \d\d d  ", row)
    code, screen = on_terminal("rotations", "show", "a-rotation-with-a-name-of-thirty")
    assert code == 0
    assert re.search(r"^status +healthy$", screen, re.MULTILINE)


def test_an_empty_table_says_what_to_do_on_a_terminal_and_nothing_in_a_pipe(ready: Path) -> None:
    code, screen = on_terminal("rotations", "list")
    assert code == 0
    assert "There are no rotations. Create one: keyturn" in screen
    piped = done("rotations", "list")
    assert piped.said == ""


def test_a_reader_that_goes_away_is_no_error(connected: Ground) -> None:
    connected.create()
    for _ in range(3):
        done("rotations", "pause", "my-pg-rotation")
    read, write = os.pipe()
    os.close(read)
    for words in (("events", "--json"), ("--help",)):
        ended = subprocess.run(
            [sys.executable, "-m", "app", *words], stdout=write, stderr=subprocess.PIPE, cwd=ROOT, check=False
        )
        assert ended.stderr == b""
        assert ended.returncode == 141
    os.close(write)
    piped = finished(["sh", "-c", f"{sys.executable} -m app events | head -n 1"])
    assert (piped.code, piped.err) == (0, "")
    assert len(piped.lines) == 1


@pytest.mark.parametrize("words", [("events",), ("--help",)], ids=" ".join)
def test_a_full_disk_behind_the_output_is_told(connected: Ground, words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "app", *words], stdout=full, stderr=subprocess.PIPE, cwd=ROOT, check=False
        )
    assert ended.returncode == 1
    assert ended.stderr == b"keyturn: The output cannot be written: No space left on device.\n"


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams_end_in_no_traceback(connected: Ground, closed: str) -> None:
    ran = finished(["sh", "-c", f"{sys.executable} -m app events {closed}"])
    assert "Traceback" not in ran.said
    assert ran.code == (0 if closed == "2>&-" else 1)
    assert bool(ran.out) == (closed == "2>&-")


def test_output_in_a_pipe_is_utf_8_whatever_the_locale(connected: Ground) -> None:
    user = connected.pg.create_role("żółć", "temporary-three-9Sz")
    connected.create(parameters={"username1": user, "username2": connected.users[1]})
    for locale in ("C", "en_US.ISO-8859-1"):
        ran = process("secrets", "get", "POSTGRES_DB_USERNAME", LC_ALL=locale, PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
        assert (ran.code, ran.out) == (0, f"{user}\n")
