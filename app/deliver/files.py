"""Putting a file in its place: all of it or nothing, with its rights before anybody can open it.

The folder is locked meanwhile, so that two of us do not write, and tell its program, twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.errors import KeyturnError

LARGEST = 1 << 20
"""Bytes; what is longer is no file that we wrote."""
_PATIENCE = 5.0


@dataclass(frozen=True)
class Rights:
    """`owner` is (user id, group id); None leaves it to whoever writes."""

    mode: int
    owner: tuple[int, int] | None = None


@dataclass(frozen=True)
class Found:
    """What stands there now."""

    content: bytes
    rights: Rights

    def fits(self, content: bytes, rights: Rights) -> bool:
        return (
            self.content == content
            and self.rights.mode == rights.mode
            and (rights.owner is None or self.rights.owner == rights.owner)
        )


class FileTrouble(KeyturnError):
    """The file cannot be read or written; what stood there stands there still."""


def stamp(path: Path) -> object:
    """Something else as soon as somebody changed the file, or put another one in its place."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_mode


@contextlib.contextmanager
def folder_of(path: Path) -> Iterator[int]:
    """The folder of a file, locked. Raises FileTrouble."""
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        raise FileTrouble(f"There is no folder {path.parent}.", remedy=f"Create it: mkdir -p {path.parent}") from None
    except OSError as error:
        raise _trouble(path, error) from None
    try:
        _lock(folder, path)
        yield folder
    finally:
        os.close(folder)


def read(path: Path, folder: int) -> Found | None:
    """What stands there; None for nothing. Raises FileTrouble for what is no plain file."""
    try:
        handle = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        _refuse_other_things(path)
        raise _trouble(path, error, "read") from None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            _refuse_other_things(path)
            raise FileTrouble(f"{path} is no plain file.", remedy="Name another file.")
        content = _all_of(handle)
    except OSError as error:
        raise _trouble(path, error, "read") from None
    finally:
        os.close(handle)
    if len(content) > LARGEST:
        raise FileTrouble(f"{path} is larger than {LARGEST >> 20} MiB: Keyturn wrote nothing like it.")
    return Found(content, Rights(stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid)))


def write(path: Path, folder: int, content: bytes, rights: Rights) -> None:
    """Replace the file at once and safe on disk. Raises FileTrouble, and nothing has changed then."""
    draft = f".{path.name}.keyturn-{secrets.token_hex(4)}"
    remove_drafts(path, folder)
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
        try:
            with open(handle, "wb") as file:  # noqa: PTH123 - relative to the locked folder, which no Path can be
                if rights.owner is not None:
                    os.fchown(handle, *rights.owner)
                os.fchmod(handle, rights.mode)
                file.write(content)
                file.flush()
                os.fsync(handle)
            os.rename(draft, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(draft, dir_fd=folder)
            raise
        os.fsync(folder)
    except OSError as error:
        raise _trouble(path, error) from None


def remove_drafts(path: Path, folder: int) -> None:
    """Of one that was killed: they may hold secrets. Nobody else writes while the folder is locked."""
    for entry in os.listdir(folder):
        if entry.startswith(f".{path.name}.keyturn-"):
            with contextlib.suppress(OSError):
                os.unlink(entry, dir_fd=folder)


def _all_of(handle: int) -> bytes:
    """As far as it is not too long."""
    parts: list[bytes] = []
    while sum(len(part) for part in parts) <= LARGEST and (part := os.read(handle, LARGEST)):
        parts.append(part)
    return b"".join(parts)


def _lock(folder: int, path: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise FileTrouble(f"Somebody else holds the folder {path.parent}.") from None
            time.sleep(0.01)
        except OSError:
            return  # a file system without locks: two of us may write the same twice


def _refuse_other_things(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.is_symlink():
            raise FileTrouble(
                f"{path} is a symbolic link to {path.readlink()}, and is not followed.",
                remedy="Name the file itself, or remove the link.",
            )
        if path.is_dir():
            raise FileTrouble(f"{path} is a directory.", remedy="Name a file in it.")


def _trouble(path: Path, error: OSError, what: str = "written") -> FileTrouble:
    _refuse_other_things(path)
    if isinstance(error, PermissionError):
        remedy = "Let this user write to its folder. Only root may give a file to another user."
    elif isinstance(error, FileNotFoundError):
        remedy = f"Create its folder: mkdir -p {path.parent}"
    else:
        remedy = "What stood there stands there still. Make room, or name another file."
    return FileTrouble(f"{path} cannot be {what}: {error.strerror or 'the system refused'}.", remedy=remedy)
