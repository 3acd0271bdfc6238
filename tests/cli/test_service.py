"""The unit file for systemd: what is in it, that it starts this installation, and whose changes it keeps."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app.background.unit import Plan, unit_text
from tests.background.systemd import manager
from tests.cli.ground import DEADLINE, done, finished, keyturn

analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
_UNDER_THE_UNITS_RULES = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
libc.prctl(38, 1, 0, 0, 0)  # NoNewPrivileges
libc.prctl(65, 1, 0, 0, 0)  # MemoryDenyWriteExecute, as far as this kernel knows it
os.umask(0o077)
os.execv(sys.argv[1], sys.argv[1:])
"""


def lines_of(text: str, key: str) -> list[str]:
    return [value for name, _, value in (line.partition("=") for line in text.splitlines()) if name == key]


@analyze
def test_the_system_unit_pleases_systemd_and_is_hardened(home: Path, tmp_path: Path) -> None:
    ran = done("service", "install", "--system", "--print")
    assert ran.err == ""
    assert not home.exists()
    unit = tmp_path / "keyturn.service"
    unit.write_text(ran.out)
    verified = finished(["systemd-analyze", "verify", "--man=no", str(unit)])
    assert (verified.code, verified.said) == (0, "")
    # 25 is an exposure of 2.5 of 10; most services have 9 and more.
    judged = finished(["systemd-analyze", "security", "--offline=true", "--threshold=25", str(unit)])
    assert judged.code == 0, judged.out
    assert lines_of(ran.out, "LoadCredential") == ["keyturn.key:/etc/keyturn/keyturn.key"]
    assert lines_of(ran.out, "Type") == ["notify"]


@analyze
def test_odd_names_stand_in_the_unit_as_they_are(tmp_path: Path) -> None:
    odd = tmp_path / "a b 100%h $HOME"
    odd.mkdir()
    program = odd / "keyturn"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "keyturn.service"
    unit.write_text(unit_text(Plan([str(program)], [], None, 60, [odd], {"KEYTURN_HOME": str(odd)})))
    verified = finished(["systemd-analyze", "--user", "verify", "--man=no", str(unit)], XDG_RUNTIME_DIR=str(tmp_path))
    assert (verified.code, verified.said) == (0, "")
    program.unlink()
    again = finished(["systemd-analyze", "--user", "verify", "--man=no", str(unit)], XDG_RUNTIME_DIR=str(tmp_path))
    assert str(program) in again.said


def test_the_users_unit_starts_this_installation_where_it_stood(ready: Path, tmp_path: Path) -> None:
    ran = done("service", "install", "--user")
    path = Path(os.environ["HOME"]) / ".config/systemd/user/keyturn.service"
    assert str(path) in ran.out
    assert "systemctl --user enable --now keyturn" in ran.out
    text = path.read_text()
    [command] = lines_of(text, "ExecStart")
    [environment] = lines_of(text, "Environment")
    assert environment == f"KEYTURN_HOME={ready}"
    assert lines_of(text, "ReadWritePaths") == [str(ready)]
    with manager(tmp_path / "notify") as systemd:
        service = subprocess.Popen(
            [sys.executable, "-c", _UNDER_THE_UNITS_RULES, *shlex.split(command)],
            env={"NOTIFY_SOCKET": str(tmp_path / "notify"), **dict([environment.split("=", 1)])},
            cwd="/",
            stderr=subprocess.PIPE,
            text=True,
        )
        systemd.hear("READY=1")
        service.send_signal(signal.SIGTERM)
        _, log = service.communicate(timeout=DEADLINE)
    assert service.returncode == 0
    assert f"store={ready}/keyturn.db" in log


def test_a_unit_that_somebody_changed_stays(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = ("--system", "--root", str(tmp_path))
    unit, key = tmp_path / "etc/systemd/system/keyturn.service", tmp_path / "etc/keyturn/keyturn.key"
    monkeypatch.setenv("KEYTURN_DATABASE_URL", "postgresql+psycopg://me:hunter2@h/db")
    first = done("service", "install", *system, "--run-as", "rotator")
    assert f"Created the key {key}" in first.out
    assert "useradd --system" in first.out
    assert "KEYTURN_DATABASE_URL" in first.err
    assert "hunter2" not in first.said + unit.read_text()
    assert stat.S_IMODE(unit.stat().st_mode) == 0o644
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    ring = key.read_bytes()

    # Ours may become another one of ours.
    again = done("service", "install", *system)
    assert lines_of(unit.read_text(), "User") == ["keyturn"]
    assert "Created" not in again.out
    assert key.read_bytes() == ring

    theirs = unit.read_text().replace("WatchdogSec=60", "WatchdogSec=90")
    unit.write_text(theirs)
    for words in (("install",), ("uninstall",)):
        refused = keyturn("service", *words, *system)
        assert refused.code == 1
        assert str(unit) in refused.err
        assert "--force" in refused.err
        assert unit.read_text() == theirs
    done("service", "install", *system, "--force")
    assert lines_of(unit.read_text(), "WatchdogSec") == ["60"]
    assert "daemon-reload" in done("service", "uninstall", *system).out
    assert not unit.exists()
    assert key.exists()
    assert not home.exists()
    assert [path.name for path in unit.parent.iterdir()] == []


def test_what_cannot_be_is_said(home: Path, tmp_path: Path) -> None:
    assert keyturn("service", "install").code == 2
    assert keyturn("service", "install", "--user", "--system").code == 2
    assert keyturn("service", "install", "--user", "--root", str(tmp_path)).code == 2
    assert keyturn("service", "uninstall", "--user").code == 2
    (tmp_path / "etc").write_text("no folder")
    ran = keyturn("service", "install", "--system", "--root", str(tmp_path))
    assert ran.code == 1
    assert "sudo" in ran.err
    assert "Traceback" not in ran.err
