"""Keeps what a person has entered, so that a dropped line loses none of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from app.errors import Explanation
from screens.troubles import told

if TYPE_CHECKING:
    from app.service import Service


class Keeper:
    """Saves the newest draft of one kind, one save at a time. A save that fails is told once and hinders nothing."""

    def __init__(self, service: Service, kind: str, saved: Callable[[Explanation | None], None]) -> None:
        """`saved` is told of every save: None, or why it failed."""
        self._service, self._kind, self._saved = service, kind, saved
        self._waiting: tuple[int, Mapping[str, Any]] | None = None
        self._newest: tuple[int, Mapping[str, Any]] | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def save(self, step: int, data: Mapping[str, Any]) -> None:
        """Soon; a newer one replaces what waits. `data` must hold no secret."""
        if self._closed or (step, data) == self._newest:
            return
        self._newest = self._waiting = step, data
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._save())

    async def settle(self) -> None:
        """Wait until everything is saved."""
        if self._task is not None:
            await self._task

    async def discard(self) -> None:
        """Forget the draft, and keep none from now on."""
        self._closed, self._waiting = True, None
        await self.settle()
        await self._service.drafts.discard(self._kind)

    async def _save(self) -> None:
        while self._waiting is not None:
            (step, data), self._waiting = self._waiting, None
            try:
                await self._service.drafts.save(self._kind, step, data)
            except Exception as error:  # the store is full or away: the person types on
                self._saved(told(error))
            else:
                self._saved(None)
