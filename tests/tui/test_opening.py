"""A store that cannot be opened: a page that says what happened and what to do, and exit code 1."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from app.service import open_service
from app.tui import KeyturnApp
from store.database import Store
from store.errors import StoreUnavailable
from tests.tui.ground import settings_here, until, walking
from tests.variants import few

pytestmark = pytest.mark.usefixtures("home")


def other_key(home: Path) -> None:
    lines = (home / "keyturn.key").read_text()
    (home / "keyturn.key").unlink()
    database = home / "keyturn.db"
    database.rename(home / "kept.db")
    _create()
    (home / "kept.db").replace(database)
    assert (home / "keyturn.key").read_text() != lines


def no_key(home: Path) -> None:
    (home / "keyturn.key").unlink()


def newer(home: Path) -> None:
    with sqlite3.connect(home / "keyturn.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999_from_the_future'")
    connection.close()


def no_database(home: Path) -> None:
    for name in ("keyturn.db-wal", "keyturn.db-shm"):
        (home / name).unlink(missing_ok=True)
    (home / "keyturn.db").write_bytes(b"this is [/] no database at all, " * 40)


def world_readable_key(home: Path) -> None:
    (home / "keyturn.key").chmod(0o644)


def _create() -> None:
    service = open_service(settings_here(), "cli:anna")
    asyncio.run(service.aclose())


CASES: list[tuple[Callable[[Path], None], str]] = [
    (other_key, "key"),
    (no_key, "key"),
    (newer, "written by a later version of Keyturn"),
    (no_database, "is not a Keyturn store"),
    (world_readable_key, "Other users can read the key file"),
]


@pytest.mark.parametrize("size", few([(80, 24), (40, 10)]))
@pytest.mark.parametrize(("spoil", "word"), CASES, ids=[case[0].__name__ for case in CASES])
def test_it_says_what_happened_and_leaves_with_one(
    home: Path, spoil: Callable[[Path], None], word: str, size: tuple[int, int]
) -> None:
    _create()
    spoil(home)

    async def walk_in() -> int | None:
        app = KeyturnApp(settings_here())
        async with walking(size, app=app, until_open=False) as walk:
            await walk.reaches("MessageScreen")
            await walk.sees("The store cannot be opened", "Any key leaves.")
            if size == (80, 24):
                assert walk.reads(word), walk.text
            await walk.press("end", "home", "x")
            await until(lambda: not app.is_running, "the end")
        return app.return_code

    assert asyncio.run(walk_in()) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes where it likes")
def test_a_directory_without_permission_is_named(home: Path) -> None:
    home.mkdir(mode=0o500)

    async def walk_in() -> int | None:
        app = KeyturnApp(settings_here())
        async with walking(app=app, until_open=False) as walk:
            await walk.reaches("MessageScreen")
            assert walk.reads(str(home)[-20:])
            await walk.press("x")
            await until(lambda: not app.is_running, "the end")
        return app.return_code

    assert asyncio.run(walk_in()) == 1


async def test_a_store_that_goes_away_is_told_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async with walking() as walk:
        await walk.sees("No rotations yet.")
        assert walk.app.desk is not None
        read = Store.read
        trouble = StoreUnavailable("The store [/] is locked.", remedy="Wait.")

        def refuse(store: Store, fn: object) -> object:
            raise trouble

        monkeypatch.setattr(Store, "read", refuse)
        walk.app.desk.refresh()
        await walk.sees("store not readable", "The store [/] is locked. Wait.")
        monkeypatch.setattr(Store, "read", read)
        await walk.sees_not("store not readable", "is locked")
        await walk.sees("No rotations yet.")


async def test_who_leaves_before_the_store_is_open_is_told_of_no_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    app = KeyturnApp(settings_here(), first_start_notice=False)
    close_screens = app._close_all

    async def too_late() -> None:
        app.post_message(app.Opened(open_service(settings_here(), "tui:anna")))
        await until(lambda: app.desk, "the store")
        await close_screens()

    monkeypatch.setattr(app, "_start_opening", lambda: None)
    monkeypatch.setattr(app, "_close_all", too_late)
    async with walking(app=app, until_open=False):
        pass
    assert app.return_code is None
