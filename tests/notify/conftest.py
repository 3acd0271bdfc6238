"""The engine's ground, with receivers to tell, on either kind of store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.notify.ground import Ground
from tests.notify.receiver import Receiver
from tests.rotation.conftest import Clock, _model_is_installed, clock, service, world
from tests.rotation.model import World
from tests.store.conftest import postgresql_url

__all__ = ["_model_is_installed", "clock", "ground", "service", "world"]


@pytest.fixture
def kind_of_store() -> str:
    """`tests.notify.ground.on_both_stores` asks for the other one, too."""
    return "sqlite"


@pytest.fixture
async def ground(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, world: World, kind_of_store: str
) -> AsyncIterator[Ground]:
    shared = kind_of_store == "postgresql"
    environ = {"KEYTURN_DATABASE_URL": postgresql_url(request.getfixturevalue("pg"))} if shared else {}
    made = Ground(tmp_path / "home", clock, world, environ=environ)
    yield made
    for opened in made.services:
        await opened.aclose()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made
