"""The last step: everything at one glance, what will happen, whether it can, and how to do the same without us."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from app.errors import Explanation
from screens import guarding, look
from screens.look import MUTED, STYLES, glyphs
from screens.text import one_line, plain
from screens.widgets.controls import CopyBlock, Push
from screens.widgets.rows import rows
from screens.wizard import clock
from screens.wizard.draft import GUARD, GUARD_HOURS, ROTATE_AT, Draft, command_of, differs
from screens.wizard.facts import Facts

if TYPE_CHECKING:
    from app.operations.catalog import RotationType
    from app.views import Outlook

PREPARE_HERE = "prepare-here"


class Check(Protocol):
    """One line of the preflight as the service tells it."""

    @property
    def title(self) -> str: ...
    @property
    def result(self) -> str:
        """passed, warning or failed"""

    @property
    def detail(self) -> str: ...
    @property
    def remedy(self) -> str: ...


class Section(Vertical, can_focus=True):
    """What one step was told. Enter, its number or a click leads back there."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "change", "Change", tooltip="To this step, and back here afterwards")
    ]

    @dataclass
    class Chosen(Message):
        at: int

    def __init__(self, at: int, title: str, lines: Iterable[tuple[str, str]]) -> None:
        super().__init__(classes="section")
        self._at, self._title = at, title
        self._lines = list(lines)
        self.help = f"Enter or {at} changes this; you come back here afterwards."

    def compose(self) -> ComposeResult:
        yield Heading(f"{self._at} {self._title}", f"{self._at} changes it")
        yield rows(_labelled(self._lines))

    def action_change(self) -> None:
        self.post_message(self.Chosen(self._at))

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.action_change()


class Heading(Static):
    """A title on the left, a quiet word on the right."""

    def __init__(self, title: str, right: str = "") -> None:
        super().__init__(classes="heading")
        self._title, self._right = plain(title, "bold"), plain(right, STYLES[MUTED])

    def show(self, title: Content, right: str = "") -> None:
        self._title, self._right = title, plain(right, STYLES[MUTED])
        self.refresh()

    def render(self) -> Content:
        room = self.content_size.width - self._title.cell_length
        if room < self._right.cell_length + 2:
            return self._title
        return Content.assemble(self._title, self._right.pad_left(room - self._right.cell_length))


@dataclass(frozen=True)
class Preflight:
    """What is known about whether it can work. `checks` None and no `trouble`: still being looked at."""

    checks: Sequence[Check] | None = None
    trouble: Explanation | None = None
    why: str = ""
    """Why it is shown once more."""

    @property
    def failed(self) -> int:
        return sum(check.result == "failed" for check in self.checks or ())

    @property
    def clean(self) -> bool:
        return self.checks is not None and not self.failed

    @property
    def summary(self) -> tuple[str, str]:
        """In a few words, and its tone."""
        g = glyphs()
        if self.trouble is not None:
            return f"{g.failed} checks not possible", look.BAD
        if self.checks is None:
            return f"{g.busy} checking{g.ellipsis}", look.BUSY
        number, warnings = len(self.checks), sum(check.result == "warning" for check in self.checks)
        if self.failed:
            return f"{g.failed} {self.failed} of {number} checks failed", look.BAD
        if warnings:
            words = "1 warning" if warnings == 1 else f"{warnings} warnings"
            return f"{g.warning} {number - warnings} checks passed, {words}", look.WARN
        return f"{g.healthy} all {number} checks passed", look.GOOD


class PreflightView(Vertical, can_focus=True):
    """Each check with its result, and below it what mends it. r looks again."""

    def __init__(self, *, preparable: bool) -> None:
        super().__init__(id="preflight", classes="section")
        self.help = "r looks again. Nothing is changed by looking."
        self._preparable = preparable
        self._heading = Heading("Preflight", "r looks again")

    def compose(self) -> ComposeResult:
        yield self._heading

    async def show(self, found: Preflight) -> None:
        text, tone = found.summary
        self._heading.show(Content.assemble(("Preflight", "bold"), "  ", plain(text, STYLES[tone])), "r looks again")
        with self.app.batch_update():
            await self.query("#preflight > .found").remove()
            await self.mount_all(self._findings(found))

    def _findings(self, found: Preflight) -> Iterable[Widget]:
        if found.why:
            yield _found(Static(plain(found.why, STYLES[look.BAD])))
        if found.trouble is not None:
            yield _found(Static(plain(found.trouble.message, STYLES[look.BAD])))
            if found.trouble.remedy:
                yield _found(CopyBlock(found.trouble.remedy))
        lines: list[tuple[Content, Content]] = []
        for check in found.checks or ():
            mark = look.result_mark(check.result)
            word = "" if check.result == "passed" else f"{mark.word}: "
            text = Content.assemble(
                one_line(check.title),
                plain(f"  {word}{one_line(check.detail)}", STYLES[MUTED] if not word else mark.style),
            )
            lines.append((plain(f"  {mark.glyph}", mark.style), text))
            if check.remedy:
                yield _found(rows(lines, labels=4))
                lines = []
                yield _found(
                    CopyBlock(check.remedy, help="This mends it. Enter or c sends it to your terminal's clipboard.")
                )
        if lines:
            yield _found(rows(lines, labels=4))
        if found.checks and found.checks[0].result != "failed" and found.failed and self._preparable:
            help_text = "The SQL that creates both users: to copy, or to run through the connection."
            yield _found(Push(f"SQL that creates them{glyphs().ellipsis}", PREPARE_HERE, help=help_text))


class ReviewStep:
    """Not a form: it shows what the others asked."""

    title: ClassVar[str] = "Review"
    owns: ClassVar[tuple[str, ...]] = ()
    help: ClassVar[str] = "Nothing has been changed yet. Tab goes from part to part, a number back to its step."

    def widgets(
        self, facts: Facts, draft: Draft, titles: Sequence[str], outlook: Outlook, body: dict[str, Any]
    ) -> Iterable[Widget]:
        kind = facts.kind(draft)
        assert kind is not None
        for at, (title, lines) in enumerate(zip(titles, told(facts, kind, draft), strict=True), 1):
            yield Section(at, title, lines)
        yield what_happens(outlook)
        yield when(outlook, facts)
        yield PreflightView(preparable=kind.preparable)
        yield Vertical(Heading("The same without the wizard"), CopyBlock(command_of(kind, body)), classes="section")


def told(facts: Facts, kind: RotationType, draft: Draft) -> tuple[list[tuple[str, str]], ...]:
    """What each step was told, in their order: labels and texts."""
    return _connection(facts, draft), _parameters(kind, draft), _mapping(kind, draft), _details(draft)


def what_happens(outlook: Outlook) -> Widget:
    with_numbers = [(plain(f"  {n}."), plain(text)) for n, text in enumerate(outlook.effects, 1)]
    return Vertical(Heading("What happens"), rows(with_numbers, labels=5), classes="section")


def when(outlook: Outlook, facts: Facts) -> Widget:
    return Vertical(Heading("When"), rows(_labelled(_when(outlook, facts))), classes="section")


def _connection(facts: Facts, draft: Draft) -> list[tuple[str, str]]:
    view = facts.connection(draft)
    auto = draft.text("isAutoRotationEnabled") == "true"
    return [
        ("Connection", f"{view.name}  {view.summary}" if view else draft.text("connectionId")),
        ("Rotation interval", every(draft.text("rotationInterval"))),
        ("Rotate at", f"{draft.text(ROTATE_AT).strip()} {clock.beside(draft.text(ROTATE_AT), facts.now)}"),
        ("Auto-rotation", "on" if auto else "off: only when you say so"),
        ("If still in use", guarding.briefly(draft.text(GUARD), draft.text(GUARD_HOURS).strip())),
    ]


def _parameters(kind: RotationType, draft: Draft) -> list[tuple[str, str]]:
    shown = differs(kind, draft)
    usual = len(kind.parameters) - len(shown)
    return [*shown, *([("Everything else", "as usual")] if usual else [])]


def _mapping(kind: RotationType, draft: Draft) -> list[tuple[str, str]]:
    place = f"{draft.text('projectId')}, {draft.text('environment')}, {draft.text('secretPath').strip()}"
    names = [(f"{field.title} in", draft.text(f"secretsMapping.{field.key}").strip()) for field in kind.mapping]
    return [("Published in", place), *names]


def _details(draft: Draft) -> list[tuple[str, str]]:
    return [("Name", draft.text("name").strip().lower()), ("Description", draft.text("description").strip() or "none")]


def _when(outlook: Outlook, facts: Facts) -> list[tuple[str, str]]:
    if not outlook.runs:
        return [("Next run", "none: auto-rotation is off")]
    runs = [look.in_both_zones(run) for run in outlook.runs]
    first = f"{runs[0]}, {look.relative(outlook.runs[0], facts.now)}"
    return [("Next runs", first), *(("", run) for run in runs[1:])]


def every(days: str) -> str:
    return "every day" if days.strip() == "1" else f"every {days.strip()} days"


def _labelled(lines: Iterable[tuple[str, str]]) -> list[tuple[Content, Content]]:
    return [(plain(f"  {label}", STYLES[MUTED]), plain(one_line(text))) for label, text in lines]


def _found(widget: Widget) -> Widget:
    widget.add_class("found")
    return widget
