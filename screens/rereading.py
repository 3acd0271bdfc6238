"""Reading again what changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from textual.dom import DOMNode


class Rereading:
    """One reading at a time, until nothing changed meanwhile: under a stream of changes each is still shown."""

    def __init__(self, owner: DOMNode, read: Callable[[], Awaitable[None]]) -> None:
        self.outdated, self._busy = True, False
        self._owner, self._read = owner, read

    def renew(self) -> None:
        """Something changed."""
        self.outdated = True
        self.catch_up()

    def catch_up(self) -> None:
        """Read, if something changed since."""
        if self.outdated and not self._busy:
            self._busy = True
            self._owner.run_worker(self._until_it_holds(), name="read again")

    async def _until_it_holds(self) -> None:
        try:
            while self.outdated:
                self.outdated = False
                await self._read()
        finally:
            self._busy = False
