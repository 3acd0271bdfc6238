"""The wizard once more, filled in with a rotation that exists: the review shows what changes, and applies it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget

from screens import look
from screens.desk import EDIT
from screens.form_screen import HELP_KEY
from screens.keeper import ANEW, Keeper, offer
from screens.look import MUTED, STYLES, glyphs
from screens.progress import ProgressScreen
from screens.text import one_line, plain
from screens.widgets.controls import CopyBlock
from screens.widgets.field import Field
from screens.widgets.question import Question
from screens.widgets.rows import rows
from screens.wizard import steps
from screens.wizard.asking import REVIEW, TITLES, Problems, Stage
from screens.wizard.draft import Draft, mistakes
from screens.wizard.facts import Facts
from screens.wizard.former import FIXED, changes, command_of, draft_of
from screens.wizard.review import Heading, Section, told, what_happens, when
from screens.wizard.screen import WizardScreen

if TYPE_CHECKING:
    from app.operations.catalog import RotationType
    from app.views import Outlook, RotationDetail
    from screens.desk import Desk

FIRST = 1
"""The step to begin with: the type stays."""
_HELP = "What changes, and what that means. Nothing has been changed yet. A number goes back to its step."
_LEAVE = "Nothing is applied. What you changed is kept as a draft for the next time."


class EditScreen(WizardScreen):
    """Dismissed with None: the rotation's page, which it was opened from, shows what came of it."""

    FORWARD = ("next", "apply")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+n", "next", "Next", tooltip="Check this step and go on"),
        Binding("ctrl+n", "apply", "Apply", tooltip="Change the rotation"),
        Binding("ctrl+r", "review", "Review", tooltip="Straight to what changes"),
        Binding("escape", "back", "Back", tooltip="One step back; nothing that you entered is lost"),
        Binding("escape", "leave", "Leave", tooltip="Leave without changing anything; a draft is kept"),
        HELP_KEY,
    ]

    def __init__(self, desk: Desk, detail: RotationDetail) -> None:
        super().__init__(desk.service)
        self._heading = f"Edit {one_line(detail.row.name)}"
        self._desk, self._row = desk, detail.row
        self._former = draft_of(detail, desk.now())
        self._draft = draft_of(detail, desk.now())
        self._keeper = Keeper(desk.service, f"edit:{detail.row.id}", self._saved)
        self._drafted = False
        """Whether the store has a draft of what is on the screen."""

    # The draft -------------------------------------------------------------------------------------------------------

    @work
    async def _start(self) -> None:
        self._at = FIRST
        with self.telling():
            kept = await self._service.drafts.load(self._keeper.kind)
            values = self._apart(Draft.restored(kept.data).values) if kept is not None else {}
            if kept is not None and values:
                note = f"What you changed is put on top of how {self._row.name} is now."
                now = self._service.context.clock()
                question = offer(self._row.name, kept.updated_at, now, note, did="changing")
                answer = await self.app.push_screen_wait(question)
                self.say_reading()
                if not answer:
                    self.dismiss(None)
                    return
                if answer == ANEW:
                    await self._service.drafts.discard(self._keeper.kind)
                else:
                    self._draft.values.update(values)
                    self._at, self._drafted = min(max(kept.step, FIRST), REVIEW), True
        self._take_turn(self._begin)

    def _apart(self, values: Mapping[str, str]) -> dict[str, str]:
        """What differs from the rotation, under the names of the fields: by tomorrow others may have changed it."""
        former, usual = self._former.values, self._draft.defaults
        return {key: text for key, text in values.items() if text != former.get(key, usual.get(key, ""))}

    def _keep(self) -> None:
        self._collect()
        values = self._apart(self._draft.values)
        if values or self._drafted:
            self._drafted = True
            self._keeper.save(self._at, {"type": self._draft.type, "values": values})

    def _widgets(self, at: int, facts: Facts) -> Iterable[Widget]:
        """What an edit cannot change is shown, and not asked for."""
        for widget in super()._widgets(at, facts):
            if isinstance(widget, Field) and widget.key in FIXED:
                why = FIXED[widget.key]
                text = Content.assemble(
                    one_line(self._draft.text(widget.key)), (f"  {why}" if why else "", STYLES[MUTED])
                )
                yield rows([(plain(f" {widget.label}", STYLES[MUTED]), text)], labels=27)
            elif widget.id != steps.NEW_CONNECTION:
                yield widget

    def _changed_body(self) -> dict[str, Any]:
        assert self._kind is not None
        return changes(self._former, self._draft, self._kind, self._desk.now())

    async def _problems(self) -> Problems:
        self._collect()
        found = await self._service.edits.problems(self._row.id, self._changed_body())
        return [*mistakes(self._draft, self._desk.now()), *((p.field, p.message) for p in found)]

    # The frame -------------------------------------------------------------------------------------------------------

    def _frame(self) -> None:
        reviewing = self._stage is Stage.REVIEWING
        self._back.name_it("Back" if reviewing or self._at > FIRST else "Leave")
        forward = "Back to the review" if self._returning else "Next"
        self._next.name_it("Apply" if reviewing else forward)
        self._bar.show(self._at)
        if not reviewing:
            self.note("")
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        reviewing = self._stage is Stage.REVIEWING
        if action in ("create", "open", "look_again"):
            return False
        if action in ("apply", "change"):
            return reviewing
        if action in ("next", "review"):
            return not reviewing
        if action in ("back", "leave"):
            return (action == "back") is (reviewing or self._at > FIRST)
        return super().check_action(action, parameters)

    def action_review(self) -> None:
        self._take_turn(self._straight_to_review)

    async def _straight_to_review(self) -> None:
        if self._facts is not None and self._stage is Stage.ASKING:
            await self._advance(REVIEW, await self._problems())

    async def _go_back(self) -> None:
        if self._at > FIRST:
            await super()._go_back()

    async def _jump(self, at: int) -> None:
        if at >= FIRST:
            await super()._jump(at)

    @work
    async def action_leave(self) -> None:
        self._keep()
        if self._apart(self._draft.values):
            answers = [("leave", "Leave"), ("stay", "Stay"), ("discard", "Leave and forget it")]
            answer = await self.app.push_screen_wait(Question("Leave without applying?", _LEAVE, answers))
            if answer not in ("leave", "discard"):
                return
            if answer == "discard":
                await self._forget()
        elif self._drafted:
            await self._forget()
        self.dismiss(None)

    async def _forget(self) -> None:
        with self.telling():
            await self._keeper.discard()

    # Review ----------------------------------------------------------------------------------------------------------

    async def _show_review(self, facts: Facts) -> None:
        self.about = _HELP
        body = self._changed_body()
        outlook = await self._service.edits.outlook(self._row.id, body)
        await self.replace(self._review(facts, body, outlook))
        self.note("" if body else "Nothing is changed yet.")

    def _review(self, facts: Facts, body: dict[str, Any], outlook: Outlook) -> Iterable[Widget]:
        kind = facts.kind(self._draft)
        assert kind is not None
        for at, (title, lines) in enumerate(zip(TITLES[FIRST:REVIEW], self._differences(facts, kind), strict=True), 1):
            yield Section(at, title, lines)
        if not body:
            return
        yield what_happens(outlook)
        yield when(outlook, facts)
        block = CopyBlock(command_of(self._row.name, body))
        yield Vertical(Heading("The same without the wizard"), block, classes="section")

    def _differences(self, facts: Facts, kind: RotationType) -> Iterable[list[tuple[str, str]]]:
        """What was and what will be, where that is not the same."""
        for before, after in zip(told(facts, kind, self._former), told(facts, kind, self._draft), strict=True):
            was, will_be = dict(before), dict(after)
            yield [
                (label, f"{was.get(label, 'as usual')} {glyphs().arrow} {will_be.get(label, 'as usual')}")
                for label in {**was, **will_be}
                if was.get(label) != will_be.get(label) and label != "Everything else"
            ] or [("", "unchanged")]

    # Applying --------------------------------------------------------------------------------------------------------

    def action_apply(self) -> None:
        self._apply()

    @work(exclusive=True, group="apply")
    async def _apply(self) -> None:
        body = self._changed_body()
        if not body:
            self.say("Nothing is changed yet: a number goes to its step, escape leaves.")
            return
        if "parameters" in body:
            await self._carry_out(body)
            return
        with self.telling(), self.busy("changing"):
            await self._service.edits.edit(self._row.id, body)
            await self._done()

    async def _carry_out(self, body: dict[str, Any]) -> None:
        """At the target, too; it goes on when this is left."""
        work = self._desk.edit(self._row.id, self._row.name, body, self._keeper.discard)
        await self.app.push_screen_wait(ProgressScreen(self._desk, work))
        if work.verb != EDIT:
            self.say("Something else was under way. Apply once more.")
        elif work.running:
            self.dismiss(None)  # left: what comes of it is told when it ends
        elif work.error is not None:
            self.say(work.error.message, look.BAD)
        else:
            await self._done()

    async def _done(self) -> None:
        await self._forget()
        self._desk.refresh()
        self.app.notify(one_line(f"{self._row.name} is changed."), markup=False)
        self.dismiss(None)
