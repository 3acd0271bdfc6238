"""Every help ends with an example, every example can be typed, and those that only look work."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest

from app.cli.parser import parse, whole_parser
from tests.cli.ground import Ground, done, keyturn
from tests.cli.test_start import all_parsers

LOOKING = re.compile(
    r"(rotations (list|show|plan|check|credentials|history)|connections (list|show|test)"
    r"|secrets(?! set| delete)|events|config|report|key show|doctor|targets (list|show|render)"
    r"|hooks (list|show)|deliveries(?! retry| drop)|completion|manual)\b"
)
"""Commands that change nothing."""


def commands_in(text: str) -> list[list[str]]:
    """The command lines that begin an indented line, up to a pipe or a redirection; the word keyturn left out."""
    lines = re.sub(r"\$\([^)]*\)", "today", text.replace("\\\n", " ")).splitlines()
    found = [match[1] for line in lines if (match := re.match(r"  (?:sudo )?keyturn (.*)", line))]
    return [shlex.split(re.split(r" (?:\||>|<<?) ?", line)[0]) for line in found]


def examples(parser: argparse.ArgumentParser) -> list[list[str]]:
    return commands_in(parser.epilog or "")


def test_every_help_ends_with_an_example_of_that_command() -> None:
    for parser in all_parsers(whole_parser()):
        found = examples(parser)
        assert found, parser.prog
        assert ["keyturn", *found[-1]][: len(parser.prog.split())] == parser.prog.split()
        last = [line for line in (parser.epilog or "").splitlines() if line.strip()][-1]
        assert re.match(r"  (?:sudo )?keyturn |   +\S", last), parser.prog


def test_a_command_that_is_built_alone_is_the_same() -> None:
    def by_name(parser: argparse.ArgumentParser) -> dict[str, str]:
        return {one.prog: one.format_help() for one in all_parsers(parser)}

    everything = by_name(whole_parser())
    commands = [prog.split()[1] for prog in everything if len(prog.split()) == 2]
    assert len(commands) > 15
    for command in commands:
        alone = by_name(whole_parser(command))
        del alone["keyturn"]
        assert f"keyturn {command}" in alone
        assert len(alone) < len(everything) / 3
        assert alone.items() <= everything.items()


def test_every_example_can_be_typed() -> None:
    for parser in all_parsers(whole_parser()):
        for words in examples(parser):
            try:
                parse(words)
            except SystemExit as ended:
                pytest.fail(f"{parser.prog}: {shlex.join(words)} ({ended.code})")


def test_the_examples_that_only_look_work(connected: Ground, tmp_path: Path) -> None:
    done("connections", "edit", "my-pg-connection", "--file", "-", stdin='{"name": "billing-db"}')
    connected.create(
        name="billing",
        connectionId="billing-db",
        environment="prod",
        secretsMapping={"username": "DB_USER", "password": "DB_PASSWORD"},
    )
    done("targets", "add", "pgpass", "--kind", "pgpass", "--rotation", "billing", "--file", f"{tmp_path}/pgpass")
    done("hooks", "add", "chat", "--on", "failed", "--command", "true")
    tried = 0
    for parser in all_parsers(whole_parser()):
        words = examples(parser)[-1]
        if LOOKING.match(" ".join(words)) and "--known" not in words:
            ran = keyturn(*words)
            assert ran.code == 0, f"{shlex.join(words)}: {ran.said}"
            tried += 1
    assert tried > 20


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("rotatoins list", "invalid command: 'rotatoins'. Did you mean rotations?"),
        ("rotations lst", "invalid command: 'lst'. Did you mean list?"),
        ("xyz", "invalid command: 'xyz'. Choose from: demo, drill, connections, "),
        ("rotations edit x --intervall 3", "unrecognized arguments: --intervall 3. Did you mean --interval?"),
        ("secrets export --format jsn", "invalid choice: 'jsn'. Did you mean json?"),
        ("secrets list --zzz", "unrecognized arguments: --zzz\n"),
        ("events --folow", "Did you mean --follow?"),
    ],
)
def test_who_mistypes_is_told_what_is_near(home: Path, words: str, said: str) -> None:
    ran = keyturn(*words.split())
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert "usage: keyturn" in ran.err
    assert not home.exists()
