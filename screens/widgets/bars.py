"""The two lines that frame every screen: what it is, above, and what can be pressed, below."""

from __future__ import annotations

from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from screens.look import MUTED, STYLES, glyphs
from screens.text import one_line


class TitleBar(Static):
    """One line: the program, then where we are; on the right a word about the moment."""

    def __init__(self, title: str = "", right: str = "", *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(classes="title-bar", id=id)
        self._title, self._right = one_line(title), one_line(right)

    def show(self, title: str | None = None, right: str | None = None) -> None:
        """Change one side or both."""
        before = self._title, self._right
        self._title = self._title if title is None else one_line(title)
        self._right = self._right if right is None else one_line(right)
        if before != (self._title, self._right):
            self.refresh()

    def render(self) -> Content:
        left = Content.assemble(("Keyturn", "bold $primary"))
        if self._title:
            left = Content.assemble(left, "  ", self._title)
        right = Content.styled(self._right, STYLES[MUTED])
        room = self.content_size.width - right.cell_length
        if room < left.cell_length + 2:
            return left.truncate(max(self.content_size.width, 1), ellipsis=True)
        return Content.assemble(left.pad_right(room - left.cell_length), right)


class KeyBar(Static):
    """The keys of the screen, in its own order; those that do not fit are in the help (f1 or ?).

    Shows the bindings of the focused widget and the screen that have `show=True` and are not refused by
    `check_action`. With a mouse they can be clicked.
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(classes="key-bar", id=id)
        self._places: list[tuple[range, str]] = []
        self._drawn: list[str] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def _changed(self, screen: Screen[object]) -> None:
        if screen is self.screen and self.is_attached and self._drawn != [b.description for b in self._shown()]:
            self.refresh()

    def render(self) -> Content:
        parts: list[Content] = []
        self._places, column = [], 0
        bindings = self._shown()
        self._drawn = [binding.description for binding in bindings]
        for binding in bindings:
            label = key_label(binding)
            item = Content.assemble((label, "bold $footer-key-foreground"), (f" {binding.description}", STYLES[MUTED]))
            if column + item.cell_length > self.content_size.width:
                break
            parts.append(item)
            self._places.append((range(column, column + item.cell_length), binding.key))
            column += item.cell_length + 2
        return Content("  ").join(parts)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        for columns, key in self._places:
            if offset is not None and offset.x in columns:
                self.app.simulate_key(key)

    def _shown(self) -> list[Binding]:
        found: dict[str, Binding] = {}
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if binding.show and active.enabled:
                found.setdefault(binding.action, binding)
        return list(found.values())


_KEYS = {
    "escape": "esc",
    "question_mark": "?",
    "slash": "/",
    "comma": ",",
    "pageup": "page up",
    "pagedown": "page down",
    "space": "space",
}


def key_label(binding: Binding) -> str:
    """How a key is called where people read it: "enter", "ctrl+n", "?"."""
    *modifiers, key = binding.key.split("+")
    return binding.key_display or "+".join([*modifiers, _KEYS.get(key, key)])


def rule() -> Static:
    """A quiet line between two parts."""
    return Static(glyphs().rule * 500, classes="rule", markup=False)
