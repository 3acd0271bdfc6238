"""Stores to test on: every test that asks for `store` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest
from sqlalchemy.engine import URL

from store.database import Store, open_store
from store.keyring import KeyPlaces
from tests.conftest import Database
from tests.store.ground import Ids, now


class Opener(Protocol):
    def __call__(self, url: str, *, key: KeyPlaces | None = None, busy_timeout: float = 10.0) -> Store: ...


def postgresql_url(pg: Database) -> str:
    url = URL.create("postgresql+psycopg", pg.admin_user, pg.admin_password, pg.host, pg.port, pg.database)
    return url.render_as_string(hide_password=False)


@pytest.fixture
def home_directory(tmp_path: Path) -> Path:
    """Does not exist yet."""
    return tmp_path / "keyturn"


@pytest.fixture
def places(home_directory: Path) -> KeyPlaces:
    return KeyPlaces(home_directory / "keyturn.key")


@pytest.fixture
def sqlite_url(home_directory: Path) -> str:
    return f"sqlite:///{home_directory / 'keyturn.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """The address of an empty database, on either kind."""
    if request.param == "sqlite":
        found: str = request.getfixturevalue("sqlite_url")
        return found
    return postgresql_url(request.getfixturevalue("pg"))


@pytest.fixture
def opener(places: KeyPlaces) -> Iterator[Opener]:
    """Opens stores and closes them after the test."""
    with ExitStack() as stack:

        def open_one(url: str, *, key: KeyPlaces | None = None, busy_timeout: float = 10.0) -> Store:
            store = open_store(url, key=key or places, now=now, new_id=Ids(), busy_timeout=busy_timeout)
            stack.callback(store.close)
            return store

        yield open_one


@pytest.fixture
def store(url: str, opener: Opener) -> Store:
    return opener(url)


@pytest.fixture
def sqlite_store(sqlite_url: str, opener: Opener) -> Store:
    return opener(sqlite_url)
