"""A rotation type from another distribution: found, used from the command line, and tried out like ours."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from providers import registry
from tests.cli.ground import ROOT, process
from tests.conformance.bench import CONNECTION, NAME
from tests.conformance.conftest import EXAMPLE
from tests.conformance.example.keybox_subject import KeyboxStand, stand

TYPE = "keybox-key"


def test_an_installed_distribution_is_found(installed: Path) -> None:
    assert next(installed.glob("keyturn_keybox-*.dist-info/entry_points.txt")).is_file()
    assert TYPE in registry.provider_types()
    assert "keybox" in registry.connection_app_names()
    assert registry.provider(TYPE).app == "keybox"


def test_without_it_nothing_is() -> None:
    with pytest.raises(registry.UnknownType):
        registry.provider(TYPE)


async def test_it_works_from_the_command_line(installed: Path, home: Path, request: pytest.FixtureRequest) -> None:
    """In processes of their own, which know of it by its .dist-info alone."""
    async with stand(request) as keybox:
        connection = {"name": CONNECTION, "method": keybox.method, "credentials": keybox.credentials}
        run("connections", "add", "keybox", "--file", "-", stdin=json.dumps(connection))
        run("rotations", "create", TYPE, "--file", "-", stdin=json.dumps(body(keybox)))
        assert keybox_keys(keybox) == 1
        run("rotations", "rotate", NAME)
        assert keybox_keys(keybox) == 2
        assert run("rotations", "check", NAME).count("logs in") == 2


def body(keybox: KeyboxStand) -> dict[str, object]:
    return {
        "name": NAME,
        "projectId": "default",
        "connectionId": CONNECTION,
        "environment": "dev",
        "secretPath": "/",
        "rotationInterval": 30,
        "parameters": keybox.parameters,
        "secretsMapping": {"keyId": "KEYBOX_KEY_ID", "key": "KEYBOX_KEY"},
    }


def keybox_keys(keybox: KeyboxStand) -> int:
    return len(keybox.strays([]))


def run(*words: str, stdin: str = "") -> str:
    ran = process(*words, stdin=stdin)
    assert ran.code == 0, ran.said
    return ran.out


def test_a_stranger_runs_the_suite_on_a_subject_of_his_own(installed: Path, tmp_path: Path) -> None:
    """As docs/providers.md says. The subject lies outside our tree."""
    shutil.copy(EXAMPLE / "keybox_subject.py", tmp_path / "my_subject.py")
    words = ["tests/conformance", "--subject", "my_subject:SUBJECT", "-k", "until_it_is_revoked or take_turns"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "-q", "-p", "no:cacheprovider", "-n", "0"],
        cwd=ROOT,
        env={"PATH": "", "PYTHONPATH": f"{installed}:{tmp_path}", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    assert "2 passed" in ran.stdout
