"""The controls of forms. All take part in moving with the arrow keys, and none reads markup."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.suggester import SuggestFromList
from textual.widget import Widget
from textual.widgets import Button, Input, OptionList, Select, TextArea

from screens.look import glyphs
from screens.text import one_line, plain
from screens.widgets import paging  # noqa: F401 - mends lists, by being there
from screens.widgets.in_order import InOrder
from screens.widgets.secret_input import SecretInput


class Line(InOrder, Input):
    """A line of text."""

    def __init__(self, text: str = "", *, placeholder: str = "", suggestions: Iterable[str] = ()) -> None:
        super().__init__(
            text,
            placeholder=one_line(placeholder),
            compact=True,
            select_on_focus=False,
            suggester=SuggestFromList(suggestions) if suggestions else None,
        )
        self.cursor_blink = False


class TextBlock(InOrder, TextArea):
    """Several lines of text. Tab and the arrow keys leave it at its ends."""

    keeps: ClassVar[frozenset[str]] = frozenset({"enter", "up", "down"})

    def __init__(self, text: str = "", *, placeholder: str = "") -> None:
        super().__init__(
            text, tab_behavior="focus", compact=True, placeholder=plain(placeholder), highlight_cursor_line=False
        )
        self.cursor_blink = False

    def action_cursor_up(self, select: bool = False) -> None:
        if self.navigator.is_first_wrapped_line(self.cursor_location) and not select:
            self.screen.focus_previous()
        else:
            super().action_cursor_up(select)

    def action_cursor_down(self, select: bool = False) -> None:
        if self.navigator.is_last_wrapped_line(self.cursor_location) and not select:
            self.screen.focus_next()
        else:
            super().action_cursor_down(select)


class Choice(InOrder, Select[str], inherit_bindings=False):
    """One of several. Enter or space opens the list; typing searches it."""

    keeps: ClassVar[frozenset[str]] = frozenset({"enter"})
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "show_overlay", "Choose", tooltip="Open the list; typing searches it"),
        Binding("space", "show_overlay", "Choose", tooltip="Open the list; typing searches it", show=False),
    ]

    def __init__(self, options: Iterable[tuple[str, str]], value: str = "", *, prompt: str = "none yet") -> None:
        """`options` are (text, value); a `value` that is none of them leaves the choice open."""
        listed = [(Text(one_line(text)), key) for text, key in options]
        known = any(key == value for _, key in listed)
        super().__init__(
            listed, prompt=prompt, allow_blank=not known, value=value if known else Select.NULL, compact=True
        )

    def action_show_overlay(self) -> None:
        """The list takes the very next key: Textual would give it the focus a turn later, when hasty keys are gone."""
        super().action_show_overlay()
        self.screen.set_focus(self.query_one(OptionList), scroll_visible=False)

    @property
    def taking_keys(self) -> bool:
        return not self.expanded

    @property
    def text(self) -> str:
        return "" if self.is_blank() else str(self.value)

    def offer(self, options: Iterable[tuple[str, str]], value: str) -> None:
        """Other options, with one of them chosen."""
        self.set_options([(Text(one_line(text)), key) for text, key in options])
        self.value = value


class Toggle(InOrder, Widget, can_focus=True):
    """On or off, told in words. Space switches."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("space", "switch", "Switch", tooltip="The other of the two")]

    DEFAULT_CSS = """
    Toggle { width: 1fr; height: auto; }
    Toggle:focus { background: $surface; background-tint: $foreground 5%; }
    Toggle:focus:ansi { text-style: bold; }
    """

    on: reactive[bool] = reactive(False, layout=True, init=False)

    @dataclass
    class Changed(Message):
        toggle: Toggle

        @property
        def control(self) -> Toggle:
            return self.toggle

    def __init__(self, on: bool, *, yes: str = "yes", no: str = "no") -> None:
        """`yes` and `no` say what each state means."""
        super().__init__()
        self.set_reactive(Toggle.on, on)
        self._words = {True: yes, False: no}

    @property
    def text(self) -> str:
        return "true" if self.on else "false"

    def render(self) -> Content:
        glyph = glyphs().active if self.on else glyphs().inactive
        return Content.assemble((glyph, "$text-accent" if self.on else "$text-muted"), " ", self._words[self.on])

    def watch_on(self) -> None:
        self.post_message(self.Changed(self))

    def action_switch(self) -> None:
        self.on = not self.on

    def on_click(self) -> None:
        self.action_switch()


class Push(Button):
    """A button whose label is shown as it is. `help` is for the screen to show while it has the focus."""

    def __init__(self, label: str, id: str, *, help: str = "", primary: bool = False) -> None:  # noqa: A002
        super().__init__(plain(label), variant="primary" if primary else "default", id=id, compact=True)
        self.help = help

    def name_it(self, label: str) -> None:
        """Another label; Textual would keep the width of the one before."""
        self.label = plain(label)
        self.refresh(layout=True)


class CopyBlock(Widget, can_focus=True):
    """Text to take along: a statement, a command. Enter or c sends it to the terminal's clipboard."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,c", "copy", "Copy", tooltip="Send this to your terminal's clipboard")
    ]

    DEFAULT_CSS = """
    CopyBlock { width: 1fr; height: auto; padding: 0 1; background: $surface; border-left: tall $border-blurred; }
    CopyBlock:focus { border-left: tall $border; background-tint: $foreground 5%; }
    """

    def __init__(self, text: str, *, help: str = "") -> None:  # noqa: A002
        super().__init__()
        self.text = text
        self.help = help or "Enter or c sends this to your terminal's clipboard."

    def render(self) -> Content:
        return plain(self.text)

    def action_copy(self) -> None:
        copy(self, self.text)

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.action_copy()


def copy(widget: Widget, text: str) -> None:
    """Whether it arrived, nobody can know (OSC 52)."""
    widget.app.copy_to_clipboard(text)
    widget.notify("Sent to your terminal's clipboard.", markup=False)


def text_of(control: Widget) -> str:
    """What a control holds, as text."""
    match control:
        case SecretInput() | Input():
            return control.value
        case TextArea() | Choice() | Toggle():
            return control.text
    raise TypeError(type(control).__name__)
