"""The ground of the engine's tests: a service on a store of its own, the model of a target, a clock that is set."""

from __future__ import annotations

from pathlib import Path

import pytest

import providers.registry
from tests.cli.conftest import fresh_home, ready
from tests.cli.ground import Ground, make_ground
from tests.conftest import Database
from tests.rotation.conftest import clock, ground, service, world
from tests.rotation.model import entry_points_of_the_model

__all__ = ["clock", "fresh_home", "ground", "ready", "service", "world"]


@pytest.fixture(autouse=True)
def _model_is_installed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    real = providers.registry._registered
    monkeypatch.setattr(
        providers.registry, "_registered", lambda group: {**real(group), **entry_points_of_the_model(group)}
    )


@pytest.fixture
def real(ready: Path, pg: Database) -> Ground:
    """What real processes rotate: two users of a real server, the connection in place."""
    made = make_ground(pg)
    made.connect()
    return made
