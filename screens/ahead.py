"""What the pages beyond the dashboard need is loaded while somebody looks at the dashboard, so that the first key that
opens one of them does not wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import App

if TYPE_CHECKING:
    from textual.worker import WorkType

    from app.service import Service
    from screens.desk import Desk

CALM = 0.5
"""How long after the first rotations are shown, in seconds."""
_BREATH = 0.005
"""Between two modules: keys come first."""
_PAGES = (
    "wizard",
    "wizard.edit",
    "rotation",
    "rotation_page.plan",
    "rotation_page.emergency",
    "rotation_page.move",
    "connections",
    "connection_form",
    "preparation",
    "picking",
    "secrets",
    "events",
    "deliveries",
    "settings",
    "help",
    "palette",
)


def load_ahead(app: App[int], desk: Desk) -> None:
    """Once the first rotations are there, and the screen shows them."""
    begun = False

    async def load() -> None:
        await _load(app, desk.service)

    def start() -> None:
        work: WorkType[None] = load  # not begun, so that nothing is left over when the program ends now
        app.run_worker(work, name="load ahead")

    def begin(desk: Desk) -> None:
        nonlocal begun
        if desk.snapshot is not None and not begun:
            begun = True
            app.set_timer(CALM, start)

    desk.changed.subscribe(app, begin)


async def _load(app: App[int], service: Service) -> None:
    """What cannot be loaded is told of where it is needed."""
    with contextlib.suppress(Exception):
        await asyncio.to_thread(_modules, app, service)
        _styles(app)


def _modules(app: App[int], service: Service) -> None:
    for page in _PAGES:
        if not app.is_running:
            return
        import_module(f"screens.{page}")
        time.sleep(_BREATH)
    service.catalog.rotation_types()
    service.catalog.connection_apps()


def _styles(app: App[int]) -> None:
    """Each page's own, read at once: Textual reads all that there are anew whenever a page brings some."""
    for path in sorted(Path(__file__).resolve().parent.rglob("*.tcss")):
        if not app.stylesheet.has_source(str(path), ""):
            app.stylesheet.read(path)
    app.stylesheet.reparse()
