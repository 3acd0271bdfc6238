"""The history of everything, newest first."""

from __future__ import annotations

from dataclasses import dataclass

from app.operations.context import Context, rotation_by
from app.views import EventView
from store import events
from store.database import Tx


@dataclass(frozen=True)
class History:
    context: Context

    async def recent(
        self, limit: int = 100, rotation: str | None = None, after_id: int | None = None
    ) -> list[EventView]:
        def look(tx: Tx) -> list[EventView]:
            rotation_id = rotation_by(tx, rotation).id if rotation else None
            return [
                EventView(e.id or 0, e.at, e.actor, e.action, e.result, e.subject, e.message)
                for e in events.recent(tx, limit, rotation_id, after_id)
            ]

        return await self.context.store.aread(look)
