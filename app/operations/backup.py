"""A copy of everything in one file, still sealed, and putting it back."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from app.errors import KeyturnError, NotFound, UsageError
from app.operations.context import Context
from app.rotation.surroundings import new_id
from store import backup, draft_files, engines, events, restore
from store.errors import StoreError
from store.keyring import KeyPlaces, make_private_directory

ACTION = "back-up-store"


@dataclass(frozen=True)
class BackedUp:
    """`key`: where the key is, which the file does not hold."""

    file: str
    bytes: int
    store: str
    key: str


def back_up(context: Context, file: Path, *, overwrite: bool) -> BackedUp:
    """One moment of the store while others work on. Raises UsageError, KeyturnError, StoreError."""
    store, target = context.store, file.absolute()
    if target.is_dir():
        raise UsageError(f"{file} is a folder; a backup is one file.")
    if _same(target, Path(store.location)):
        raise UsageError(f"{file} is the store itself; a backup needs a name of its own.")
    try:
        backup.write(store, target, overwrite=overwrite)
    except FileExistsError:
        raise UsageError(f"{file} is there already.", remedy="Take another name, or replace it: --force") from None
    except OSError as error:
        raise KeyturnError(
            f"{file} cannot be written: {error.strerror}. Nothing was left there.",
            remedy="Its folder must exist, be writable for this user, and have room.",
        ) from None

    store.write(
        lambda tx: events.append(
            tx,
            at=context.clock(),
            actor=context.actor,
            action=ACTION,
            result="success",
            subject=target.name,
            message=f"A backup was written to {target}.",
        )
    )
    return BackedUp(str(target), target.stat().st_size, store.location, store.key_source.text)


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def refuse_absent(url: str) -> None:
    """A backup of a store that is not there would be made of an empty one. Raises NotFound."""
    file = engines.file_of(url)
    if file is not None and not file.exists():
        raise NotFound(
            f"There is no store at {file}, so there is nothing to back up.",
            remedy="If it is elsewhere: set KEYTURN_HOME or KEYTURN_DATABASE_URL.",
        )


@dataclass(frozen=True)
class Store:
    """Where the present store is, whatever its state, and what opens it."""

    url: str
    data_dir: Path
    key: KeyPlaces = field(repr=False)


@dataclass(frozen=True)
class Ready:
    """A backup that was checked and can be put in place. `kept`: where what is there now will be kept."""

    contents: restore.Contents
    location: str
    kept: Path
    put_in_place: Callable[[], bool]
    """False when there was nothing to be kept. Raises StoreInUse, StoreError."""


@contextmanager
def ready(present: Store, file: Path, *, clock: Callable[[], datetime], actor: str) -> Iterator[Ready]:
    """All checks, on a copy; the present store is not touched before `put_in_place`. Raises NotFound, StoreError."""
    if not file.is_file():
        raise NotFound(f"There is no backup {file}." if not file.exists() else f"{file} is no file.")
    live, source = engines.file_of(present.url), random.SystemRandom()
    home = live or present.data_dir / "keyturn.db"
    kept = _free_name(home, clock())
    try:
        restore.check(file, present.key)
        make_private_directory(home.parent)
        with draft_files.beside(home) as draft:
            contents = restore.make_ready(
                file, draft, present.key, now=clock, new_id=lambda: new_id(source), actor=actor
            )
            backup.sync(draft)

            def put_in_place() -> bool:
                if live is not None:
                    return restore.into_file(draft, live, kept)
                return restore.into_server(draft, present.url, kept)

            yield Ready(contents, engines.location_of(engines.parse_url(present.url)), kept, put_in_place)
    except OSError as error:
        what = error.filename or file
        raise StoreError(
            f"{what}: {error.strerror}. The store is as it was.",
            remedy=f"This user must be able to read the backup, and to write to {home.parent}.",
        ) from None


def _free_name(home: Path, now: datetime) -> Path:
    """Nothing that was kept before is lost."""
    stem = f"{home.name}.before-restore-{now:%Y%m%dT%H%M%SZ}"
    names = (home.with_name(stem if n == 1 else f"{stem}-{n}") for n in range(1, 1000))
    return next(name for name in names if not os.path.lexists(name))
