"""The history of values that programs read: told before the values are, many in one transaction."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from store import events
from store.database import Store, Tx
from store.events import Line


@dataclass
class Reads:
    """For one event loop. Lines that come while others are being written wait for those, and go together.

    Nothing is kept for later: who waits for `tell` knows that the line is in the store. It outlives this process,
    but perhaps not a power cut.
    """

    store: Store = field(repr=False)
    _waiting: list[tuple[Line, asyncio.Future[None]]] = field(default_factory=list, init=False, repr=False)
    _writing: asyncio.Task[None] | None = field(default=None, init=False, repr=False)

    async def tell(self, line: Line) -> None:
        """Raises StoreError: what cannot be told must not be read."""
        told = asyncio.get_running_loop().create_future()
        self._waiting.append((line, told))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        await told

    async def _write(self) -> None:
        while self._waiting:
            await asyncio.sleep(0)  # whoever has come meanwhile goes along
            batch, self._waiting = self._waiting, []
            lines = [line for line, _ in batch]
            failed = await self._written(lines)
            for _, told in batch:
                if told.done():  # its client went away
                    continue
                if failed is None:
                    told.set_result(None)
                else:
                    told.set_exception(failed)
        self._writing = None

    async def _written(self, lines: list[Line]) -> Exception | None:
        def write(tx: Tx) -> bool:
            events.append_all(tx, lines)
            return True

        try:
            if not self.store.write_at_once(write):
                await self.store.awrite(write, durable=False)
        except Exception as error:  # whoever waits is told, whatever it is
            return error
        return None
