"""What shells are told may come next, and that bash, zsh and fish complete it."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest

from tests.cli.ground import ROOT, Ground, Ran, done, finished, keyturn, modules_after, process
from tests.cli.test_start import HEAVY, heavy
from tests.terminal import Terminal


def offered(*words: str, shell: str = "fish") -> list[str]:
    """The candidates for the last word."""
    ran = done("__complete", shell, *words)
    assert ran.err == ""
    directive, *lines = ran.out.splitlines()
    return [line.partition("\t")[0] for line in lines] if directive == "values" else [directive]


def test_commands_flags_and_choices_come_from_the_parser(home: Path) -> None:
    assert {"rotations", "connections", "run", "completion"} <= set(offered(""))
    assert offered("rot") == ["rotations"]
    assert {"create", "edit", "guard"} <= set(offered("rotations", ""))
    assert offered("rotations", "edit", "x", "--guard-") == ["--guard-wait-hours"]
    assert offered("rotations", "edit", "x", "--guard", "w") == ["warn", "wait"]
    assert offered("connections", "edit", "x", "--pass") == ["--password-file"]
    assert offered("connections", "edit", "x", "--password-file", "") == ["files"]
    assert offered("connections", "edit", "x", "--ssl-enabled", "") == ["on", "off"]
    assert offered("rotations", "edit", "x", "--guard=w") == ["--guard=warn", "--guard=wait"]
    assert offered("rotations", "edit", "x", "--guard=w", shell="bash") == ["warn", "wait"]
    assert offered("--log-format", "j") == ["json"]
    assert offered("rotations", "create", "a") == ["aws-iam-user-secret", "azure-client-secret"]
    assert offered("connections", "add", "po") == ["postgres"]
    assert "--json" not in offered("rotations", "list", "--json", "--")
    assert "--set" in offered("rotations", "edit", "x", "--set", "a=b", "--s")
    assert "--restart" not in offered("run", "--signal", "HUP", "--")
    assert offered("rotations", "edit", "x", "--file", "") == ["files"]
    assert offered("targets", "add", "x", "--file=") == ["files"]
    assert offered("backup", "/tm") == ["files"]
    assert offered("--config", "") == ["files"]
    assert "rotations" in offered("--config", "x.toml", "r")
    assert offered("run", "--", "") == ["commands"]
    assert offered("run", "--", "cat", "") == ["files"]
    assert offered("nonsense", "") == []
    assert offered("rotations", "create", "x", "y", "z") == []
    assert not home.exists()


@pytest.mark.parametrize("words", [(), ("fish",), ("fish", "--\x01"), ("fish", "rotations", "show", "'\ud800")])
def test_it_never_complains(home: Path, words: tuple[str, ...]) -> None:
    ran = keyturn("__complete", *words)
    assert (ran.code, ran.err) == (0, "")
    assert not home.exists()


def test_names_come_from_the_store_without_opening_anything(connected: Ground, tmp_path: Path) -> None:
    connected.create(environment="prod", secretPath="/billing")
    assert offered("rotations", "show", "my") == ["my-pg-rotation"]
    assert offered("events", "--rotation", "") == ["my-pg-rotation"]
    assert offered("connections", "test", "") == ["my-pg-connection"]
    for verb in ("get", "set", "delete"):
        assert offered("secrets", verb, "POSTGRES_DB_U") == ["POSTGRES_DB_USERNAME"]
    assert offered("rotations", "move", "x", "--env", "p") == ["prod"]
    assert offered("secrets", "list", "--project", "") == ["default"]
    assert "/billing" in offered("secrets", "list", "--path", "")
    assert offered("aws-credential-process", "") == ["my-pg-rotation"]
    assert offered("rotations", "show", "nobody") == []
    code, modules = modules_after("__complete", "zsh", "rotations", "show", "")
    assert code == 0
    assert "store.names" in modules
    assert not heavy(modules, *HEAVY)


def test_a_name_in_two_places_is_offered_by_its_ids(connected: Ground) -> None:
    first = connected.create()
    users = [connected.pg.create_role(f"other_{n}", "temporary-three-9Sz") for n in (1, 2)]
    second = connected.create(environment="prod", parameters={"username1": users[0], "username2": users[1]})
    assert set(offered("rotations", "show", "")) == {first["id"], second["id"]}


def test_a_store_that_is_locked_damaged_or_elsewhere_has_no_names(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert offered("rotations", "move", "x", "--env", "p") == ["prod"]
    with sqlite3.connect(ready / "keyturn.db") as other:
        other.execute("DROP TABLE hook")
    assert offered("hooks", "show", "") == []
    (ready / "keyturn.db").write_bytes(b"no database at all" * 100)
    assert offered("rotations", "move", "x", "--env", "p") == []
    monkeypatch.setenv("KEYTURN_DATABASE_URL", "postgresql+psycopg://127.0.0.1:1/none")
    assert offered("rotations", "show", "") == []


def bash(line: str, folder: Path) -> Ran:
    """What bash itself would put in for the last word, by its own splitting of words."""
    script = f"""
        source <({sys.executable} -m app completion bash)
        cd {folder}
        COMP_LINE={line!r}
        COMP_WORDS=({line.replace("=", " = ")}); [[ $COMP_LINE == *' ' ]] && COMP_WORDS+=('')
        COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _keyturn
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    return finished(["bash", "--norc", "-c", script])


@pytest.fixture
def typed(connected: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to type in: `keyturn` is on the PATH, there is a rotation, and a file."""
    connected.create()
    places = tmp_path / "bin"
    places.mkdir()
    (places / "keyturn").write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m app "$@"\n')
    (places / "keyturn").chmod(0o755)
    monkeypatch.setenv("PATH", f"{places}:{os.environ['PATH']}")
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "body one.json").write_text("{}")
    return folder


def test_bash_completes(typed: Path) -> None:
    for line, wanted in (
        ("keyturn rota", ["rotations"]),
        ("keyturn rotations show my-", ["my-pg-rotation"]),
        ("keyturn rotations edit x --guard=wa", ["warn", "wait"]),
        ("keyturn rotations edit x --guard ", ["warn", "wait", "off"]),
        ("keyturn rotations edit x --file bo", ["body one.json"]),
        ("keyturn rotations edit x --file=bo", ["body one.json"]),
    ):
        ran = bash(line, typed)
        assert (ran.out.splitlines(), ran.code) == (wanted, 0), line
        assert "keyturn" not in ran.err


SHELLS = {
    "zsh": ("-f", "autoload -Uz compinit && compinit -u -D && source <(keyturn completion zsh)"),
    "fish": ("--no-config", "keyturn completion fish | source"),
    "bash": ("--norc", "source <(keyturn completion bash)"),
}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_at_a_tab(typed: Path, shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    flag, setup = SHELLS[shell]
    environ = {**os.environ, "PS1": "> ", "HOME": str(typed)}
    with Terminal([program, flag, "-i"], environ, columns=120) as terminal:
        terminal.send(f"cd '{typed}'; {setup}; echo re'ady'\n".encode())
        terminal.wait_for("\nready")
        terminal.send(b"echo keyturn; keyturn rotations show my-\t")
        terminal.wait_for("show my-pg-rotation")
        terminal.send(b"\x15keyturn rotations edit x --file bo\t")
        terminal.wait_for("one.json")
        assert re.search(r"--file (body\\ one|'body one).json", terminal.wait_for("one.json"))
        terminal.send(b"\x15keyturn secrets export --format sh\t")
        terminal.wait_for("--format shell")


def test_an_unknown_shell_is_a_usage_error() -> None:
    ran = keyturn("completion", "tcsh")
    assert ran.code == 2
    assert "bash" in ran.err
    assert process("completion", "fish").out.startswith("# keyturn completion for fish")
