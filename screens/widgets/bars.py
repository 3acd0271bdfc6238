"""The two lines that frame every screen: what it is, above, and what can be pressed, below."""

from __future__ import annotations

from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from screens.look import glyphs
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
        left = Content.assemble(("Keyturn", "bold $text-primary"))
        if self._title:
            left = Content.assemble(left, "  ", self._title)
        right = Content.styled(self._right, "$text-muted")
        room = self.content_size.width - right.cell_length
        if room < left.cell_length + 2:
            return left.truncate(max(self.content_size.width, 1), ellipsis=True)
        return Content.assemble(left.pad_right(room - left.cell_length), right)


class KeyBar(Static):
    """The keys of the screen, in its own order; those that do not fit are in the help (f1 or ?).

    Shows the bindings of the screen and its focused widget that have `show=True` and are not refused by `check_action`.
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(classes="key-bar", id=id)

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def _changed(self, screen: Screen[object]) -> None:
        if screen is self.screen and self.is_attached:
            self.refresh()

    def render(self) -> Content:
        parts: list[Content] = []
        room = self.content_size.width
        for key, label in self._shown():
            item = Content.assemble((key, "bold $footer-key-foreground"), (f" {label}", "$text-muted"))
            room -= item.cell_length + 2
            if room < -2:
                break
            parts.append(item)
        return Content("  ").join(parts)

    def _shown(self) -> list[tuple[str, str]]:
        found: dict[str, tuple[str, str]] = {}
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if binding.show and active.enabled and binding.action not in found:
                found[binding.action] = (self.app.get_key_display(binding), binding.description)
        return list(found.values())


def rule() -> Static:
    """A quiet line between two parts."""
    return Static(glyphs().rule * 500, classes="rule")
