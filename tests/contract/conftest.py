"""One store and one database for all bodies that are refused: nothing may change there, so nothing has to be new."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from tests.cli.conftest import connected, fresh_home, ground, ready
from tests.cli.ground import Ground, make_ground
from tests.conftest import Database, ServerPool

__all__ = ["connected", "fresh_home", "ground", "ready"]


@pytest.fixture(scope="package")
def _untouched_ground(pg_servers: ServerPool) -> Iterator[Ground]:
    suffix = secrets.token_hex(4)
    database = Database(pg_servers.get("18"), f"test_{suffix}", suffix)
    with database.server.connect() as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database.database)))
    yield make_ground(database)
    database.drop()


@pytest.fixture(scope="package")
def _untouched_home(_untouched_ground: Ground, fresh_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("untouched") / "keyturn"
    shutil.copytree(fresh_home, home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEYTURN_HOME", str(home))
        _untouched_ground.connect()
    return home


@pytest.fixture
def untouched(_untouched_ground: Ground, _untouched_home: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    """A store with the connection and no rotation, shared by tests that must leave it so."""
    monkeypatch.setenv("KEYTURN_HOME", str(_untouched_home))
    return _untouched_ground
