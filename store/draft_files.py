"""Files that are being written beside the one that they will become.

Whoever writes one holds a lock on it, so that what a killed process left can be told from what is under way.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a file; these go first, so that none is left without its file."""


@contextmanager
def beside(file: Path) -> Iterator[Path]:
    """An empty file of ours alone in the same folder, gone afterwards unless it was moved."""
    remove_left(file)
    draft, handle = _made(file)
    try:
        yield draft
    finally:
        _remove(draft)
        os.close(handle)


def remove_left(file: Path) -> None:
    """What killed processes left beside a file, or beside what was kept of it. Nothing else, and never an error."""
    ours = re.compile(re.escape(f".{file.name}.") + r"(before-restore-[0-9TZ-]+\.)?[0-9a-f]{16}")
    with suppress(OSError):
        for name in [entry.name for entry in os.scandir(file.parent) if ours.fullmatch(entry.name)]:
            with suppress(OSError):
                _remove_if_left(file.with_name(name), file)


def _made(file: Path) -> tuple[Path, int]:
    while True:
        draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with suppress(OSError):  # a file system without locks: there nothing that is left is removed, either
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return draft, handle
        os.close(handle)  # somebody took it for what was left, just before it was locked


def _remove_if_left(draft: Path, file: Path) -> None:
    found = draft.lstat()
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        return
    if file.exists() and file.samefile(draft):
        # It has its name already. Not to be opened: closing it would end the locks of whoever uses the store here.
        draft.unlink()
        return
    handle = os.open(draft, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(draft)
    finally:
        os.close(handle)


def _remove(draft: Path) -> None:
    for ending in (*_BESIDE, ""):
        draft.with_name(draft.name + ending).unlink(missing_ok=True)
