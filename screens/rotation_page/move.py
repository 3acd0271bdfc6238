"""Moving a rotation to another environment or folder: what becomes of its secrets, and what is in their way there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Select, Static

from app.errors import InvalidInput
from app.views import Place, RotationDetail
from screens import look
from screens.leaving import LeftOnce
from screens.text import one_line, plain
from screens.troubles import sentence, told
from screens.widgets.controls import Choice, Line, Push, Toggle
from screens.widgets.field import Field

if TYPE_CHECKING:
    from screens.desk import Desk

_PAUSE = 0.2
"""Seconds without a key after which the store is asked."""


class MoveDialog(ModalScreen[str], LeftOnce[str]):
    """Dismissed with where it was moved to, in words; "" when it was not."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Leave it", show=False),
        # Before any widget: a letter that follows in the same burst must not reach the field that was left.
        Binding("up", "leap(-1)", "Previous", show=False, priority=True),
        Binding("down", "leap(1)", "Next", show=False, priority=True),
    ]

    def __init__(
        self, desk: Desk, detail: RotationDetail, environments: Sequence[tuple[str, str]], places: Sequence[Place]
    ) -> None:
        """`environments` are (slug, name) of its project; `places`: where secrets are."""
        super().__init__()
        self._desk, self._detail = desk, detail
        row = detail.row
        here = [place.path for place in places if place.project == row.project]
        self._environment = Choice([(f"{slug}  {name}", slug) for slug, name in environments], row.environment)
        self._path = Line(row.path, suggestions=sorted(set(here)))
        self._overwrite = Toggle(False, yes="replace them", no="keep them, and do not move")
        self._fields = {
            "destinationEnvironment": Field("Environment", self._environment),
            "destinationSecretPath": Field("Path", self._path),
            "overwriteDestination": Field("Plain secrets there", self._overwrite),
        }
        self._effect, self._state = Static(classes="dialog--text"), Static()

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog", can_focus=False) as box:
            box.border_title = Content(f"Move {one_line(self._detail.row.name)}")
            yield self._effect
            yield from self._fields.values()
            yield self._state
            with Horizontal(classes="dialog--buttons"):
                yield Push("Move", "move")
                yield Push("Leave it", "leave")

    def on_mount(self) -> None:
        self._show_effect()
        self._environment.focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The open list of environments has the arrow keys to itself."""
        return action != "leap" or not self._environment.expanded

    def action_leap(self, by: int) -> None:
        if by > 0:
            self.focus_next()
        else:
            self.focus_previous()

    @property
    def _body(self) -> dict[str, Any]:
        return {
            "destinationEnvironment": self._environment.text,
            "destinationSecretPath": self._path.value,
            "overwriteDestination": self._overwrite.on,
        }

    @on(Input.Changed)
    @on(Select.Changed)
    @on(Toggle.Changed)
    def _changed(self) -> None:
        self._show_effect()
        self._look()

    def _show_effect(self) -> None:
        row, names = self._detail.row, ", ".join(self._detail.mapping.values())
        there = f"{row.project} {self._environment.text} /{self._path.value.strip().strip('/')}"
        if not self._is_elsewhere():
            said = f"{names} are in {row.project} {row.environment} {row.path}. Choose where they shall be."
        else:
            said = (
                f"{names} move from {row.project} {row.environment} {row.path} to {there}, with all their versions. "
                f"Programs that read them where they are find nothing there from then on. The target is not touched."
            )
        self._effect.update(plain(said))

    def _is_elsewhere(self) -> bool:
        row = self._detail.row
        path = f"/{self._path.value.strip().strip('/')}"
        return (self._environment.text, path) != (row.environment, row.path)

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        """Say beside a field what stands in the way there, before anybody presses the button."""
        from asyncio import sleep

        await sleep(_PAUSE)
        try:
            found = await self._desk.service.edits.move_problems(self._detail.row.id, self._body)
        except Exception as error:
            self._say(told(error).message)
            return
        self._say("")
        self._complain([(p.field, p.message) for p in found] if self._is_elsewhere() else [])

    def _complain(self, problems: Sequence[tuple[str, str]]) -> None:
        for key, field in self._fields.items():
            field.error = " ".join(sentence(text) for name, text in problems if name == key)

    def _say(self, text: str, tone: str = look.BAD) -> None:
        self._state.update(plain(text, look.STYLES[tone]) if text else "")

    @on(Input.Submitted)
    @on(Button.Pressed, "#move")
    def _confirmed(self) -> None:
        self._move()

    @work(exclusive=True, group="look")
    async def _move(self) -> None:
        self._say(f"{look.glyphs().busy} moving{look.glyphs().ellipsis}", look.BUSY)
        try:
            moved = await self._desk.service.edits.move(self._detail.row.id, self._body)
        except InvalidInput as error:
            self._say("")
            self._complain([(p.field, p.message) for p in error.problems])
            return
        except Exception as error:
            found = told(error)
            self._say(f"Not moved: {found.message} {found.remedy}".rstrip())
            return
        self.dismiss(f"{moved.environment.slug} {moved.folder.path}")

    @on(Button.Pressed, "#leave")
    def action_cancel(self) -> None:
        self.dismiss("")
