"""Everything looked at once, from the outside in: files, key and store, then what Keyturn works on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from app.doctor import delivery, files, storage, work
from app.service import Service, key_places, open_service
from app.settings import Settings
from providers.base import Check
from store import engines
from store.database import Tx
from store.errors import StoreError

_COMPANIONS = ("", "-wal", "-shm")
"""What SQLite keeps beside its file."""


def examine(settings: Settings, deadline: float) -> list[Check]:
    """What cannot be opened is not looked into, and why is said. `deadline`: seconds that each connection has."""
    try:
        file = engines.file_of(settings.database_url)
    except StoreError as error:
        return [storage.refused(error)]
    outside = [*files.rights(settings, _ours(settings, file)), *files.space(_folders(settings, file))]
    if file is not None and not file.exists():
        return [*storage.no_store(file, key_places(settings)), *outside]
    if file is not None:
        outside.append(storage.integrity(file))
    try:
        service = open_service(settings, "doctor", as_it_is=True)
    except StoreError as error:
        return [*storage.unopened(error, key_places(settings)), *outside]
    return [*storage.opened(service.store), *outside, *asyncio.run(_inside(service, deadline))]


def _ours(settings: Settings, file: Path | None) -> list[Path]:
    """The files that nobody else may read."""
    key = settings.key_file or settings.default_key_file
    found = [key, *key.parent.glob(f"{key.name}.before-*")]
    if file is not None:
        found += [file.with_name(file.name + ending) for ending in _COMPANIONS]
        found += file.parent.glob(f"{file.name}.before-*")
    return found


def _folders(settings: Settings, file: Path | None) -> list[Path]:
    return [settings.data_dir, settings.config_dir, settings.state_dir, *([file.parent] if file else [])]


async def _inside(service: Service, deadline: float) -> list[Check]:
    context = service.context

    async def look(at: Callable[[Tx], list[Check]]) -> list[Check]:
        try:
            return await service.store.aread(at)
        except StoreError as error:
            return [storage.refused(error)]

    try:
        found = await asyncio.gather(
            look(
                lambda tx: [
                    storage.key_ring(tx),
                    storage.sealed_values(tx),
                    storage.clock(tx, context),
                    storage.history(tx),
                    *storage.backups(tx, context.clock()),
                ]
            ),
            look(lambda tx: work.rotations_of(tx, context.clock())),
            look(work.leases),
            look(lambda tx: [*delivery.files(tx), *delivery.hooks(tx, context.clock())]),
            work.connections(context, deadline),
        )
        return [check for checks in found for check in checks]
    finally:
        await service.aclose()
