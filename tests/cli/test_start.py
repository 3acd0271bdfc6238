"""How the program starts: quickly, as the same thing by every name, and only where it can."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import __version__
from app.cli import parser
from tests.cli.ground import Ground, finished, keyturn, modules_after, process

HEAVY = ("textual", "sqlmodel", "sqlalchemy", "psycopg", "boto3", "azure", "msgraph", "pydantic", "yaml", "asyncio")


def heavy(modules: set[str], *names: str) -> set[str]:
    return {module for module in modules if module.partition(".")[0] in names}


def test_help_and_version_import_nothing_heavy() -> None:
    for words in (("--help",), ("--version",), ("rotations", "create", "--help")):
        code, modules = modules_after(*words)
        assert code == 0
        assert "app.cli.parser" in modules
        assert not heavy(modules, *HEAVY)


def test_the_headless_loop_imports_neither_screens_nor_foreign_sdks(home: Path) -> None:
    code, modules = modules_after("--run-scheduler", "--once")
    assert code == 0
    assert "store.journal" in modules
    assert not heavy(modules, "textual", "boto3", "botocore", "azure", "msgraph", "psycopg", "yaml")


def test_export_as_dotenv_does_not_import_yaml(ready: Path) -> None:
    code, modules = modules_after("secrets", "export")
    assert code == 0
    assert not heavy(modules, "yaml", "textual")


def test_version_is_the_same_by_either_name() -> None:
    assert process("--version").out == f"keyturn {__version__}\n"
    script = finished([str(Path(sys.executable).with_name("keyturn")), "--version"])
    assert (script.code, script.out) == (0, f"keyturn {__version__}\n")


def test_without_a_terminal_it_exits_2_and_names_the_headless_loop(ready: Path) -> None:
    ran = process()
    assert ran.code == 2
    assert "--run-scheduler" in ran.err
    assert ran.out == ""


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["rotations"],
        ["rotations", "rotat", "x"],
        ["rotations", "show"],
        ["rotations", "history", "x", "--limit", "0"],
        ["rotations", "history", "x", "--limit", "1e3"],
        ["secrets", "export", "--format", "toml"],
        ["--once"],
        ["--concurrency", "3"],
        ["--run-scheduler", "--concurrency", "0"],
        ["--run-scheduler", "--concurrency", "65"],
        ["--run-scheduler", "--concurrency", "٣"],
        ["--run-scheduler", "rotations", "list"],
        ["--run", "--once"],
        ["run"],
        ["run", "--"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2_and_creates_nothing(home: Path, words: list[str]) -> None:
    ran = keyturn(*words)
    assert ran.code == 2
    assert "usage: keyturn" in ran.err
    assert ran.out == ""
    assert not home.exists()


def test_the_first_start_says_on_standard_error_where_data_and_key_are(home: Path) -> None:
    first = keyturn("rotations", "list", "--json")
    assert first.code == 0
    assert first.json == {"secretRotations": []}
    assert str(home / "keyturn.db") in first.err
    assert f"Its key is in the key file {home / 'keyturn.key'}." in first.err
    assert "worthless" in first.err
    assert keyturn("rotations", "list").err == ""


def test_a_setting_that_makes_no_sense_exits_2(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYTURN_LEASE_SECONDS", "soon")
    ran = keyturn("rotations", "list")
    assert ran.code == 2
    assert "KEYTURN_LEASE_SECONDS" in ran.err


def all_parsers(of: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield of
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from all_parsers(inner)


def test_every_help_fits_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for one in all_parsers(parser.whole_parser()):
        assert max(len(line) for line in one.format_help().splitlines()) <= 80, one.prog
        assert all(action.help for action in one._actions if action.option_strings), one.prog


def test_every_verb_has_its_function(ready: Path, ground: Ground) -> None:
    from app.cli import _handler

    handlers = {one.get_default("handler") for one in all_parsers(parser.whole_parser())} - {None}
    assert len(handlers) > 15
    assert all(callable(_handler(path)) for path in handlers)
