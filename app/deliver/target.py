"""One file that is kept up: what is wanted of it, and making it so."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from app.deliver import files, telling
from app.deliver.files import Found, Rights
from app.deliver.kinds import KINDS
from app.deliver.source import Source
from app.errors import KeyturnError


@dataclass(frozen=True)
class Wanted:
    """`owner` is "user" or "user:group", empty for whoever writes. `tell_by`: one of a shell command and
    "PIDFILE:SIGNAL", or neither."""

    name: str
    kind: str
    file: Path
    mode: int = 0o600
    owner: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    reload: str = ""
    signal: str = ""


@dataclass(frozen=True)
class TargetView:
    """A target and how it is: "new", "written" or "failed". `of`: "rotation NAME", or project, environment and path."""

    id: str
    name: str
    kind: str
    of: str
    file: str
    mode: str
    owner: str
    host: str
    options: Mapping[str, Any]
    reload: str
    signal: str
    state: str
    message: str
    written_at: datetime | None


def differs(wanted: Wanted, source: Source) -> bool:
    """Whether the file is not as it should be. Nothing is changed. Raises KeyturnError."""
    with files.folder_of(wanted.file) as folder:
        found = files.read(wanted.file, folder)
    return found is None or not found.fits(_content(wanted, source, found), rights_of(wanted))


def bring_up(
    wanted: Wanted, source: Source, before_change: Callable[[], None], latest: Callable[[], Source] | None = None
) -> bool:
    """Make the file as it should be; whether it was not. Raises KeyturnError, and the file is as it was then.

    `latest` reads the source anew. It is asked while nobody else may write: who has waited must not undo newer work.
    """
    rights = rights_of(wanted)
    with files.folder_of(wanted.file) as folder:
        found = files.read(wanted.file, folder)
        content = _content(wanted, source, found)
        if latest is not None and not (found is not None and found.fits(content, rights)):
            content = _content(wanted, latest(), found)
        if found is not None and found.fits(content, rights):
            files.remove_drafts(wanted.file, folder)
            return False
        before_change()
        files.write(wanted.file, folder, content, rights)
        return True


def tell(wanted: Wanted, source: Source, stopping: Callable[[], bool] = lambda: False) -> None:
    """Tell the file's program, if any, that it has changed. Raises NotTold."""
    if wanted.reload:
        telling.run(wanted.reload, source.secrets, stopping=stopping)
    elif wanted.signal:
        telling.send(wanted.signal)


def stamp(wanted: Wanted) -> object:
    """Something else as soon as somebody touched the file, or the template that it is made from."""
    template = wanted.options.get("template")
    return files.stamp(wanted.file), files.stamp(Path(template)) if template else None


def content(wanted: Wanted, source: Source) -> bytes:
    """As it would be in a new file. Raises KeyturnError."""
    return _content(wanted, source, None)


def rights_of(wanted: Wanted) -> Rights:
    """Raises KeyturnError for a user or group that is not there."""
    if not wanted.owner:
        return Rights(wanted.mode)
    user, _, group = wanted.owner.partition(":")
    try:
        person = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except KeyError:
        raise KeyturnError(f"There is no user {user!r} on this machine.", remedy="See: getent passwd") from None
    if not group:
        return Rights(wanted.mode, (person.pw_uid, person.pw_gid))
    try:
        gid = grp.getgrgid(int(group)).gr_gid if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError:
        raise KeyturnError(f"There is no group {group!r} on this machine.", remedy="See: getent group") from None
    return Rights(wanted.mode, (person.pw_uid, gid))


def refuse_impossible(wanted: Wanted, *, replace: bool) -> None:
    """Raises KeyturnError for a file that cannot be written, or whose content nobody wants to lose."""
    rights_of(wanted)
    with files.folder_of(wanted.file) as folder:
        found = files.read(wanted.file, folder)
    if not os.access(wanted.file.parent, os.W_OK | os.X_OK):
        raise KeyturnError(f"This user cannot write to the folder {wanted.file.parent}.")
    if found is not None and found.content.strip() and not (replace or KINDS[wanted.kind].shared):
        raise KeyturnError(
            f"{wanted.file} is there already, with other content.", remedy="Add --replace to have it overwritten."
        )


def _content(wanted: Wanted, source: Source, found: Found | None) -> bytes:
    kind = KINDS[wanted.kind]
    if kind.type and not source.credentials:
        raise KeyturnError("Nothing is published yet.")
    before = ""
    if found is not None:
        with contextlib.suppress(UnicodeDecodeError):
            before = found.content.decode()
        if not before and found.content and kind.shared:
            raise KeyturnError(f"{wanted.file} is not UTF-8, so its other entries would be lost.")
    return kind.render(source, wanted.options, before).encode()
