"""Settings from flags, environment and file: which wins, what is said of a mistake, and what a start costs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from app.settings import load_settings
from app.settings.__main__ import renewed
from app.settings.file import read_file
from app.settings.listing import masked, shown
from tests.cli.ground import ROOT, done, finished, keyturn, modules_after


@pytest.fixture
def file(home: Path) -> Path:
    """Where the settings file is looked for."""
    home.mkdir(mode=0o700)
    return home / "config.toml"


def rows(*words: str) -> dict[str, tuple[str, str]]:
    return {name: (value, origin) for name, value, origin in done(*words, "config", "show").lines}


def test_a_flag_wins_over_the_environment_over_the_file_over_the_default(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('log_level = "error"\nconcurrency = 8\nlog_format = "json"\ncheckup_hours = 2\n')
    monkeypatch.setenv("KEYTURN_LOG_LEVEL", "warning")
    monkeypatch.setenv("KEYTURN_CONCURRENCY", "9")
    monkeypatch.setenv("KEYTURN_PARK_SECONDS", "")  # as good as not set
    seen = shown(os.environ, read_file(os.environ), {"log_level": "debug", "concurrency": None})
    assert {row.name: (row.value, row.origin) for row in seen if row.origin != "default"} == {
        "log_level": ("debug", "--log-level"),
        "concurrency": (9, "KEYTURN_CONCURRENCY"),
        "log_format": ("json", f"{file}:3"),
        "checkup_hours": (2, f"{file}:4"),
    }
    assert {row.name: row.value for row in seen}["park_seconds"] == 20
    told = rows()
    assert told["log_level"] == ("warning", "KEYTURN_LOG_LEVEL")
    assert told["metrics_public"] == ("false", "default")
    document = done("config", "show", "--json").json
    assert document["file"] == {"path": str(file), "exists": True}
    assert {"name": "concurrency", "value": 9, "origin": "KEYTURN_CONCURRENCY"} in document["settings"]
    assert document["warnings"] == []


def test_another_file_can_be_named_and_must_be_there(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file.write_text("concurrency = 2")
    other = tmp_path / "other.toml"
    other.write_text(f'database_url = "sqlite:///{tmp_path}/elsewhere.db"\nkey_file = "{tmp_path}/own.key"\n')
    assert rows("--config", str(other))["concurrency"] == ("4", "default")
    assert rows("--config", "other.toml")["database_url"][1] == f"{other}:1"
    assert "elsewhere.db" in done("--config", str(other), "connections", "list").err
    assert (tmp_path / "own.key").exists()
    ran = done("--config", str(other), "run", "--help")
    assert "usage: keyturn run" in ran.out
    assert "KEYTURN_CONFIG" not in os.environ
    missing = keyturn("--config", str(tmp_path / "none.toml"), "secrets", "list")
    assert missing.code == 2
    assert "none.toml" in missing.err
    assert "--config" in missing.err


def test_a_key_that_nobody_knows_is_named_with_the_nearest(file: Path) -> None:
    file.write_text('[ui]\ntheme = "keyturn-dark"\n')
    told = rows()
    assert told["ui.theme"] == ("keyturn-dark", f"{file}:2")
    assert told["ui.zone"] == ("local", "default")
    assert done("config", "show").err == ""
    file.write_text('[ui]\ntheme = "pink"\nzome = "UTC"\n')
    assert rows()["ui.theme"] == ("auto", "default")
    ran = done("config", "show")
    assert f"{file}:2: theme: must be one of" in ran.err
    assert "Did you mean ui.zone?" in ran.err
    file.write_text('log_fromat = "json"\n')
    ran = done("config", "show")
    assert f"{file}:1" in ran.err
    assert "'log_fromat'" in ran.err
    assert "Did you mean log_format?" in ran.err
    assert done("config", "show", "--json").json["warnings"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a = 1\nb = [1,\nc\n", ["line 3, column 1"]),
        ('log_level = "debug', ["line 1, column 19"]),
        ("concurrency = 4\nconcurrency = 5\n", ["line 2, column"]),
        ('lease_seconds = "soon"', ["lease_seconds", ":1", "text", "a number from 0.5 to 3600"]),
        ("\nlease_seconds = 0.1", ["lease_seconds", ":2", "0.1", "a number from 0.5 to 3600"]),
        ("lease_seconds = nan", ["lease_seconds", "a number from 0.5 to 3600"]),
        ("database_url = 5432", ["database_url", "a whole number", "it must be text"]),
        ("key_file = []", ["key_file", "a list", "it must be text"]),
    ],
)
def test_a_broken_file_stops_every_command_and_says_where(file: Path, text: str, parts: list[str]) -> None:
    file.write_text(text)
    for words in (("secrets", "list"), ("config", "show")):
        ran = keyturn(*words)
        assert ran.code == 2
        assert str(file) in ran.err
        assert [part for part in parts if part not in ran.err] == []
        assert ran.out == ""
    assert sorted(path.name for path in file.parent.iterdir()) == ["config.toml"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("concurrency = true", ["true or false (true)", "a whole number from 1 to 64"]),
        ("concurrency = 4.0", ["a number (4.0)", "a whole number from 1 to 64"]),
        ('metrics_public = "yes"', ["text", "it must be true or false"]),
        ('log_format = "xml"', ["one of text, json"]),
        ('metrics_address = "9187"', ["HOST:PORT"]),
        ('metrics_address = "::1:9187"', ["HOST:PORT"]),
        ('metrics_address = "localhost:99999"', ["HOST:PORT"]),
        ("concurrency = 0\nlog_level = 1979-05-27", ["concurrency", "log_level", "date"]),
    ],
)
def test_a_setting_of_the_loop_must_make_sense(file: Path, text: str, parts: list[str]) -> None:
    file.write_text(text)
    ran = keyturn("config", "show")
    assert ran.code == 2
    assert [part for part in parts if part not in ran.err] == []
    assert keyturn("--run-scheduler", "--once").code == 2
    # Who only reads a secret is not stopped by what the loop alone needs.
    assert keyturn("secrets", "list").code == 0


def test_a_file_that_is_none_is_said(file: Path) -> None:
    file.write_bytes(b'log_level = "info"\n# caf\xe9\n')
    assert "line 2, column 6" in keyturn("config", "show").err
    file.unlink()
    file.mkdir()
    ran = keyturn("secrets", "list")
    assert ran.code == 2
    assert "cannot be read" in ran.err


def test_no_password_of_an_address_is_shown(file: Path) -> None:
    hidden = "hunter2"
    file.write_text(f'database_url = "postgresql+psycopg://me:{hidden}@h/db?sslpassword={hidden}&x=1"')
    file.chmod(0o644)
    ran = done("config", "show")
    assert hidden not in ran.said
    assert "postgresql+psycopg://me:***@h/db?sslpassword=***&x=1" in ran.out
    assert f"chmod 600 {file}" in ran.err
    file.chmod(0o600)
    assert done("config", "show").err == ""
    assert masked(f"postgresql://me:p@{hidden}@h/db") == "postgresql://me:***@h/db"
    assert masked("sqlite:////a/b@c.db") == "sqlite:////a/b@c.db"
    file.write_text(f'database_url = ["postgresql://me:{hidden}@h/db"]')
    wrong = keyturn("config", "show")
    assert wrong.code == 2
    assert hidden not in wrong.said


def test_settings_are_read_without_pydantic(file: Path) -> None:
    code, modules = modules_after("run", "--help")
    assert code == 0
    assert "app.settings.loading" not in modules
    script = "import os, sys; from app.settings import load_settings; load_settings(os.environ); print(*sys.modules)"

    assert "tomllib" not in finished([sys.executable, "-c", script]).out.split()
    file.write_text('database_url = "sqlite:///x.db"\n[ui]\ntheme = "dark"\n')
    after = finished([sys.executable, "-c", script], KEYTURN_LOG_LEVEL="debug").out.split()
    assert "tomllib" in after
    assert "pydantic" not in after


def test_the_page_about_settings_shows_what_is_declared() -> None:
    page = (ROOT / "docs" / "settings.md").read_text("utf-8")
    assert renewed(page) == page, "docs/settings.md is out of date: run `make docs`"


def test_flags_and_variables_are_read_as_numbers(home: Path) -> None:
    assert load_settings({"KEYTURN_HOME": str(home), "KEYTURN_LEASE_SECONDS": "2.5"}).lease_seconds == 2.5
