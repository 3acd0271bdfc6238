"""The API in this process, over an empty store; and with a database to rotate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.ground import Api, opened
from tests.cli.conftest import connected, fresh_home, ground, ready

__all__ = ["connected", "fresh_home", "ground", "ready"]


@pytest.fixture
async def api(ready: Path) -> AsyncIterator[Api]:
    async with opened() as opened_api:
        yield opened_api
