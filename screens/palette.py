"""Commands by name: every rotation with its verbs, from whatever page."""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.app import App
from textual.command import CommandPalette, DiscoveryHit, Hit, Hits
from textual.system_commands import SystemCommandsProvider
from textual.worker import Worker

from app.views import RotationRow
from screens import look
from screens.dialogs import confirmation
from screens.pages import ROTATIONS, go, may_leave, open_rotation
from screens.text import one_line, plain
from screens.troubles import told
from screens.widgets import paging  # noqa: F401 - mends lists, by being there

if TYPE_CHECKING:
    from screens.desk import Desk

MOST = 40
"""How many rotations are offered at once: nobody reads more."""
_FEW = 4

OPEN, ROTATE, CHECK, PLAN, PAUSE, RESUME = "Open", "Rotate", "Check", "Plan", "Pause", "Resume"
MOVE, EMERGENCY, DELETE = "Move", "Emergency", "Delete"
VERBS = (OPEN, ROTATE, CHECK, PLAN, PAUSE, RESUME, MOVE, EMERGENCY, DELETE)

Ranked = tuple[float, str, RotationRow]
"""How well it fits (higher is better), what to do, and with what."""


class Commands(SystemCommandsProvider):
    """Rotations first, then what the application offers.

    Looks through ten thousand names with every key that is pressed; only the best become widgets.
    """

    @property
    def _desk(self) -> Desk | None:
        desk: Desk | None = getattr(self.app, "desk", None)
        return desk if may_leave(self.screen) else None

    async def discover(self) -> Hits:
        desk = self._desk
        if desk is not None and desk.snapshot is not None:
            for row in desk.snapshot.rows[:_FEW]:
                text = said(OPEN, row)
                yield DiscoveryHit(plain(text), partial(carry_out, self.app, desk, OPEN, row), text=text)
        async for hit in super().discover():
            yield hit

    async def search(self, query: str) -> Hits:
        desk = self._desk
        if desk is not None and desk.snapshot is not None:
            for score, verb, row in best(query, desk.snapshot.rows):
                text = said(verb, row)
                yield Hit(score, plain(text), partial(carry_out, self.app, desk, verb, row), text=text)
        async for hit in super().search(query):
            yield hit


class Palette(CommandPalette):
    """Textual's, whose search may still be under way when it is left: then its list is gone, which is no error."""

    def run_worker(self, *args: Any, **options: Any) -> Worker[Any]:
        return super().run_worker(*args, **{**options, "exit_on_error": False})


def said(verb: str, row: RotationRow) -> str:
    return one_line(f"{verb} {row.name} ({row.environment} {row.path})")


def verbs_of(row: RotationRow) -> tuple[str, ...]:
    """What can be done with it now."""
    unfit = RESUME if row.auto_rotation else PAUSE
    return tuple(verb for verb in VERBS if verb != unfit)


def best(query: str, rows: Iterable[RotationRow]) -> list[Ranked]:
    """What is meant by "billing", "bilprod", "rot billing" or "pause"; the best first.

    Letters in their order are enough; those that stand together, and early, are better.
    """
    first, _, rest = query.lower().strip().partition(" ")
    rows = list(rows)
    found: Iterator[Ranked] = ((fit, OPEN, row) for fit, row in _fitting(f"{first} {rest}", rows))
    ranked = heapq.nlargest(MOST, found, key=_order)
    verbs = [verb for verb in VERBS if verb.lower().startswith(first)]
    if verbs and len(first) > 1:
        fitting = heapq.nlargest(MOST, _fitting(rest, rows), key=lambda each: each[0])
        ranked += [(fit, verb, row) for fit, row in fitting for verb in verbs if verb in verbs_of(row)]
    else:
        ranked += [(fit * 0.9, verb, row) for fit, _, row in ranked[:1] for verb in verbs_of(row)[1:]]
    return heapq.nlargest(MOST, dict.fromkeys(ranked), key=_order)


def _order(each: Ranked) -> float:
    return each[0]


def _fitting(words: str, rows: Iterable[RotationRow]) -> Iterator[tuple[float, RotationRow]]:
    """Those that hold all letters of the words in their order, with how well they do: 0 to 1."""
    letters = words.replace(" ", "")
    loose = re.compile(".*?".join(map(re.escape, letters)))
    together = words.split()
    for row in rows:
        text = f"{row.name} {row.environment} {row.path}".lower()
        if together and all(word in text for word in together):
            yield 1 - min(text.index(together[0]), 40) / 100 - len(row.name) / 1000, row
        elif (match := loose.search(text)) is not None:
            yield 0.5 - min(match.end() - match.start() - len(letters), 40) / 100, row


def carry_out(app: App[Any], desk: Desk, verb: str, row: RotationRow) -> None:
    """What was chosen."""
    from screens import actions

    if verb == OPEN:
        open_rotation(app, desk, row.id)
        return
    if verb == PLAN:
        from screens.rotation_page.plan import plan_screen

        app.push_screen(plan_screen(desk, row))
        return
    work = {
        ROTATE: actions.rotate,
        CHECK: _check,
        PAUSE: actions.pause_or_resume,
        RESUME: actions.pause_or_resume,
        MOVE: actions.move,
        EMERGENCY: actions.emergency,
        DELETE: actions.delete,
    }[verb]
    app.run_worker(work(app, desk, row), name=f"{verb} {row.id}")


async def _check(app: App[Any], desk: Desk, row: RotationRow) -> None:
    """Log in with both credentials, and say what came of it."""
    app.notify(f"Logging in with both credentials of {one_line(row.name)}{look.glyphs().ellipsis}")
    try:
        found = await desk.service.rotations.check(row.id)
    except Exception as error:
        known = told(error)
        title, text = f"{row.name} was not checked", "\n\n".join(part for part in (known.message, known.remedy) if part)
    else:
        title, g = f"Check of {row.name}", look.glyphs()
        marks = {True: g.healthy, False: g.failed, None: g.warning}
        text = "\n".join(f"{marks[check.ok]} {check.identity}: {check.text}" for check in found)
    if await app.push_screen_wait(confirmation(title, text, "Open its page", "Close")) == "yes":
        open_rotation(app, desk, row.id)


def everywhere(app: App[Any], desk: Desk) -> Iterator[tuple[str, str, Callable[[], object]]]:
    """(name, explanation, what to do) of what the dashboard offers, from any other page."""

    def at_the_dashboard(action: str) -> None:
        go(app, desk, ROTATIONS)
        app.call_later(app.run_action, action, app.screen_stack[0])

    yield "New rotation", "Set up a new rotation", partial(at_the_dashboard, "new")
    yield "Nights", "The next 30 days, and which nights are crowded", partial(at_the_dashboard, "nights")
