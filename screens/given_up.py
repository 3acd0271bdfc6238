"""A word on the screen, whichever it is, when a delivery is given up."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from textual.app import App

from screens.text import one_line
from screens.troubles import told

if TYPE_CHECKING:
    from screens.desk import Desk


class Watch:
    """Looks whenever the store has changed; what was given up before this began is on the deliveries page."""

    def __init__(self, app: App[int], desk: Desk) -> None:
        self._app, self._desk = app, desk
        self._after: datetime = desk.now()
        self._looking = False
        desk.changed.subscribe(app, lambda desk: self._start())

    def _start(self) -> None:
        if not self._looking:
            self._looking = True
            self._app.run_worker(self._look(), name="look for deliveries given up", exit_on_error=False)

    async def _look(self) -> None:
        try:
            found = await self._desk.service.deliveries.given_up(self._after)
        except Exception as error:
            told(error)  # the desk tells of a store in trouble
            return
        finally:
            self._looking = False
        for view in found:
            self._after = view.finished_at or self._after
        if found:
            newest = found[-1]
            text = (
                f"The hook {one_line(newest.hook)} could not be told of {newest.event} of {one_line(newest.rotation)}"
            )
            more = f", and {len(found) - 1} more were given up" if len(found) > 1 else ""
            self._app.notify(f"{text}{more}. Key 5 shows why.", severity="error", timeout=20)
