"""A piece of work as it happens. It can be left: the work goes on."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from app.views import Progress
from screens import look
from screens.desk import DELETE, EDIT, EMERGENCY, ROTATE
from screens.leaving import LeftOnce
from screens.text import one_line, plain

if TYPE_CHECKING:
    from screens.desk import Desk, Work

STEPS = {
    "plan": "note the intent in the journal",
    "guard": "look who still uses what will die",
    "issue": "set the new credential at the target",
    "verify": "log in with it",
    "publish": "write it into the secrets",
    "retire": "remove the one it replaces",
    "sessions": "end what the former one opened",
}
_EXPECTED = ("plan", "issue", "verify", "publish")
_WORDS = {
    ROTATE: ("Rotating", "Under way.", "Done: the new credential logs in and is published."),
    DELETE: ("Deleting", "Deleting.", "Deleted."),
    EDIT: ("Changing", "Under way.", "Done: everything is changed."),
    EMERGENCY: ("Renewing both of", "Under way.", "Done: both credentials are new. Close this for the report."),
}
"""What the window, what is under way, and what came of it are called, by verb."""
_ENDED = {verb: words[-1] for verb, words in _WORDS.items()} | {EMERGENCY: "Done: both credentials are new."}
"""What came of it, for those who left the window."""


class ProgressScreen(ModalScreen[None], LeftOnce[None]):
    """The steps of one piece of work, with the time each took."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "leave", "Leave", show=False)]

    def __init__(self, desk: Desk, work: Work) -> None:
        super().__init__()
        self._desk, self._work = desk, work
        self._body = Static(classes="dialog--text")
        self._leave = Button("Leave it running", compact=True)

    def shows(self, work: Work) -> bool:
        return work is self._work

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog", can_focus=False) as box:
            box.border_title = Content(f"{_WORDS[self._work.verb][0]} {one_line(self._work.name)}")
            yield self._body
            with Horizontal(classes="dialog--buttons"):
                yield self._leave

    def on_mount(self) -> None:
        self._desk.moved.subscribe(self, self._moved)
        self._clock = self.set_interval(0.25, self._show)
        self._show()

    def on_button_pressed(self) -> None:
        self.action_leave()

    def action_leave(self) -> None:
        self.dismiss(None)

    def _moved(self, work: Work) -> None:
        if work is self._work:
            self._show()

    def _show(self) -> None:
        work = self._work
        self._body.update(Content("\n").join(_lines(work, self._desk.now())))
        if not work.running:
            self._clock.stop()
            self._leave.label = Content("Close")
            self._leave.refresh(layout=True)


def outcome(work: Work) -> str:
    """What came of work that ended, and what to do, in one or two sentences."""
    if work.error is None:
        return _ENDED[work.verb]
    return f"{work.error.message} {work.error.remedy}".strip()


def _lines(work: Work, now: datetime) -> list[Content]:
    lines: list[Content] = []
    attempts: dict[str, dict[str, Progress]] = {}
    for (attempt, step), progress in work.steps.items():
        attempts.setdefault(attempt, {})[step] = progress
    for steps in attempts.values():
        identity = next(iter(steps.values())).identity
        lines.append(plain(one_line(identity), "bold"))
        for name in STEPS:
            if name in steps or name in _EXPECTED:
                lines.append(step_line(name, steps.get(name), now))
            if name in steps and steps[name].message:
                lines.append(
                    plain(f"   {look.glyphs().warning} {one_line(steps[name].message)}", look.STYLES[look.WARN])
                )
        lines.append(Content())
    if not attempts and work.verb in (ROTATE, EMERGENCY):
        lines += [step_line(name, None, now) for name in _EXPECTED]
        lines.append(Content())
    return [*lines, *_ending(work)]


def step_line(step: str, progress: Progress | None, now: datetime) -> Content:
    """One step: its state in glyph and word, what it means, how long it took or has been taking."""
    if progress is None:
        mark, took = look.Mark(look.glyphs().waiting, "", look.MUTED), ""
    else:
        mark = look.result_mark(progress.state)
        took = look.duration(progress.ms)
        if progress.state == "started":
            took = f"{look.duration(max((now - progress.at).total_seconds() * 1000, 1))} so far"
    style = look.STYLES[look.MUTED] if progress is None else ""
    return Content.assemble(
        (f" {mark.glyph} ", mark.style),
        (f"{step:<9}{STEPS.get(step, ''):<38}", style),
        (f"{mark.word:<9}" if progress is not None else "", mark.style),
        (took, look.STYLES[look.MUTED]),
    )


def _ending(work: Work) -> list[Content]:
    g = look.glyphs()
    if work.running:
        seconds = int(time.monotonic() - work.began)
        so_far = f" {seconds} s so far." if seconds else ""
        return [plain(f"{_WORDS[work.verb][1]}{so_far} Leaving this window does not stop it.", look.STYLES[look.MUTED])]
    if work.error is None:
        return [plain(f"{g.healthy} {_WORDS[work.verb][2]}", look.STYLES[look.GOOD])]
    lines = [plain(f"{g.failed} {work.error.message}", look.STYLES[look.BAD])]
    if work.error.remedy:
        lines.append(plain(work.error.remedy))
    return lines
