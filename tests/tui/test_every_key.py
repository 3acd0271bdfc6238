"""Every key that a page offers does something, on a store with rotations in every state."""

from __future__ import annotations

import pytest

from tests.pictures import stock
from tests.pictures.frames import stocked
from tests.tui.ground import Walk
from tests.variants import few

PAGES = {
    "DashboardScreen": (),
    "RotationScreen": ("enter",),
    "NightsScreen": ("t",),
    "ConnectionsScreen": ("2",),
    "SecretsScreen": ("3",),
    "EventsScreen": ("4",),
    "DeliveriesScreen": ("5",),
    "SettingsScreen": ("comma",),
}
_LEAVE = {"app.quit", "quit", "app.help_quit", "help_quit"}


@pytest.fixture(autouse=True)
def _fixed(home: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("LANG", "C.UTF-8")


async def reach(walk: Walk, page: str) -> None:
    """From wherever a key has led to, back to the page."""
    while len(walk.app.screen_stack) > 1:
        walk.app.pop_screen()
        await walk.pilot.pause()
    await walk.press(*PAGES[page])
    await walk.reaches(page)


@pytest.mark.parametrize("page", few(list(PAGES)))
async def test_it_does_something(page: str) -> None:
    """Those that move about may find nowhere to go; but none does harm."""
    async with stocked(stock.fill) as walk:
        await walk.sees("ledger")
        await reach(walk, page)
        offered = [
            (key, active.binding)
            for key, active in walk.screen.active_bindings.items()
            if active.enabled and active.binding.action not in _LEAVE
        ]
        idle = []
        for key, binding in offered:
            if type(walk.screen).__name__ != page or binding.show:
                await reach(walk, page)
            before = walk.text, walk.screen, len(walk.app._notifications)
            await walk.press(key)
            if binding.show and (walk.text, walk.screen, len(walk.app._notifications)) == before:
                idle.append((key, binding.action))
        assert idle == []
