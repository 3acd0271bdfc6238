"""The live checks against the stand-in for AWS: what they see, and what they leave behind."""

from __future__ import annotations

import json
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from app.live_checks.command import main
from app.live_checks.findings import Pace
from tests.cli.ground import done, until
from tests.standins.iam import Aws

PACE = Pace(pause=0.01, limit=10.0, lag=0.0, afterwards=2)
CONNECTION = "my-aws-connection"


@pytest.fixture
def connected(home: Path, aws: Aws) -> Aws:
    done("connections", "add", "aws", "--file", "-", stdin=json.dumps(aws.connection_body))
    return aws


def test_without_being_asked_it_changes_nothing(connected: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    connected.account.create_key(connected.user)
    before = connected.account.keys(connected.user), connected.account.keys(connected.admin)
    connected.account.calls()
    assert main([CONNECTION, "--user", connected.user], PACE) == 0, capsys.readouterr().out
    assert not [name for name in connected.account.calls() if name.startswith(("Create", "Update", "Delete", "Put"))]
    assert (connected.account.keys(connected.user), connected.account.keys(connected.admin)) == before
    said = capsys.readouterr().out
    assert "0 not as expected" in said
    assert connected.login.secret not in said


def test_the_key_that_it_makes_is_measured_and_removed(connected: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    own = connected.account.create_key(connected.user)
    connected.account.lag(2)
    assert main([CONNECTION, "--user", connected.user, "--write"], PACE) == 0, capsys.readouterr().out
    assert list(connected.account.keys(connected.user)) == [own.key_id]
    assert "0 relapses in 5 tries" in capsys.readouterr().out


def test_what_differs_ends_it_with_1_and_without_the_key(connected: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """The deletion fails once: what was made is removed at the end all the same, and nothing else is."""
    connected.account.fault("DeleteAccessKey", "deny")
    assert main([CONNECTION, "--user", connected.user, "--write"], PACE) == 1
    assert connected.account.keys(connected.user) == {}
    assert "DIFFERS" in capsys.readouterr().out


def test_told_to_stop_it_removes_the_key_first(connected: Aws) -> None:
    connected.account.lag(1_000_000)

    def stop() -> None:
        until(lambda: connected.account.keys(connected.user) != {})
        os.kill(os.getpid(), signal.SIGTERM)

    stopping = threading.Thread(target=stop)
    stopping.start()
    assert main([CONNECTION, "--user", connected.user, "--write"], replace(PACE, limit=60.0)) == 143
    stopping.join()
    assert connected.account.keys(connected.user) == {}


def test_the_key_goes_also_when_nobody_reads_any_more(connected: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    connected.account.lag(30)  # the reader is gone before there is more to say
    reading, writing = os.pipe()

    def read_until_it_is_made() -> None:
        with os.fdopen(reading) as lines:
            next(line for line in lines if "it is removed at the end" in line)

    reader = threading.Thread(target=read_until_it_is_made)
    reader.start()
    with os.fdopen(writing, "w") as stdout:
        monkeypatch.setattr("sys.stdout", stdout)
        assert main([CONNECTION, "--user", connected.user, "--write"], PACE) == 141
    reader.join()
    assert connected.account.keys(connected.user) == {}


def test_a_full_user_is_left_alone(connected: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    own = {connected.account.create_key(connected.user).key_id for _ in range(2)}
    assert main([CONNECTION, "--user", connected.user, "--write"], PACE) == 1
    assert set(connected.account.keys(connected.user)) == own
    assert "AWS allows 2" in capsys.readouterr().out


def test_nobody_is_looked_at_without_being_named(connected: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([CONNECTION, "--write"], PACE)
    assert main([CONNECTION, "--application", "x"], PACE) == 2
    assert main(["nobody", "--user", "x"], PACE) == 3
    assert "needs --user" in capsys.readouterr().err
