"""The engine's ground, with receivers to tell."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.notify.receiver import Receiver
from tests.rotation.conftest import _model_is_installed, clock, ground, service, world

__all__ = ["_model_is_installed", "clock", "ground", "service", "world"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made
