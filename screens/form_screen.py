"""What all screens that ask for something have in common: a form that scrolls, and below it help, buttons and keys."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.types import CSSPathType
from textual.widget import Widget
from textual.widgets import Button, Input, Select, Static, TextArea

from screens import look
from screens.leaving import LeftOnce
from screens.text import one_line, plain
from screens.troubles import told
from screens.waiting import AT_ONCE
from screens.widgets.bars import KeyBar, TitleBar, rule
from screens.widgets.controls import Choice, Push
from screens.widgets.field import Field
from screens.widgets.form import Form, field_of
from screens.widgets.in_order import InOrder

Result = TypeVar("Result")
FEW = 6
"""So many fields have room for a blank line between them."""
HELP_KEY = Binding("f1", "app.help", "Help", tooltip="This field, and all keys")
TALL = 30
"""From so many rows on there is room for borders."""


class FormScreen(LeftOnce[Result]):
    """Title, form, hint, buttons, keys. The hint is the help of whatever has the focus."""

    CSS_PATH: ClassVar[CSSPathType | None] = "form_screen.tcss"
    AUTO_FOCUS = ""
    NAVIGATES: ClassVar[bool] = False
    """No key leads to another page from here (screens/pages.py)."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Choose", tooltip="Open the list; typing searches it", priority=True),
        Binding("enter", "leap('enter')", "Next field", show=False, priority=True),
        Binding("down", "leap('down')", "Next field", show=False, priority=True),
        Binding("up", "leap('up')", "Previous field", show=False, priority=True),
        Binding("down", "app.focus_next", "Next field", show=False),
        Binding("up", "app.focus_previous", "Previous field", show=False),
    ]

    def __init__(self, title: str, *buttons: Push) -> None:
        super().__init__()
        self._heading, self._buttons = title, buttons
        self.about = ""
        """What this screen is for: shown by help, and as a hint while nothing better is known."""
        self.form = Form(id="form")
        self._hint, self._status = Static(id="hint"), Static(id="status")

    def above(self) -> Iterable[Widget]:
        """What stands between title and form."""
        return ()

    def compose(self) -> ComposeResult:
        yield TitleBar(self._heading)
        yield from self.above()
        yield rule()
        yield self.form
        yield self._hint
        with Horizontal(id="buttons"):
            yield from self._buttons
            yield self._status
        yield KeyBar()

    async def replace(self, widgets: Iterable[Widget]) -> None:
        """Another body, drawn at once. Meanwhile nothing has the focus: a hasty enter must not press a button."""
        self.set_focus(None)
        with self.app.batch_update():
            await self.form.remove_children()
            await self.form.mount_all(shown := list(widgets))
            self.form.set_class(0 < sum(isinstance(widget, Field) for widget in shown) <= FEW, "-airy")
            self.form.scroll_home(animate=False)
            self.fit()

    def on_resize(self) -> None:
        self.fit()
        self.call_after_refresh(self._keep_focus_in_view)

    def _keep_focus_in_view(self) -> None:
        if self.focused is not None:
            self.focused.scroll_visible(animate=False)

    def fit(self) -> None:
        """Borders where there is room for them."""
        compact = self.app.size.height < TALL
        for control in self.query("Input, TextArea, Select, #buttons Button"):
            if isinstance(control, Input | TextArea | Select | Button):
                control.compact = compact

    def focus_first(self) -> None:
        """The first thing of the form that can have the focus, before the next key is looked at."""
        for widget in self.form.query("*"):
            if widget.focusable:
                self.set_focus(widget)
                return

    def say(self, text: str, tone: str = look.MUTED) -> None:
        """Something about what is being done, until the focus moves on."""
        self._hint.update(plain(one_line(text), look.STYLES[tone]), layout=False)  # its place is always the same

    def note(self, text: str, tone: str = look.MUTED) -> None:
        """A few words beside the buttons, which stay."""
        self._status.update(plain(one_line(text), look.STYLES[tone]), layout=False)

    @contextlib.contextmanager
    def telling(self) -> Iterator[None]:
        """An error of the service is said, and nothing that was entered is lost by it."""
        try:
            yield
        except Exception as error:
            found = told(error)
            self.say(f"{found.message} {found.remedy}", look.BAD)

    @contextlib.contextmanager
    def busy(self, what: str) -> Iterator[None]:
        """Say beside the buttons what is being waited for, and for how long."""
        started = time.monotonic()

        def show() -> None:
            seconds = f" {time.monotonic() - started:.0f} s" if time.monotonic() - started >= 1 else ""
            self.note(f"{look.glyphs().busy} {what}{look.glyphs().ellipsis}{seconds}", look.BUSY)

        show()
        timer = self.set_interval(0.5, show)
        try:
            yield
        finally:
            timer.stop()
            if self.is_running:
                self.note("")

    def say_reading(self) -> None:
        """Once it takes a moment until there is a form to fill in."""

        def say() -> None:
            if self.is_active and not self.form.children:  # a question above it waits for the person
                self.note(f"{look.glyphs().busy} reading{look.glyphs().ellipsis}", look.BUSY)

        self.set_timer(AT_ONCE, say)

    def complain(self, problems: Iterable[tuple[str, str]]) -> None:
        """Each under its field, the first of these focused; what belongs to no field is said."""
        problems = list(problems)
        wrong = self.form.show_errors(problems)
        if wrong:
            self.form.focus_field(wrong[0])
            number = "One field needs" if len(wrong) == 1 else f"{len(wrong)} fields need"
            self.note(f"{number} another look.", look.BAD)
        elif problems:
            self.say(problems[0][1], look.BAD)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "open":
            return isinstance(self.focused, Choice)
        if action != "leap":
            return True
        control, key = self.focused, parameters[0]
        if not isinstance(control, InOrder) or key in control.keeps:
            return False
        return key != "enter" or self.form.following() is not None

    def action_open(self) -> None:
        """The list of a choice, before the next key is looked at: that is for the list."""
        if isinstance(self.focused, Choice):
            self.focused.action_show_overlay()

    def action_leap(self, key: str) -> None:
        """To another field, before the next key is looked at."""
        if key == "enter":
            self.set_focus(self.form.following())
        elif key == "down":
            self.focus_next()
        else:
            self.focus_previous()

    def on_descendant_focus(self) -> None:
        """News of the focus may come late, in any order: what has it now is what counts."""
        if (widget := self.focused) is None:
            return
        field = field_of(widget)
        help_text = getattr(field or widget, "help", "")
        self.say(help_text or self.about)
        self.HELP = f"{self.about}\n\n{field.label}: {help_text}" if field else self.about  # type: ignore[misc]
