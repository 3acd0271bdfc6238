"""The history of everything, newest first, and as it is being written."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from app.operations.context import Context, rotation_by
from app.views import EventView
from store import events
from store.changes import ChangeWatch
from store.database import Tx
from store.tables import Event

POLL = 0.3
"""How often to look for new events, in seconds."""
_BATCH = 500
_OVERLAP = 64
"""On PostgreSQL an event may be committed after one with a higher id: so many ids are looked at again."""


@dataclass(frozen=True)
class History:
    context: Context

    async def recent(
        self,
        limit: int = 100,
        rotation: str | None = None,
        after_id: int | None = None,
        *,
        before_id: int | None = None,
        matching: str = "",
    ) -> list[EventView]:
        """Newest first. `matching`: words that must all be there, in whatever field. Raises NotFound."""

        def look(tx: Tx) -> list[EventView]:
            rotation_id = rotation_by(tx, rotation).id if rotation else None
            words = matching.split()
            found = events.recent(tx, limit, rotation_id, after_id, before_id=before_id, words=words)
            return [_view(event) for event in found]

        return await self.context.store.aread(look)

    async def after(self, after_id: int, limit: int, *, matching: str = "") -> list[EventView]:
        """The next ones that came after it, oldest first; after 0, the oldest there are."""

        def look(tx: Tx) -> list[EventView]:
            return [_view(event) for event in events.following(tx, after_id, limit, words=matching.split())]

        return await self.context.store.aread(look)

    async def follow(
        self, after_id: int, rotation: str | None = None, *, matching: str = ""
    ) -> AsyncGenerator[list[EventView]]:
        """What is written from now on, whoever writes it, oldest first; each event once. Never ends by itself."""
        store = self.context.store
        rotation_id = await store.aread(lambda tx: rotation_by(tx, rotation).id) if rotation else None
        watch = await asyncio.to_thread(ChangeWatch, store)
        told, newest, outdated = deque[int](maxlen=2 * _OVERLAP + _BATCH), after_id, True
        try:
            while True:
                if not outdated and not await asyncio.to_thread(watch.changed):
                    await asyncio.sleep(POLL)
                    continue
                start = max(newest - _OVERLAP, after_id)

                def look(tx: Tx, start: int = start) -> list[Event]:
                    return events.following(tx, start, _BATCH, rotation_id, words=matching.split())

                found = await store.aread(look)
                outdated = len(found) == _BATCH
                new = [event for event in found if event.id not in told]
                told.extend(event.id or 0 for event in new)
                newest = max([newest, *(event.id or 0 for event in new)])
                if new:
                    yield [_view(event) for event in new]
        finally:
            watch.close()


def _view(event: Event) -> EventView:
    return EventView(
        id=event.id or 0,
        at=event.at,
        actor=event.actor,
        action=event.action,
        result=event.result,
        subject=event.subject,
        message=event.message,
        rotation_id=event.rotation_id,
    )
