"""The keys of the screen that was left to read this."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from screens.leaving import LeftOnce
from screens.look import MUTED, STYLES
from screens.text import plain
from screens.widgets.bars import key_label

_HIDDEN = {"app.help_quit", "help_quit", "screen.copy_text", "app.command_palette", "command_palette"}
_HIDDEN |= {"scroll_left", "scroll_right", "page_left", "page_right", "screen.minimize"}


class HelpScreen(ModalScreen[None], LeftOnce[None]):
    """`about` explains the screen, `keys` are (key, what it does)."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,f1,q,enter", "close", "Close", show=False)]

    def __init__(self, about: str, keys: list[tuple[str, str]]) -> None:
        super().__init__()
        self._about, self._keys = about, keys

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog", can_focus=True) as box:
            box.border_title = Content("Keys")
            box.border_subtitle = Content("esc closes")
            lines = [plain(self._about), Content()] if self._about else []
            width = max((len(key) for key, _ in self._keys), default=0)
            lines += [
                Content.assemble((key.ljust(width), "bold $footer-key-foreground"), f"  {what}")
                for key, what in self._keys
            ]
            lines += [Content(), plain("Shift with the mouse selects text in most terminals.", STYLES[MUTED])]
            yield Static(Content("\n").join(lines))

    def action_close(self) -> None:
        self.dismiss(None)


def help_for(screen: Screen[object]) -> HelpScreen:
    """Keys that work on this screen now, the screen's own first."""
    keys: dict[str, tuple[list[str], str]] = {}
    everything = screen.active_bindings.values()
    for active in sorted(everything, key=lambda active: (not active.binding.show, active.node is not screen)):
        binding = active.binding
        if not active.enabled or not binding.description or binding.action in _HIDDEN or binding.system:
            continue
        shown, _ = keys.setdefault(binding.action, ([], binding.tooltip or binding.description))
        shown.append(key_label(binding))
    listed = [(", ".join(dict.fromkeys(shown)), what) for shown, what in keys.values()]
    listed.append(("ctrl+p", "All commands, and rotations by name"))
    about = screen.HELP or ""
    return HelpScreen(about, listed)
