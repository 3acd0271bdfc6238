"""A list of what there is at a target, to pick from: filtered by what is typed, asked for anew with each change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

from app.views import Pick
from screens.leaving import LeftOnce
from screens.look import BAD, MUTED, STYLES, glyphs
from screens.text import one_line, plain
from screens.troubles import told
from screens.widgets import paging  # noqa: F401 - mends lists, by being there
from screens.widgets.controls import Line, Push

Fills = Mapping[str, str]


class PickScreen(ModalScreen[Fills | None], LeftOnce[Fills | None]):
    """Dismissed with the parameters of what was picked, or None. Enter takes the highlighted one."""

    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", show=False),
        Binding("down", "move(1)", "Next", show=False, priority=True),
        Binding("up", "move(-1)", "Previous", show=False, priority=True),
    ]

    def __init__(
        self,
        what: str,
        ask: Callable[[str], Awaitable[list[Pick]]],
        *,
        take: str = "Take it",
        leave: str = "Type it by hand",
    ) -> None:
        """`ask` gets what was typed; `take` and `leave` are on the buttons."""
        super().__init__()
        self._what, self._ask, self._buttons = what, ask, (take, leave)
        self._found: list[Pick] = []
        self._wanted = Line(placeholder="part of its name")
        self._listed = OptionList(compact=True, markup=False, classes="picks")
        self._listed.can_focus = False
        self._state = Static(classes="picks--state")

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog", can_focus=False) as box:
            box.border_title = Content(one_line(self._what))
            yield self._wanted
            yield self._state
            yield self._listed
            with Horizontal(classes="dialog--buttons"):
                yield Push(self._buttons[0], "take")
                yield Push(self._buttons[1], "cancel")

    def on_mount(self) -> None:
        self._load("")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._load(event.value)

    @work(exclusive=True)
    async def _load(self, query: str) -> None:
        """Only the newest question is waited for."""
        self._say(f"{glyphs().busy} asking{glyphs().ellipsis}", MUTED)
        try:
            found = await self._ask(query)
        except Exception as error:
            known = told(error)
            self._show([])
            self._say(f"{glyphs().failed} {known.message} {known.remedy}".strip(), BAD)
            return
        self._show(found)
        leave = self._buttons[1].lower()
        count = f"{len(found)} found" if found else f"Nothing found; esc: {leave}."
        self._say(f"{count}, enter takes the highlighted one" if found else count, MUTED)

    def _show(self, found: list[Pick]) -> None:
        self._found = found
        self._listed.clear_options()
        self._listed.add_options(
            Option(
                Content.assemble((one_line(pick.title), "bold"), "  ", plain(one_line(pick.detail), STYLES[MUTED])),
                id=str(number),
            )
            for number, pick in enumerate(found)
        )
        self._listed.highlighted = 0 if found else None

    def _say(self, text: str, tone: str) -> None:
        self._state.update(plain(text, STYLES[tone]))

    def action_move(self, by: int) -> None:
        if self._found and self._listed.highlighted is not None:
            self._listed.highlighted = (self._listed.highlighted + by) % len(self._found)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._found[event.option_index].fills)

    @on(Input.Submitted)
    @on(Button.Pressed, "#take")
    def _take(self) -> None:
        if self._found and self._listed.highlighted is not None:
            self.dismiss(self._found[self._listed.highlighted].fills)

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        self.dismiss(None)
