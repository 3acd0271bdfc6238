"""Files and folders: whose they are, who else may read them, and how much room there is."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from app.settings import Settings
from providers.base import Check, CheckResult

SCARCE, FULL = 200 * 1024**2, 16 * 1024**2
"""Bytes of free space below which a disk is worth a warning, or is as good as full."""


def rights(settings: Settings, files: Iterable[Path]) -> list[Check]:
    """One line when all is as it should be, else one for each thing that is not."""
    folders = sorted({path for path in (settings.data_dir, settings.config_dir, settings.state_dir) if path.is_dir()})
    present = sorted({path for path in (*files, settings.log_file) if path.is_file()})
    found = [check for path in folders for check in _wrong(path, folder=True)]
    found += [check for path in present for check in _wrong(path, folder=False)]
    if found:
        return found
    count = len(folders) + len(present)
    what = f"{count} files and folders belong to this user alone" if count else "nothing is there yet"
    return [Check("rights", CheckResult.PASSED, what)]


def _wrong(path: Path, *, folder: bool) -> Iterator[Check]:
    status, quoted = path.stat(), shlex.quote(str(path))
    mode, wanted = stat.S_IMODE(status.st_mode), 0o700 if folder else 0o600
    if status.st_uid != os.geteuid():
        yield Check(
            "rights",
            CheckResult.FAILED,
            f"{path} belongs to the user with the number {status.st_uid}, and this is {os.geteuid()}",
            f"Run Keyturn as the user its files belong to, or: chown {os.geteuid()} {quoted}",
        )
    if mode & 0o077:
        yield Check(
            "rights",
            CheckResult.WARNING if folder else CheckResult.FAILED,
            f"{path} is open to other users (mode {mode:04o}, should be {wanted:04o})",
            f"chmod {wanted:o} {quoted}",
        )
    elif mode & wanted != wanted:
        yield Check(
            "rights",
            CheckResult.FAILED,
            f"{path} is not for its own user to change (mode {mode:04o}, should be {wanted:04o})",
            f"chmod {wanted:o} {quoted}",
        )


def space(folders: Iterable[Path]) -> list[Check]:
    """One line for each disk that Keyturn writes to."""
    disks: dict[int, Path] = {}
    for folder in folders:
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
        disks.setdefault(there.stat().st_dev, there)
    return [free(folder, shutil.disk_usage(folder).free) for folder in disks.values()]


def free(folder: Path, left: int) -> Check:
    """`left`: bytes."""
    amount = f"{left / 1024**3:.1f} GiB" if left >= 1024**3 else f"{left / 1024**2:.0f} MiB"
    text = f"{amount} free at {folder}"
    if left >= SCARCE:
        return Check("disk space", CheckResult.PASSED, text)
    result = CheckResult.FAILED if left < FULL else CheckResult.WARNING
    return Check("disk space", result, text, "Free some space there: without it no rotation can be journaled.")
