"""The short way to published values: what it imports, and that it says the same as the service."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.cli.ground import ROOT, Ground, keyturn, modules_after, process

LONG_WAY = {"sqlalchemy", "sqlmodel", "pydantic", "asyncio", "app.service"}


def test_reading_commands_import_no_database_toolkit(connected: Ground) -> None:
    connected.create()
    for words in (("secrets", "get", "POSTGRES_DB_USERNAME"), ("secrets", "export")):
        code, modules = modules_after(*words)
        assert code == 0
        assert not modules & LONG_WAY


def test_running_a_program_imports_no_database_toolkit(ready: Path) -> None:
    # It looks at what is imported at the moment when the program takes over.
    script = (
        "import os, sys\n"
        "def take_over(*_): print(' '.join(sys.modules), flush=True); os._exit(0)\n"
        "os.execvpe = take_over\n"
        "from app.cli import main\nmain(['run', '--', 'true'])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    modules = set(ran.stdout.split())
    assert "store.published" in modules
    assert not modules & LONG_WAY


def test_what_is_wrong_is_said_in_the_services_words(connected: Ground, ready: Path) -> None:
    connected.create()
    unknown = keyturn("run", "--path", "/nonsense", "--", "true")
    assert unknown.code == 3
    assert "There is no folder /nonsense" in unknown.err
    (ready / "keyturn.key").rename(ready / "elsewhere")
    for words in (("run", "--", "true"), ("secrets", "get", "POSTGRES_DB_USERNAME"), ("secrets", "export")):
        ran = keyturn(*words)
        assert (ran.code, ran.out) == (1, "")
        assert "its key is missing" in ran.err


def test_a_first_start_is_made_as_by_any_other_command(home: Path) -> None:
    ran = process("run", "--", "echo", "started")
    assert (ran.code, ran.out) == (0, "started\n")
    assert str(home / "keyturn.key") in ran.err
