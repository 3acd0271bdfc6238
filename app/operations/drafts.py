"""Unfinished wizards, kept in the store so that a dropped line loses no input. Never a secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.operations.context import Context
from app.views import DraftView
from store import drafts


@dataclass(frozen=True)
class Drafts:
    context: Context

    async def load(self, kind: str) -> DraftView | None:
        row = await self.context.store.aread(lambda tx: drafts.load(tx, kind))
        return DraftView(row.step, row.data, row.updated_at) if row else None

    async def save(self, kind: str, step: int, data: Mapping[str, Any]) -> None:
        """`data` must hold no secret value."""
        now, new_id = self.context.clock(), self.context.new_id
        await self.context.store.awrite(lambda tx: drafts.save(tx, kind, step=step, data=data, now=now, new_id=new_id))

    async def discard(self, kind: str) -> None:
        await self.context.store.awrite(lambda tx: drafts.discard(tx, kind))
