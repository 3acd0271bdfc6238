"""The wizard that sets a rotation up: asks step by step, shows everything, and acts once, at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.types import CSSPathType
from textual.widgets import Button

from screens import look
from screens.form_screen import HELP_KEY
from screens.text import one_line
from screens.troubles import told
from screens.widgets.question import Question
from screens.wizard import steps
from screens.wizard.asking import FORMS, REVIEW, TITLES, Asking, Stage, own
from screens.wizard.creation import Creation, CreationView
from screens.wizard.facts import Facts
from screens.wizard.review import PREPARE_HERE, Preflight, PreflightView, ReviewStep, Section

if TYPE_CHECKING:
    from app.service import Service

_ACTIONS = {
    Stage.ASKING: ("next", "back", "leave"),
    Stage.REVIEWING: ("create", "back", "look_again", "change"),
    Stage.CREATING: ("leave",),
    Stage.FAILED: ("create", "back"),
    Stage.DONE: ("open", "leave"),
}
"""What the keys do at each stage."""
_BACK_TO_REVIEW = "Back to the review"


class WizardScreen(Asking):
    """Dismissed with the id of the rotation that is to be opened; with None when there is none to open."""

    CSS_PATH: ClassVar[CSSPathType | None] = ["../form_screen.tcss", "wizard.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+n", "next", "Next", tooltip="Check this step and go on"),
        Binding("ctrl+n", "create", "Create", tooltip="Set the rotation up"),
        Binding("ctrl+n", "open", "Open", tooltip="Open the rotation's page"),
        Binding("escape", "back", "Back", tooltip="One step back; nothing that you entered is lost"),
        Binding("escape", "leave", "Leave", tooltip="Leave the wizard; what you entered is kept as a draft"),
        Binding("r", "look_again", "Check again", tooltip="Run the preflight again"),
        *(Binding(str(at), f"change({at})", f"Change {step.title}", show=False) for at, step in enumerate(FORMS) if at),
        HELP_KEY,
    ]

    FORWARD: ClassVar[tuple[str, ...]] = ("next", "create", "open")
    """What the primary button does, the first of them that can be done."""

    class Moved(Message):
        """The creation went on or ended."""

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._preflight = Preflight()
        self._preflight_of: dict[str, Any] = {}
        self._creation: Creation | None = None

    def _frame(self) -> None:
        back, forward = {
            Stage.ASKING: ("Back" if self._at else "Leave", _BACK_TO_REVIEW if self._returning else "Next"),
            Stage.REVIEWING: ("Back", "Create rotation"),
            Stage.CREATING: ("Leave it running", ""),
            Stage.FAILED: (_BACK_TO_REVIEW, "Try again"),
            Stage.DONE: ("Done", "Open the rotation"),
        }[self._stage]
        self._back.name_it(back)
        self._next.name_it(forward or " ")
        self._next.display = bool(forward)
        self._bar.show(self._at)
        if self._stage is not Stage.REVIEWING:
            self.note("")
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if not any(action in actions for actions in _ACTIONS.values()):
            return super().check_action(action, parameters)
        if self._stage is Stage.ASKING and action in ("back", "leave"):
            return (action == "back") is (self._at > 0)
        return action in _ACTIONS[self._stage]

    @on(Button.Pressed, "#back")
    @on(Button.Pressed, "#next")
    async def _pressed(self, event: Button.Pressed) -> None:
        """The buttons do what ctrl+n and escape do."""
        event.stop()
        for action in self.FORWARD if event.button.id == "next" else ("back", "leave"):
            if self.check_action(action, ()):
                await self.run_action(action)
                return

    @work
    async def action_leave(self) -> None:
        if self._stage is Stage.ASKING:
            self._keep()
            if self._draft.touched and not await self._may_leave():
                return
        elif self._stage is Stage.CREATING and self._creation is not None:
            self._creation.changed = _telling_later(self._creation, self.app.notify)
        self.dismiss(None)

    async def _may_leave(self) -> bool:
        answers = [("leave", "Leave"), ("stay", "Stay"), ("discard", "Leave and discard the draft")]
        question = Question("Leave the wizard?", "What you entered is kept as a draft for the next time.", answers)
        answer = await self.app.push_screen_wait(question)
        if answer == "discard":
            with self.telling():
                await self._keeper.discard()
        return answer in ("leave", "discard")

    # Side trips ------------------------------------------------------------------------------------------------------

    @on(Button.Pressed, f"#{steps.NEW_CONNECTION}")
    def _new_connection_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self._make_connection()

    @work
    async def _make_connection(self) -> None:
        from screens.connection_form import ConnectionFormScreen

        assert self._kind is not None
        self._keep()
        name = await self.app.push_screen_wait(ConnectionFormScreen(self._service, self._kind.app))
        if name is not None:
            self._take_turn(lambda: self._select(name))

    async def _select(self, connection: str) -> None:
        """Come back from the connection form with the new one selected."""
        await self.form.remove_children()
        self._draft.put("connectionId", connection)
        self._last[self._at] = "rotationInterval"
        await self._show(self._at)

    @on(Button.Pressed, f"#{steps.PREPARE}")
    @on(Button.Pressed, f"#{PREPARE_HERE}")
    async def _prepare_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        with self.telling():
            mine = own(steps.ParametersStep(), await self._problems())
            if mine:
                self.complain(mine)
            else:
                self._prepare()

    @work
    async def _prepare(self) -> None:
        from screens.preparation import PreparationScreen

        assert self._facts is not None
        if (view := self._facts.connection(self._draft)) is None:
            self.say("The connection is gone; choose another one.", look.BAD)
            return
        screen = PreparationScreen(self._service, self._draft.type, self._body()["parameters"], view)
        if await self.app.push_screen_wait(screen) and self._stage is Stage.REVIEWING:
            self.action_look_again()

    @on(Button.Pressed, f"#{steps.PICK}")
    def _pick_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self._pick()

    @work
    async def _pick(self) -> None:
        from screens.picking import PickScreen

        assert self._kind is not None
        self._keep()
        creation, type_name, connection = self._service.creation, self._draft.type, self._draft.text("connectionId")
        fills = await self.app.push_screen_wait(
            PickScreen(self._kind.title, lambda query: creation.picks(type_name, connection, query))
        )
        if fills:
            self._take_turn(lambda: self._fill(fills))

    async def _fill(self, fills: Mapping[str, str]) -> None:
        """Put what was picked into the parameters."""
        await self.form.remove_children()
        for name, text in fills.items():
            self._draft.put(f"parameters.{name}", text)
        self._last[self._at] = f"parameters.{next(iter(fills))}"
        await self._show(self._at)

    # Review ----------------------------------------------------------------------------------------------------------

    @on(Section.Chosen)
    def _section_chosen(self, event: Section.Chosen) -> None:
        event.stop()
        self.action_change(event.at)

    async def _show_review(self, facts: Facts) -> None:
        body = self._body()
        self.about = ReviewStep.help
        outlook = self._service.creation.outlook(self._draft.type, body)
        await self.replace(ReviewStep().widgets(facts, self._draft, TITLES[1:REVIEW], outlook, body))
        if body == self._preflight_of and self._preflight.clean:
            await self._show_preflight()
        else:
            self._look(body)

    def action_look_again(self) -> None:
        self._look(self._body())

    @work(exclusive=True, group="preflight")
    async def _look(self, body: dict[str, Any]) -> None:
        """Ask the target whether it can work; the review can be read, and left, meanwhile."""
        self._preflight, self._preflight_of = Preflight(), body
        self._take_turn(self._show_preflight)
        try:
            checks = await self._service.creation.preflight(self._draft.type, body)
            self._preflight = Preflight(checks=checks)
        except Exception as error:
            self._preflight = Preflight(trouble=told(error))
        self._take_turn(self._show_preflight)

    async def _show_preflight(self) -> None:
        for view in self.form.query(PreflightView):
            await view.show(self._preflight)
            text, tone = self._preflight.summary
            self.note(text, tone)

    # Creation --------------------------------------------------------------------------------------------------------

    def action_create(self) -> None:
        self._take_turn(self._create)

    async def _create(self) -> None:
        if self._stage not in (Stage.REVIEWING, Stage.FAILED):
            return
        self._keep()
        self._stage = Stage.CREATING
        await self._keeper.settle()
        self._creation = Creation(self._service, self._draft.type, self._body())
        self._creation.changed = self._creation_moved
        self.about = "Each step is noted before the next begins: leaving, or losing the line, breaks nothing."
        await self.replace([CreationView(self._creation)])
        self._frame()
        self.say(self.about)
        self._back.focus()
        self.app.run_worker(self._creation.carry_out(), name="create a rotation")

    def _creation_moved(self) -> None:
        self.post_message(self.Moved())

    async def on_wizard_screen_moved(self) -> None:
        creation = self._creation
        if creation is None or self._stage is not Stage.CREATING:
            return
        for view in self.form.query(CreationView):
            view.show()
            if not creation.running:
                with self.telling():
                    await self._created(creation, view)

    async def _created(self, creation: Creation, view: CreationView) -> None:
        if creation.checks:
            await self._show_failed_checks(creation)
        elif creation.problems:
            self._stage = Stage.REVIEWING
            await self._advance(REVIEW, list(creation.problems))
        else:
            self._stage = Stage.DONE if creation.created is not None else Stage.FAILED
            await view.finish()
            self.about = ""
            self._frame()
            self.say("")
            self._next.focus()

    async def _show_failed_checks(self, creation: Creation) -> None:
        """The review, at what is wrong; what was just found out is not asked for once more."""
        self._stage = Stage.REVIEWING
        await self._show(REVIEW)
        self.workers.cancel_group(self, "preflight")
        why = "Not created, and nothing was changed: a check failed."
        self._preflight = Preflight(checks=creation.checks, why=why)
        await self._show_preflight()
        self.call_after_refresh(self.query_one(PreflightView).focus)

    async def _go_back(self) -> None:
        if self._stage is Stage.FAILED:
            await self._advance(REVIEW, await self._problems())
        elif self._stage in (Stage.ASKING, Stage.REVIEWING):
            await super()._go_back()

    def action_open(self) -> None:
        assert self._creation is not None
        assert self._creation.created is not None
        self.dismiss(self._creation.created.id)


def _telling_later(creation: Creation, notify: Callable[..., None]) -> Callable[[], None]:
    """For those who left the wizard before the creation ended."""

    def tell() -> None:
        if creation.running:
            return
        name = creation.body.get("name", "")
        if creation.created is not None:
            notify(one_line(f"Rotation {name} is set up."), markup=False)
        elif creation.failure is not None:
            text = one_line(f"Rotation {name} is not set up: {creation.failure.message}")
            notify(text, severity="error", markup=False)

    return tell
