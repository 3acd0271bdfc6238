"""Deliveries: what hooks were told, are to be told, and could not be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.errors import Busy, NotFound, UsageError
from app.operations.context import Context
from app.operations.hooks import hook_by
from store import deliveries, events, hooks
from store.database import Tx
from store.deliveries import DONE, DROPPED, GIVEN_UP
from store.outbox import WAITING
from store.tables import Delivery, Hook

RETRYING, PAUSED = "retrying", "paused"
"""States of what waits: it was tried before; its hook is paused."""
STATES = (WAITING, RETRYING, PAUSED, DONE, GIVEN_UP, DROPPED)


@dataclass(frozen=True)
class DeliveryView:
    """`state` is one of STATES. `changed`: names of the secrets whose published values did. `next_at`: when it is tried
    next; None when never. `answer`: what came back last.
    """

    id: int
    state: str
    hook: str
    kind: str
    to: str
    event: str
    event_id: str
    at: datetime
    rotation_id: str
    rotation: str
    changed: tuple[str, ...]
    message: str
    count: int
    attempts: int
    next_at: datetime | None
    answer: str
    finished_at: datetime | None


@dataclass(frozen=True)
class Deliveries:
    context: Context

    async def recent(
        self, limit: int = 100, *, hook: str | None = None, failed: bool = False, before_id: int | None = None
    ) -> list[DeliveryView]:
        """Newest first. `failed`: given up, or waiting for another try. `before_id`: those before it, for the next
        page. Raises NotFound for the hook.
        """

        def look(tx: Tx) -> list[DeliveryView]:
            hook_id = hook_by(tx, hook).id if hook else ""
            rows = deliveries.listed(tx, limit, hook_id=hook_id, failed=failed, before_id=before_id)
            return [_view(*found) for found in rows]

        return await self.context.store.aread(look)

    async def given_up(self, after: datetime) -> list[DeliveryView]:
        """Those given up since, oldest first."""

        def look(tx: Tx) -> list[DeliveryView]:
            return [_view(*found) for found in deliveries.given_up(tx, after)]

        return await self.context.store.aread(look)

    async def retry(self, delivery_id: int) -> DeliveryView:
        """Try it at once, and for a whole day. Raises NotFound; UsageError when it is done; Busy."""
        return await self._change(delivery_id, retry=True)

    async def drop(self, delivery_id: int) -> DeliveryView:
        """Deliver it never. Raises NotFound; UsageError when it is over already; Busy."""
        return await self._change(delivery_id, retry=False)

    async def _change(self, delivery_id: int, *, retry: bool) -> DeliveryView:
        now = self.context.clock()

        def write(tx: Tx) -> DeliveryView:
            row = deliveries.get(tx, delivery_id)
            if row is None:
                raise NotFound(f"There is no delivery {delivery_id}.", remedy="keyturn deliveries shows all.")
            act = deliveries.retry if retry else deliveries.drop
            if not act(tx, delivery_id, now):
                _refuse(row, retry=retry)
            tx.session.refresh(row)
            hook = hooks.find(tx, row.hook_id)
            assert hook is not None
            events.append(
                tx,
                at=now,
                actor=self.context.actor,
                action="retry-delivery" if retry else "drop-delivery",
                result="success",
                subject=hook.name,
                rotation_id=row.rotation_id,
                message=f"delivery {row.id} ({row.event} of {row.facts['rotation']['name']})",
            )
            return _view(row, hook)

        return await self.context.store.awrite(write)


def _refuse(row: Delivery, *, retry: bool) -> None:
    if row.state == DONE:
        raise UsageError(f"Delivery {row.id} is done.", remedy="The receiver answered; there is nothing to do.")
    if row.state != WAITING and not retry:
        raise UsageError(
            f"Delivery {row.id} is {row.state} already.", remedy="keyturn deliveries retry tries it again."
        )
    raise Busy(f"Delivery {row.id} is being made right now.", remedy="Look again in a minute.")


def _view(row: Delivery, hook: Hook) -> DeliveryView:
    waits = row.state == WAITING
    state = row.state
    if waits:
        state = PAUSED if hook.paused else RETRYING if row.answer else WAITING
    return DeliveryView(
        id=row.id or 0,
        state=state,
        hook=hook.name,
        kind=hook.kind,
        to=hook.shown,
        event=row.event,
        event_id=row.event_id,
        at=row.at,
        rotation_id=row.rotation_id,
        rotation=row.facts["rotation"]["name"],
        changed=tuple(row.facts["changed"]),
        message=row.facts["message"],
        count=row.facts["count"],
        attempts=row.attempts,
        next_at=row.due_at if waits and not hook.paused else None,
        answer=row.answer,
        finished_at=row.finished_at,
    )
