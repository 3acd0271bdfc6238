"""A store that is ready, so that no test pays for a first start it isn't about."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.ground import Ground, make_ground, with_service
from tests.conftest import Database


@pytest.fixture(autouse=True)
def _heed_signals() -> Iterator[None]:
    """A test run in the background of a shell, or under nohup, would pass on to its processes that they are ignored."""
    ignored = [number for number in (signal.SIGINT, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(scope="session")
def fresh_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home after its first start. Copy it."""
    path = tmp_path_factory.mktemp("fresh") / "keyturn"
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("KEYTURN_"):
                patch.delenv(name)
        patch.setenv("KEYTURN_HOME", str(path))
        with_service(lambda service: None)
    return path


@pytest.fixture
def ready(home: Path, fresh_home: Path) -> Path:
    """KEYTURN_HOME with an empty store."""
    shutil.copytree(fresh_home, home)
    return home


@pytest.fixture
def ground(ready: Path, pg: Database) -> Ground:
    """An empty store, a database and two users."""
    return make_ground(pg)


@pytest.fixture
def connected(ground: Ground) -> Ground:
    """The same with the connection."""
    ground.connect()
    return ground
