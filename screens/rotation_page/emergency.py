"""Both credentials renewed at once: the question before it, and the report after it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from app.views import RotationDetail
from screens import look
from screens.by_name import ByName
from screens.look import MUTED, STYLES
from screens.reading import ReadingScreen
from screens.rotation_page.plan import heading, part
from screens.text import one_line, plain
from screens.widgets.passages import Passage

if TYPE_CHECKING:
    from app.operations.emergency import EmergencyReport
    from app.views import RotationRow
    from screens.desk import Desk


class EmergencyDialog(ByName[bool]):
    """Says what happens; the answer is True."""

    def __init__(self, detail: RotationDetail) -> None:
        name = detail.row.name
        super().__init__(name, f"Emergency: renew both of {name}", yes="Renew both now", no="Leave it")
        self._detail = detail

    def about(self) -> ComposeResult:
        yield Static(plain("\n".join(effects(self._detail))), classes="dialog--text")

    def answer(self) -> bool:
        return True


def effects(detail: RotationDetail) -> list[str]:
    """What exactly will happen, in its order."""
    active = next((slot.identity for slot in detail.slots if slot.active), "")
    other = next((slot.identity for slot in detail.slots if not slot.active), "")
    names = ", ".join(detail.mapping.values())
    whose = f"{other}'s" if other != active else "the inactive"
    then = f"{active}'s" if other != active else "the other one"
    return [
        "For when somebody may know the credentials who must not. At once, whatever the guard would wait for:",
        f"1 {whose} credential is replaced, tried, and published in {names}",
        f"2 {then}, active until then, is replaced too: what programs hold now is dead",
        "3 database sessions that the former credentials opened are ended",
        "Programs that do not read the secrets anew are cut off. It cannot be undone.",
    ]


def report_screen(desk: Desk, row: RotationRow) -> ReadingScreen:
    """Of the newest emergency."""

    async def load() -> list[Passage]:
        return list(lines(await desk.service.emergencies.report(row.id)))

    return ReadingScreen(f"Emergency of {row.name}", load, waiting="reading the journal")


def lines(report: EmergencyReport) -> Iterator[Passage]:
    g = look.glyphs()
    if not report.finished:
        yield "", plain(f"{g.busy} Under way, and not finished.", STYLES[look.BUSY])
    elif report.trouble:
        yield "", plain(f"{g.warning} Both credentials are new; some sessions are still open.", STYLES[look.WARN])
    else:
        said = f"{g.healthy} Both credentials are new, in {look.duration(report.ms)}. {report.active} is active."
        yield "", plain(said, STYLES[look.GOOD])
    yield "", plain(f"Asked for at {look.exact(report.asked_at, seconds=True)}.", STYLES[MUTED])
    yield from heading("What is dead, and since when")
    for dead in report.dead:
        public = ", ".join(value for value in dead.public.values() if value != dead.identity)
        which = f" ({public})" if public else ""
        yield "  ", plain(f"{dead.identity}{which}, since {look.exact(dead.since, seconds=True)}")
    if report.ended or report.left:
        yield from heading("Sessions")
    for use in report.ended:
        yield plain(f"  {g.healthy} ended ", STYLES[look.GOOD]), plain(_session(use))
    for use in report.left:
        yield plain(f"  {g.failed} still open ", STYLES[look.BAD]), plain(_session(use))
    yield from (("    ", plain(text, "bold")) for text in report.trouble)
    yield from part("What to do now", report.advice)
    yield from heading("Step by step")
    for step in report.steps:
        tries = f" ({step.tries} tries)" if step.tries > 1 else ""
        took = plain(f"  {look.duration(step.ms)}{tries}", STYLES[MUTED])
        at = look.exact(step.at, seconds=True, with_zone=False)
        yield plain(f"  {at}  ", STYLES[MUTED]), Content.assemble(f"{step.step:<9}{one_line(step.identity)}", took)


class _Use(Protocol):
    """Whose sessions, as the service tells it."""

    @property
    def who(self) -> str: ...
    @property
    def where(self) -> str: ...
    @property
    def count(self) -> int: ...


def _session(use: _Use) -> str:
    times = f", {use.count} sessions" if use.count > 1 else ""
    return f"{use.who or 'an unnamed application'}{f' from {use.where}' if use.where else ''}{times}"
