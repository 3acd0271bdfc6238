"""Files that hold a new credential before it is published: a program that has just read it may come by way of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from app.deliver.kinds import KINDS
from app.errors import KeyturnError
from app.operations.context import Context
from app.operations.target_files import bring_up, here, source_of
from store import target_files
from store.database import Tx
from store.errors import StoreError
from store.tables import TargetFile

PATIENCE = 5.0
"""Seconds that a publication waits for its files at most; what takes longer goes on beside it."""
_AHEAD = tuple(name for name, kind in KINDS.items() if kind.ahead)


async def write_ahead(context: Context, rotation_id: str) -> None:
    """Bring up to date what must be before a publication, and tell its programs. No trouble leaves.

    What this process may not write, or is on another machine, is left to the loop there.
    """
    with contextlib.suppress(StoreError):
        if not await context.store.glance(target_files.ANY, rotation=rotation_id):
            return  # as with most rotations, found out in microseconds
        rows = await context.store.aread(lambda tx: target_files.of_rotation(tx, rotation_id, _AHEAD))
        mine = [row for row in rows if here(context, row) and os.access(Path(row.file).parent, os.W_OK | os.X_OK)]
        if mine:
            await asyncio.wait([asyncio.create_task(_bring_up(context, row)) for row in mine], timeout=PATIENCE)


async def _bring_up(context: Context, row: TargetFile) -> None:
    with contextlib.suppress(KeyturnError, StoreError):  # it is in the target's state, and the loop tries again
        await asyncio.to_thread(_written_and_told, context, row)


def _written_and_told(context: Context, row: TargetFile) -> None:
    source = context.store.read(lambda tx: source_of(tx, row))
    if bring_up(context, row, source):
        return
    # Another process wrote it just now, and may be about to tell the program: to be sure of that, we tell it as well.
    latest = context.store.read(_found(row.id))
    if latest is not None and latest.reload_due:
        bring_up(context, latest, source, tell_again=True)


def _found(row_id: str) -> Callable[[Tx], TargetFile | None]:
    return lambda tx: target_files.find(tx, row_id)
