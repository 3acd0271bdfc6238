"""The app on a stocked store at a fixed moment, and its pictures in every size and theme."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from unittest.mock import patch

from textual.widgets import Input

from app import tui
from app.service import Service, open_service
from app.settings import Settings
from app.tui import KeyturnApp
from screens.theme import DARK, LIGHT
from store.database import Tx
from tests.pictures.stock import NOW
from tests.tui.ground import SIZES, Walk, settings_here, until, walking


def opened(settings: Settings) -> Service:
    """The service at that moment, for a person called anna."""
    return open_service(settings, "tui:anna", clock=lambda: NOW)


@contextlib.asynccontextmanager
async def stocked(
    stock: Callable[[Tx], None] | None, *, until_open: bool = True, opening: Callable[[Settings], Service] = opened
) -> AsyncIterator[Walk]:
    """Nothing rotates by itself, and nothing depends on where and when this is run."""
    assert os.environ["TZ"] == "UTC"
    if stock is not None:
        service = opened(settings_here())
        try:
            await service.store.awrite(stock)
        finally:
            await service.aclose()
    app = KeyturnApp(settings_here(), first_start_notice=False, background_loop=False)
    with patch.object(tui, "_opened", opening):
        async with walking(app=app, until_open=until_open) as walk:
            yield walk


async def quiet(walk: Walk, group: str) -> None:
    """Until no work of that group is under way: a list that is filled bit by bit is as it stays."""
    await until(lambda: not any(w.group == group and not w.is_finished for w in walk.app.workers), f"{group} to end")
    await walk.pilot.pause()


async def portraits(
    walk: Walk,
    size: tuple[int, int] | None = None,
    *,
    turn: int | None = None,
    reopen: Callable[[], Awaitable[None]] | None = None,
) -> dict[str, str]:
    """SVG by variant, of the screen as it is. `size`: only this one. `turn`: one of the variants, each time another.

    `reopen` opens the screen anew: Textual's own keep the colours that they were opened with.
    """
    sizes = [size] if size else SIZES
    variants = [(size, theme) for size in sizes for theme in (DARK, LIGHT)]
    taken = {}
    for (width, height), theme in variants if turn is None else [variants[turn % len(variants)]]:
        walk.app.theme = theme
        walk.app.refresh_css(animate=False)  # now: Textual does so some time later
        await walk.pilot.resize_terminal(width, height)
        if reopen is not None:
            await reopen()
        for line in walk.screen.query(Input):
            line.cursor_blink = False
        await walk.pilot.pause()
        variant = f"{width}x{height}-{theme.removeprefix('keyturn-')}"
        taken[variant] = walk.app.export_screenshot(title="Keyturn")
    return taken
