"""Files that are kept up with what is published."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.deliver import target, telling
from app.deliver.kinds import KINDS
from app.deliver.source import Source
from app.deliver.target import TargetView, Wanted
from app.errors import KeyturnError, NotFound, UsageError
from app.operations.context import Context, folder_by, place_text, rotation_by
from app.rotation.failpoints import reached
from app.views import Place
from store import connections, events, jobs, projects, rotations, secrets, target_files
from store.database import Tx
from store.tables import TargetFile

HOST_MAX = 64


class Unfit(KeyturnError):
    """A target that cannot be brought up to date, whatever its file is like; that stays as it is."""


@dataclass(frozen=True)
class TargetFiles:
    """`ref` is a name or an id. All raise NotFound; what concerns files raises KeyturnError."""

    context: Context

    async def add(self, wanted: Wanted, of: str | Place, *, replace: bool = False) -> TargetView:
        """Keep one more file up, `of` a rotation (name or id) or of a place; it is not written yet.

        Raises KeyturnError for a file that could not be written or rendered, and Conflict for a name that is taken.
        """
        _refuse_nonsense(wanted)

        def look(tx: Tx) -> tuple[TargetFile, Source]:
            row = _row(tx, wanted, of, self.context)
            return row, _source(tx, row)

        row, source = await self.context.store.aread(look)
        if not (KINDS[wanted.kind].type and not source.credentials):  # its rotation publishes for the first time later
            await asyncio.to_thread(target.content, wanted, source)
        await asyncio.to_thread(target.refuse_impossible, wanted, replace=replace)

        def keep(tx: Tx) -> TargetView:
            if target_files.find(tx, wanted.name) is not None:
                raise UsageError(f"There is a target {wanted.name!r} already.", remedy="Choose another name.")
            added = target_files.add(tx, row)
            record(tx, self.context, row, "add-target", "success", f"{row.kind} file {row.file}")
            return view_of(tx, added)

        return await self.context.store.awrite(keep)

    async def list(self) -> list[TargetView]:
        """By name."""
        return await self.context.store.aread(lambda tx: [view_of(tx, row) for row in target_files.list_all(tx)])

    async def show(self, ref: str) -> TargetView:
        return await self.context.store.aread(lambda tx: view_of(tx, _by(tx, ref)))

    async def remove(self, ref: str) -> TargetView:
        """The file stays as it is, and is kept up no longer."""

        def act(tx: Tx) -> TargetView:
            row = _by(tx, ref)
            view = view_of(tx, row)
            record(tx, self.context, row, "remove-target", "success", f"{row.file} stays as it is")
            target_files.remove(tx, row.id)
            return view

        return await self.context.store.awrite(act)

    async def check(self, ref: str) -> bool:
        """Whether its file is as it should be. Nothing is changed."""
        row, source = await self.context.store.aread(lambda tx: (found := _by(tx, ref), source_of(tx, found)))
        return not await asyncio.to_thread(target.differs, wanted_of(row), source)

    async def render(self, ref: str) -> bool:
        """Bring its file up to date now; whether it was not. Its program is told when it was not."""
        row, source = await self.context.store.aread(lambda tx: (found := _by(tx, ref), source_of(tx, found)))
        return await asyncio.to_thread(bring_up_now, self.context, row, source)


def bring_up(
    context: Context,
    row: TargetFile,
    source: Source,
    *,
    tell_again: bool = False,
    stopping: Callable[[], bool] = lambda: False,
) -> bool:
    """Blocking. Make the file as it should be and tell its program; whether it changed. Raises KeyturnError.

    `tell_again`: tell it even of a change made before, which it was never told of. How it went is in the target's
    state, and in the history when that is news.
    """
    wanted = wanted_of(row)
    has_program = bool(row.reload or row.signal)

    def before_change() -> None:
        if has_program:
            context.store.write(lambda tx: target_files.note(tx, row.id, reload_due=True))

    try:
        changed = target.bring_up(
            wanted, source, before_change, lambda: context.store.read(lambda tx: source_of(tx, row))
        )
        telling_now = has_program and (changed or (row.reload_due and tell_again))
        if telling_now:
            target.tell(wanted, source, stopping)
            reached("target.told")
    except telling.NotTold as error:
        _failed(context, row, f"The file is written. {error.message}")
        raise
    except KeyturnError as error:
        _failed(context, row, error.message)
        raise
    if changed or telling_now or (row.state != "written" and not row.reload_due):
        context.store.write(lambda tx: _written(tx, context, row, changed=changed, told=telling_now))
    return changed


def bring_up_now(context: Context, row: TargetFile, source: Source) -> bool:
    return bring_up(context, row, source, tell_again=True)


def failed(context: Context, row: TargetFile, message: str) -> None:
    """Note that it could not even be tried."""
    _failed(context, row, message)


def source_of(tx: Tx, row: TargetFile) -> Source:
    """All of it at one moment, so that no file is half old and half new. Raises Unfit."""
    if not target_files.genuine(tx, row):
        raise Unfit(
            f"The target {row.name} was changed by another program than Keyturn, and is not trusted.",
            remedy=f"keyturn targets remove {row.name}; then add it again.",
        )
    return _source(tx, row)


def _source(tx: Tx, row: TargetFile) -> Source:
    if row.rotation_id is None:
        return Source(secrets.values(tx, row.folder_id or ""))
    rotation = rotations.get(tx, row.rotation_id)
    if rotation is None:
        raise Unfit("Its rotation was deleted; the file stays as it is.", remedy=f"keyturn targets remove {row.name}")
    names = {secret.name for secret in secrets.of_rotation(tx, rotation.id)}
    values = {name: value for name, value in secrets.values(tx, rotation.folder_id).items() if name in names}
    held = rotations.credentials(tx, rotation.id)
    slots = sorted(held, key=lambda slot: slot != rotation.active_index)
    # Before the first publication there may be one slot, which nobody may use yet.
    credentials = tuple(rotations.credential_values(tx, held[slot]) for slot in slots) if values else ()
    connection = connections.get(tx, rotation.connection_id)
    server = dict(connection.settings) if connection else {}
    if not (credentials and KINDS[row.kind].ahead):
        return Source(values, credentials, server)
    pending = [jobs.opened(tx, attempt) for attempt in rotations.unfinished(tx, rotation.id)]
    return Source(
        values,
        credentials,
        server,
        coming=tuple(one.issued.values for one in pending if one.issued and one.row.state == "open"),
        former=tuple(one.previous.values for one in pending if one.previous and one.row.state == "retiring"),
    )


def wanted_of(row: TargetFile) -> Wanted:
    return Wanted(
        name=row.name,
        kind=row.kind,
        file=Path(row.file),
        mode=row.mode,
        owner=row.owner or "",
        options=row.options,
        reload=row.reload or "",
        signal=row.signal or "",
    )


def here(context: Context, row: TargetFile) -> bool:
    """Whether the file is on this machine; a store in PostgreSQL serves several."""
    return context.store.dialect == "sqlite" or row.host == hostname()


def hostname() -> str:
    return socket.gethostname()[:HOST_MAX]


def view_of(tx: Tx, row: TargetFile) -> TargetView:
    return TargetView(
        id=row.id,
        name=row.name,
        kind=row.kind,
        of=_of(tx, row),
        file=row.file,
        mode=f"{row.mode:04o}",
        owner=row.owner or "",
        host=row.host,
        options=row.options,
        reload=row.reload or "",
        signal=row.signal or "",
        state=row.state,
        message=row.message,
        written_at=row.written_at,
    )


def record(tx: Tx, context: Context, row: TargetFile, action: str, result: str, message: str) -> None:
    events.append(
        tx,
        at=context.clock(),
        actor=context.actor,
        action=action,
        result=result,
        subject=row.name,
        rotation_id=row.rotation_id,
        message=message,
    )


def _failed(context: Context, row: TargetFile, message: str) -> None:
    """An event only when that is news: a file that cannot be written is tried again and again."""
    message = message[:1024]

    def note(tx: Tx) -> None:
        known = target_files.find(tx, row.id)
        if known is not None and (known.state, known.message) != ("failed", message):
            target_files.note(tx, row.id, state="failed", message=message)
            record(tx, context, row, "render-target", "failed", message)

    context.store.write(note)


def _written(tx: Tx, context: Context, row: TargetFile, *, changed: bool, told: bool) -> None:
    columns: dict[str, Any] = {"state": "written", "message": ""}
    columns |= {"written_at": context.clock()} if changed else {}
    columns |= {"reload_due": False} if told else {}
    target_files.note(tx, row.id, **columns)
    if changed or told or row.state == "failed":
        what = "written" if changed else "as it should be"
        record(tx, context, row, "render-target", "success", f"{row.file} {what}{', its program told' if told else ''}")


def _by(tx: Tx, ref: str) -> TargetFile:
    found = target_files.find(tx, ref)
    if found is None:
        raise NotFound(f"There is no target {ref!r}.", remedy="keyturn targets list shows all.")
    return found


def _row(tx: Tx, wanted: Wanted, of: str | Place, context: Context) -> TargetFile:
    kind = KINDS[wanted.kind]
    origin: dict[str, Any]
    if isinstance(of, Place):
        if kind.type:
            raise UsageError(f"{wanted.kind} is made of one rotation: give --rotation NAME.")
        origin = {"folder_id": folder_by(tx, of).id}
    else:
        rotation = rotation_by(tx, of)
        if kind.type and rotation.type != kind.type:
            raise UsageError(f"{wanted.kind} is for rotations of type {kind.type}; {rotation.name} is {rotation.type}.")
        origin = {"rotation_id": rotation.id}
    return TargetFile(
        id=context.new_id(),
        name=wanted.name,
        kind=wanted.kind,
        host=hostname(),
        file=str(wanted.file),
        mode=wanted.mode,
        owner=wanted.owner or None,
        options=dict(wanted.options),
        reload=wanted.reload or None,
        signal=wanted.signal or None,
        created_at=context.clock(),
        **origin,
    )


def _of(tx: Tx, row: TargetFile) -> str:
    if row.rotation_id is not None:
        rotation = rotations.get(tx, row.rotation_id)
        return f"rotation {rotation.name}" if rotation else "a rotation that was deleted"
    try:
        return place_text(projects.place_of(tx, row.folder_id or ""))
    except KeyError:
        return "a folder that was deleted"


def _refuse_nonsense(wanted: Wanted) -> None:
    """Raises UsageError."""
    if not 1 <= len(wanted.name) <= 64 or not wanted.name.isprintable() or "/" in wanted.name:
        raise UsageError("A target's name has 1 to 64 characters, and no /.")
    too_long = {"file": str(wanted.file), "reload command": wanted.reload, "signal": wanted.signal}
    for what, text in too_long.items():
        if len(text) > 1024 or "\0" in text:
            raise UsageError(f"The {what} is longer than 1024 characters, or holds a NUL.")
    unknown = [name for name in wanted.options if name not in KINDS[wanted.kind].options]
    if unknown:
        raise UsageError(f"--{unknown[0]} does not go with {wanted.kind}.")
