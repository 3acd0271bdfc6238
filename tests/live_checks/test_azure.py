"""The live checks against the stand-in for Entra and Graph: what they see, and what they leave behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.demo.entra_tenant import concurrent
from app.live_checks.command import main
from app.live_checks.findings import Pace
from tests.cli.ground import done
from tests.entra import Standing, standing

PACE = Pace(pause=0.01, limit=10.0, lag=0.0, afterwards=2)
CONNECTION = "my-entra"


@pytest.fixture
def connected(home: Path) -> Iterator[Standing]:
    for entra in standing():
        body = {"name": CONNECTION, "method": "client-secret", "credentials": entra.credentials()}
        done("connections", "add", "azure-client-secrets", "--file", "-", stdin=json.dumps(body))
        yield entra


def test_without_being_asked_it_changes_nothing(connected: Standing, capsys: pytest.CaptureFixture[str]) -> None:
    before = connected.key_ids(), connected.key_ids(connected.keyturn)
    assert main([CONNECTION, "--application", connected.billing.id], PACE) == 0, capsys.readouterr().out
    assert {request.method for request in connected.entra.requests if "/v1.0/" in request.path} == {"GET"}
    assert (connected.key_ids(), connected.key_ids(connected.keyturn)) == before
    said = capsys.readouterr().out
    assert "0 not as expected" in said
    assert connected.secret.text not in said


def test_the_secrets_that_it_makes_are_measured_and_removed(
    connected: Standing, capsys: pytest.CaptureFixture[str]
) -> None:
    connected.entra.tenant.refusals = 2
    connected.entra.tenant.fail("addPassword", concurrent())
    assert main([CONNECTION, "--application", connected.billing.id, "--write"], PACE) == 0, capsys.readouterr().out
    assert connected.key_ids() == [connected.foreign.key_id]
    said = capsys.readouterr().out
    assert "0 relapses in 5 tries" in said
    assert "2 of 2 made" in said
