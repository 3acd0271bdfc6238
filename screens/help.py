"""The keys of the screen that was left to read this."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import ModalScreen, Screen
from textual.widgets import Input, Static, TextArea

from screens.leaving import LeftOnce
from screens.look import MUTED, STYLES
from screens.text import plain
from screens.widgets.bars import key_label
from screens.widgets.rows import rows

HERE, EVERYWHERE, FIELDS = "On this screen", "Everywhere", "In a field"
_HIDDEN = {"app.help_quit", "help_quit", "screen.copy_text", "app.command_palette", "command_palette", "app.help"}
_HIDDEN |= {
    "app.focus_next",
    "app.focus_previous",
    "quit",
    "scroll_left",
    "scroll_right",
    "page_left",
    "page_right",
    "screen.minimize",
}
_ALWAYS = (
    ("ctrl+p", "All commands, and rotations by name"),
    ("?, f1", "This help; f1 also while a field has the focus"),
    ("tab, shift+tab", "To the next, to the previous part of the screen"),
    ("ctrl+q", "Leave Keyturn; what is under way ends first"),
)

_WIDEST = 18
"""How many columns keys may have; some things have many."""

Keys = list[tuple[str, str]]
"""(key, what it does)."""


class HelpScreen(ModalScreen[None], LeftOnce[None]):
    """`about` explains the screen, `groups` are its keys."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,f1,q,enter", "close", "Close", show=False)]

    def __init__(self, about: str, groups: dict[str, Keys]) -> None:
        super().__init__()
        self._about, self._groups = about, groups

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog", can_focus=True) as box:
            box.border_title = Content("Keys")
            box.border_subtitle = Content("up and down scroll, esc closes")
            if self._about:
                yield Static(plain(self._about))
            for title, keys in self._groups.items():
                width = min(max(len(key) for key, _ in keys), _WIDEST)
                yield Static(Content.assemble("\n", (title, "bold")))
                lines = [(Content.styled(key, "bold $footer-key-foreground"), plain(what)) for key, what in keys]
                yield rows(lines, labels=width + 2)
            yield Static(plain("\nShift with the mouse selects text in most terminals.", STYLES[MUTED]))

    def action_close(self) -> None:
        self.dismiss(None)


def help_for(screen: Screen[object]) -> HelpScreen:
    """Keys that work on this screen now, its own first, then those of the application, then those of its fields."""
    found: dict[str, dict[str, tuple[list[str], str]]] = {HERE: {}, EVERYWHERE: {}, FIELDS: {}}
    everything = screen.active_bindings.values()
    for active in sorted(everything, key=lambda active: (not active.binding.show, active.node is not screen)):
        if active.enabled:
            _add(found[_group(active.node, screen)], [active.binding])
    if not found[FIELDS] and (field := next(iter(screen.query(Input)), None)) is not None:
        _add(found[FIELDS], (binding for _, binding in field._bindings))
    groups = {
        title: [(", ".join(dict.fromkeys(shown)), what) for shown, what in g.values()] for title, g in found.items()
    }
    groups[EVERYWHERE] += _ALWAYS
    return HelpScreen(screen.HELP or "", {title: keys for title, keys in groups.items() if keys})


def _group(node: DOMNode, screen: Screen[object]) -> str:
    if node is screen.app:
        return EVERYWHERE
    return FIELDS if isinstance(node, Input | TextArea) else HERE


def _add(keys: dict[str, tuple[list[str], str]], bindings: Iterable[Binding]) -> None:
    for binding in bindings:
        if binding.description and binding.action not in _HIDDEN and not binding.system:
            shown, _ = keys.setdefault(binding.action, ([], binding.tooltip or binding.description))
            shown.append(key_label(binding))
