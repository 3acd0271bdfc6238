"""The part of the wizard that asks: steps, rules, the draft, and the way from step to step."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.message import Message
from textual.messages import Prune
from textual.widget import Widget
from textual.widgets import OptionList

from app.errors import Explanation
from screens import look
from screens.form_screen import FormScreen
from screens.keeper import ANEW, Keeper, offer
from screens.widgets.controls import Push, text_of
from screens.widgets.form import Form, field_of
from screens.wizard import steps
from screens.wizard.bar import StepBar
from screens.wizard.draft import KIND, Draft, body_of, mistakes
from screens.wizard.facts import Facts, learn
from screens.wizard.review import ReviewStep

if TYPE_CHECKING:
    from app.operations.catalog import RotationType
    from app.service import Service

FORMS: tuple[steps.Step, ...] = (
    steps.TypeStep(),
    steps.ConnectionStep(),
    steps.ParametersStep(),
    steps.MappingStep(),
    steps.DetailsStep(),
)
REVIEW = len(FORMS)
_USER = "parameters.username"
TITLES = (*(step.title for step in FORMS), ReviewStep.title)

Problems = list[tuple[str, str]]
"""Documented name and complaint."""


class Stage(enum.Enum):
    ASKING = enum.auto()
    REVIEWING = enum.auto()
    CREATING = enum.auto()
    FAILED = enum.auto()
    DONE = enum.auto()


class Asking(FormScreen[str | None]):
    """Every change of step is one turn of the screen's own queue, so that two keys never change it at once."""

    @dataclass
    class Turn(Message):
        take: Callable[[], Awaitable[None]]

    def __init__(self, service: Service) -> None:
        self._back, self._next = Push("Leave", "back"), Push("Next", "next", primary=True)
        super().__init__("New rotation", self._back, self._next)
        self._service = service
        self._bar = StepBar(TITLES)
        self._draft = Draft()
        self._facts: Facts | None = None
        self._keeper = Keeper(service, KIND, self._saved)
        self._at = 0
        self._stage = Stage.ASKING
        self._returning = False
        """On a step that was entered from the review, and goes back there."""
        self._last: dict[int, str] = {}
        """Where the focus was, by step."""
        self._judged: set[str] = set()
        """Fields that were left once: only these are complained about before Next is pressed."""

    def above(self) -> Iterable[Widget]:
        yield self._bar

    def on_mount(self) -> None:
        self.say_reading()
        self._start()

    async def on_prune(self, event: Prune) -> None:
        """Also when a signal ends the program: what stands in the field just being edited is kept too."""
        self._keep()  # the fields are gone when `on_unmount` is called

    async def on_unmount(self) -> None:
        await self._keeper.settle()

    def _frame(self) -> None:
        """The step bar, the buttons and the keys for this stage."""
        raise NotImplementedError

    async def _show_review(self, facts: Facts) -> None:
        raise NotImplementedError

    def _take_turn(self, take: Callable[[], Awaitable[None]]) -> None:
        self.post_message(self.Turn(take))

    async def on_asking_turn(self, message: Turn) -> None:
        with self.telling():
            await message.take()

    # The draft -------------------------------------------------------------------------------------------------------

    @work
    async def _start(self) -> None:
        with self.telling():
            kept = await self._service.drafts.load(KIND)
            draft = Draft.restored(kept.data) if kept is not None else Draft()
            if kept is not None and draft.touched:
                answer = await self.app.push_screen_wait(
                    offer(_subject(draft), kept.updated_at, self._service.context.clock())
                )
                self.say_reading()
                if not answer:
                    self.dismiss(None)
                    return
                if answer == ANEW:
                    await self._service.drafts.discard(KIND)
                else:
                    self._draft, self._at = draft, min(kept.step, REVIEW)
        self._take_turn(self._begin)

    async def _begin(self) -> None:
        await self._learn()
        await self._advance(self._at, await self._weighed())

    def _keep(self) -> None:
        if self._stage in (Stage.ASKING, Stage.REVIEWING):
            self._collect()
            if self._draft.touched:
                self._keeper.save(self._at, self._draft.document())

    def _saved(self, trouble: Explanation | None) -> None:
        if not self.is_running or self._stage is not Stage.ASKING:
            return
        if trouble is not None:
            self.note(f"The draft is not kept: {trouble.message}", look.BAD)
        elif not any(field.error for field in self.form.fields):
            self.note(f"draft kept {self._service.context.clock().astimezone():%H:%M}")

    # One step --------------------------------------------------------------------------------------------------------

    @property
    def _kind(self) -> RotationType | None:
        return self._facts.kind(self._draft) if self._facts is not None else None

    async def _learn(self) -> Facts:
        self._facts = await learn(self._service)
        self._draft.defaults = self._facts.defaults(self._draft)
        return self._facts

    def _body(self) -> dict[str, Any]:
        assert self._kind is not None
        return body_of(self._draft, self._kind, self._service.context.clock())

    async def _show(self, at: int) -> None:
        """Put a step's body in place of the present one."""
        self._keep()
        facts = await self._learn()
        self._at, self._stage = at, Stage.REVIEWING if at == REVIEW else Stage.ASKING
        if at == REVIEW:
            self._returning = False
            await self._show_review(facts)
        else:
            self.about = FORMS[at].help
            await self.replace(self._widgets(at, facts))
        self._keep()
        self._frame()
        self.say(self.about)
        self._focus_where_it_was()

    def _widgets(self, at: int, facts: Facts) -> Iterable[Widget]:
        return FORMS[at].widgets(facts, self._draft)

    def _focus_where_it_was(self) -> None:
        field = self.form.field(self._last[self._at]) if self._at in self._last else None
        if field is not None:
            self.form.focus_field(field)
        elif self._at == 1 and self._facts is not None and not self._facts.usable(self._draft):
            self.set_focus(self.query_one(f"#{steps.NEW_CONNECTION}"))
        else:
            self.focus_first()

    # Rules -----------------------------------------------------------------------------------------------------------

    def _collect(self) -> None:
        """A key can be faster than the news of the one before it: the fields themselves are what counts."""
        if self._stage is Stage.ASKING:
            for field in self.form.fields:
                if field.control.is_mounted:
                    self._draft.put(field.key, text_of(field.control))

    async def _problems(self) -> Problems:
        """What the service has against the draft, as far as it goes; no target is asked."""
        self._collect()
        if self._kind is None:
            return [("type", "Choose what to rotate.")]
        found = await self._service.creation.problems(self._draft.type, self._body())
        return [*mistakes(self._draft, self._service.context.clock()), *((p.field, p.message) for p in found)]

    async def _weighed(self) -> Problems:
        """The same, and the step bar tells which steps are not complete."""
        found = await self._problems()
        self._bar.mark(at for at, step in enumerate(FORMS) if own(step, found))
        return found

    @on(Form.Changed)
    def _changed(self, event: Form.Changed) -> None:
        event.stop()
        if self._stage is not Stage.ASKING or not event.field.is_attached or self._facts is None:
            return
        key = event.field.key
        if self._draft.put(key, event.text):
            event.field.error = ""
        self._draft.defaults = self._facts.defaults(self._draft)
        FORMS[self._at].changed(self.form, self._facts, self._draft, key)

    @on(Form.Entered)
    def _entered(self) -> None:
        field = field_of(self.focused) if self.focused is not None else None
        if field is not None and self._stage is Stage.ASKING:
            self._last[self._at] = field.key

    @on(Form.Left)
    def _left(self, event: Form.Left) -> None:
        event.stop()
        if event.field.is_attached and self._stage is Stage.ASKING:
            self._judged.add(event.field.key)
            self._keep()
            self._judge()

    @work(exclusive=True, group="judge")
    async def _judge(self) -> None:
        """Say what is wrong with the fields that were left, once something is in them."""
        with self.telling():
            self._collect()
            revision, at = self._draft.revision, self._at
            found = await self._weighed()
            if (revision, at, self._stage) == (self._draft.revision, self._at, Stage.ASKING):
                left = [field for field in self.form.fields if field.key in self._judged]
                said = frozenset(field.key for field in left if field.error or self._draft.text(field.key))
                self.form.show_errors(found, said)

    # From step to step -----------------------------------------------------------------------------------------------

    def action_next(self) -> None:
        self._take_turn(self._go_on)

    def action_back(self) -> None:
        self._take_turn(self._go_back)

    def action_change(self, at: int) -> None:
        """From the review to a step, and back again by Next."""
        self._take_turn(lambda: self._change(at))

    @on(Form.Submitted)
    def _submitted(self, event: Form.Submitted) -> None:
        event.stop()
        self.action_next()

    @on(OptionList.OptionSelected, f"#{steps.TYPES}")
    def _type_chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.action_next()

    @on(StepBar.Chosen)
    def _step_chosen(self, event: StepBar.Chosen) -> None:
        self._take_turn(lambda: self._jump(event.at))

    async def _go_on(self) -> None:
        if self._stage is not Stage.ASKING or self._facts is None:
            return
        if self._at == 0:
            self._take_type()
        found = await self._weighed()
        if mine := own(FORMS[self._at], found):
            self.complain(mine)
        else:
            await self._advance(REVIEW if self._returning else self._at + 1, found)

    def _take_type(self) -> None:
        for listed in self.form.query(f"#{steps.TYPES}").results(OptionList):
            if listed.highlighted is not None:
                self._draft.choose(str(listed.get_option_at_index(listed.highlighted).id))
        if self._facts is not None:
            self._draft.defaults = self._facts.defaults(self._draft)

    async def _advance(self, target: int, found: Problems) -> None:
        """To a step, or to the first one before it that is not valid."""
        for at, step in enumerate(FORMS[:target]):
            if mine := own(step, found):
                await self._show(at)
                self.complain(mine)
                return
        await self._show(target)

    async def _go_back(self) -> None:
        found = await self._weighed()
        if self._returning and not found:
            await self._advance(REVIEW, found)
        elif self._at > 0:
            await self._show(self._at - 1)

    async def _change(self, at: int) -> None:
        self._returning = True
        await self._show(at)

    async def _jump(self, at: int) -> None:
        """Back freely, forward as far as everything is valid."""
        if self._stage not in (Stage.ASKING, Stage.REVIEWING) or at == self._at or self._facts is None:
            return
        if at < self._at:
            await self._show(at)
        else:
            if self._at == 0:
                self._take_type()
            await self._advance(at, await self._weighed())


def own(step: steps.Step, found: Problems) -> Problems:
    """The problems of a step's fields."""
    return [(name, text) for name, text in found if any(f"{name}.".startswith(f"{field}.") for field in step.owns)]


def _subject(draft: Draft) -> str:
    """What a draft is about, as far as it goes."""
    users = " and ".join(text for key, text in draft.values.items() if key.lower().startswith(_USER) and text)
    known = [draft.text("name"), users, draft.text("connectionId")]
    return f"a rotation ({'; '.join(text for text in known if text) or draft.type})"
