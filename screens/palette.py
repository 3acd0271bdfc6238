"""Commands by name: what the keys of the screen do, and every rotation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.screen import Screen

from screens.dashboard import DashboardScreen
from screens.text import one_line, plain
from screens.widgets import paging  # noqa: F401 - mends lists, by being there


class RotationCommands(Provider):
    """Open any rotation, from the dashboard."""

    def _named(self) -> list[tuple[str, Callable[[], object]]]:
        screen: Screen[Any] = self.screen
        if not isinstance(screen, DashboardScreen) or screen.snapshot is None:
            return []
        return [
            (one_line(f"Open {row.name} ({row.environment} {row.path})"), partial(screen.show_rotation, row.id))
            for row in screen.snapshot.rows
        ]

    async def discover(self) -> Hits:
        for text, callback in self._named()[:8]:
            yield DiscoveryHit(plain(text), callback, text=text)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for text, callback in self._named():
            if (score := matcher.match(text)) > 0:
                yield Hit(score, plain(text), callback, text=text)
