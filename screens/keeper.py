"""Keeps what a person has entered, so that neither a dropped line nor a key too many loses it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from app.errors import Explanation
from screens.troubles import told
from screens.widgets.question import Question

if TYPE_CHECKING:
    from app.service import Service


class Keeper:
    """Saves the newest draft of one kind, one save at a time. A save that fails is told once and hinders nothing."""

    def __init__(self, service: Service, kind: str, saved: Callable[[Explanation | None], None]) -> None:
        """`saved` is told of every save: None, or why it failed."""
        self._service, self.kind, self._saved = service, kind, saved
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
        await self._service.drafts.discard(self.kind)

    async def _save(self) -> None:
        while self._waiting is not None:
            (step, data), self._waiting = self._waiting, None
            try:
                await self._service.drafts.save(self.kind, step, data)
            except Exception as error:  # the store is full or away: the person types on
                self._newest = None
                self._saved(told(error))
            else:
                self._saved(None)


CONTINUE, ANEW = "continue", "anew"


def offer(
    what: str, updated_at: datetime | None, now: datetime, note: str = "", *, did: str = "setting up"
) -> Question:
    """Asks whether to go on with a draft: CONTINUE, ANEW, or "" for neither. `what` says what it is about."""
    when = ""
    if updated_at is not None:
        local, today = updated_at.astimezone(), now.astimezone().date()
        when = f" from {local:%H:%M}" if local.date() == today else f" from {local:%Y-%m-%d %H:%M}"
    answers = [(CONTINUE, "Continue"), (ANEW, "Discard it, start anew")]
    text = f"You were {did} {what} and did not finish. {note}".strip()
    return Question(f"Continue the draft{when}?", text, answers)
