"""Where the key ring comes from, and the file it is kept in.

Searched in this order, the first hit wins: an explicit key file; the systemd credential `keyturn.key`; the
environment variable KEYTURN_KEY; the output of KEYTURN_KEY_COMMAND; the default key file. All hold the same:

    {"primary": "4f1c...", "keys": {"4f1c...": "base64 of 32 bytes"}}
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import enum
import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shlex
import signal
import stat
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from store.errors import KeyUnusable
from store.sealing import KEY_BYTES, KeyRing

CREDENTIAL_NAME = "keyturn.key"
_DRAFT_SECONDS = 60.0
"""For how long a file may be in the making."""


class KeyOrigin(enum.StrEnum):
    FILE = "file"
    SYSTEMD = "systemd credential"
    ENVIRONMENT = "environment"
    COMMAND = "command"


@dataclass(frozen=True)
class KeySource:
    """Where the key was found. `text` is for people; `path` is the file that may be rewritten, if any."""

    origin: KeyOrigin
    text: str
    path: Path | None = None
    created: bool = False


@dataclass(frozen=True)
class KeyPlaces:
    """Where to look for the key. A new store's key is created at `key_file` or else at `default_file`."""

    default_file: Path
    key_file: Path | None = None
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    command_timeout: float = 30.0

    @property
    def new_file(self) -> Path:
        return self.key_file or self.default_file


@dataclass(frozen=True)
class LoadedKey:
    ring: KeyRing
    source: KeySource


def load_key_ring(places: KeyPlaces) -> LoadedKey | None:
    """The key ring, or None when there is none. An explicit key file is never replaced by another place."""
    if places.key_file is not None:
        return _from_file(places.key_file)
    return (
        _from_systemd(places) or _from_environment(places) or _from_command(places) or _from_file(places.default_file)
    )


def create_key_file(path: Path) -> LoadedKey:
    """Create a key file with one fresh key, safe on disk. When somebody else is first, theirs is returned."""
    key = secrets.token_bytes(KEY_BYTES)
    text = format_key_ring(KeyRing({key_id(key): key}, key_id(key)))
    try:
        make_private_directory(path.parent)
        created = _place(text, path)
    except OSError as error:
        raise _file_trouble(path, "written", error) from None
    loaded = _from_file(path)
    if loaded is None:
        raise KeyUnusable(f"The key file {path} vanished while it was created.", remedy="Start Keyturn again.")
    return LoadedKey(loaded.ring, KeySource(KeyOrigin.FILE, loaded.source.text, path, created))


def replace_key_file(path: Path, ring: KeyRing) -> None:
    """Put another ring in the file, at once and safe on disk."""
    try:
        draft = _draft_beside(path)
        _write_new(draft, format_key_ring(ring))
        draft.replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        raise _file_trouble(path, "written", error) from None


def stamp_of(source: KeySource) -> object:
    """Something else as soon as another file stands where the key came from."""
    if source.path is None:
        return None
    try:
        status = source.path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


@contextlib.contextmanager
def changing_key_file(path: Path) -> Iterator[bool]:
    """Whether nobody else is about to change this key file; two at once would lose the key of one of them."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            _remove_drafts(path)
            yield True
    finally:
        os.close(descriptor)


def _remove_drafts(path: Path) -> None:
    """Of those that were killed: they hold keys. Who makes a first key file holds no lock, but is done at once."""
    ours = re.compile(re.escape(f".{path.name}.") + "[0-9a-f]{16}")
    with contextlib.suppress(OSError):
        for entry in [entry for entry in os.scandir(path.parent) if ours.fullmatch(entry.name)]:
            if entry.stat(follow_symlinks=False).st_mtime < time.time() - _DRAFT_SECONDS:
                path.with_name(entry.name).unlink()


def write_key_file(path: Path, ring: KeyRing) -> bool:
    """A key file that was not there before; False when there is one. Raises KeyUnusable."""
    try:
        return _place(format_key_ring(ring), path)
    except OSError as error:
        raise _file_trouble(path, "written", error) from None


def with_new_primary(ring: KeyRing) -> KeyRing:
    """The ring with a fresh primary key; the former ones still open what they sealed."""
    key = secrets.token_bytes(KEY_BYTES)
    return KeyRing({**ring.keys, key_id(key): key}, key_id(key))


def key_id(key: bytes) -> str:
    """A fingerprint, so that two different keys never share an id."""
    return hashlib.sha256(b"keyturn key id\0" + key).hexdigest()[:16]


def format_key_ring(ring: KeyRing) -> str:
    keys = {kid: base64.b64encode(key).decode("ascii") for kid, key in ring.keys.items()}
    return json.dumps({"primary": ring.primary, "keys": keys}, indent=2) + "\n"


def parse_key_ring(text: str, where: str) -> KeyRing:
    """`where` names the place in the error; the text itself is never shown."""
    try:
        data = json.loads(text)
        keys = {str(kid): base64.b64decode(value, validate=True) for kid, value in data["keys"].items()}
        return KeyRing(keys, str(data["primary"]))
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error, RecursionError):
        raise KeyUnusable(
            f"The key from {where} cannot be understood.",
            remedy='It must be {"primary": "ID", "keys": {"ID": "base64 of 32 bytes"}}, as Keyturn wrote it;'
            " restore it from a copy.",
        ) from None


def make_private_directory(path: Path) -> None:
    """Create a directory and its missing parents, all 0700. What exists stays as it is."""
    if not path.is_dir():
        make_private_directory(path.parent)
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)


def _from_file(path: Path) -> LoadedKey | None:
    where = f"key file {path}"
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _file_trouble(path, "read", error) from None
    if stat.S_IMODE(mode) & 0o077:
        raise KeyUnusable(
            f"Other users can read the {where} (mode {stat.S_IMODE(mode):04o}).",
            remedy=f"Run: chmod 600 {shlex.quote(str(path))}\nIf others may have read it: keyturn key rotate",
        )
    return LoadedKey(parse_key_ring(text, where), KeySource(KeyOrigin.FILE, where, path))


def _from_systemd(places: KeyPlaces) -> LoadedKey | None:
    directory = places.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        return None
    path = Path(directory) / CREDENTIAL_NAME
    # No look at the mode: systemd guards the directory itself, and its ACLs show up as group rights.
    try:
        text = path.read_text("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _file_trouble(path, "read", error) from None
    where = f"systemd credential {CREDENTIAL_NAME}"
    return LoadedKey(parse_key_ring(text, where), KeySource(KeyOrigin.SYSTEMD, where))


def _from_environment(places: KeyPlaces) -> LoadedKey | None:
    text = places.environ.get("KEYTURN_KEY")
    if not text:
        return None
    where = "environment variable KEYTURN_KEY"
    return LoadedKey(parse_key_ring(text, where), KeySource(KeyOrigin.ENVIRONMENT, where))


def _from_command(places: KeyPlaces) -> LoadedKey | None:
    command = places.environ.get("KEYTURN_KEY_COMMAND")
    if not command:
        return None
    where = "command in KEYTURN_KEY_COMMAND"
    text = _run_command(command, places.command_timeout)
    return LoadedKey(parse_key_ring(text, where), KeySource(KeyOrigin.COMMAND, where))


def _run_command(command: str, timeout: float) -> str:
    """Standard output of a command line; no shell reads it."""
    remedy = "Run the command in KEYTURN_KEY_COMMAND by hand; it must print the key ring and exit with 0."
    try:
        process = subprocess.Popen(
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError, IndexError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise KeyUnusable(f"The command in KEYTURN_KEY_COMMAND does not start: {reason}.", remedy=remedy) from None
    with process:
        try:
            output, complaint = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            # Its children hold the pipe too: the whole group goes, else reading to the end would hang.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise KeyUnusable(
                f"The command in KEYTURN_KEY_COMMAND did not finish within {timeout:g} s.", remedy=remedy
            ) from None
    if process.returncode != 0:
        last = (complaint.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"])[-1][:200]
        raise KeyUnusable(
            f"The command in KEYTURN_KEY_COMMAND failed with exit code {process.returncode}: {last}",
            remedy=remedy,
        )
    return output.decode("utf-8", "replace")


def _place(text: str, path: Path) -> bool:
    """Write a file unless there is one; False when somebody else was first."""
    draft = _draft_beside(path)
    _write_new(draft, text)
    try:
        # A link appears with its whole content or not at all, so the loser never reads half a file.
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.ENOSYS}:
            raise
        # A file system without links: the first one still wins.
        try:
            _write_new(path, text)
        except FileExistsError:
            return False
    finally:
        draft.unlink()
    _sync_directory(path.parent)
    return True


def _draft_beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}")


def _write_new(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink()
        raise


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _file_trouble(path: Path, deed: str, error: OSError) -> KeyUnusable:
    return KeyUnusable(
        f"The key file {path} cannot be {deed}: {error.strerror}.",
        remedy=f"Make {path.parent} a directory of the user that runs Keyturn, on a disk with room.",
    )
