"""A page that is read: it is loaded while one looks on, scrolls, and can be left at any moment."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from screens import look
from screens.leaving import LeftOnce
from screens.text import plain
from screens.troubles import told
from screens.widgets import scrolling
from screens.widgets.bars import KeyBar, TitleBar, rule
from screens.widgets.passages import Passage, Passages

Load = Callable[[], Awaitable[Sequence[Passage]]]
BLANK: Passage = ("", Content())


class ReadingScreen(LeftOnce[None]):
    """`load` makes the lines, and is asked once more by r; `waiting` says what is being done meanwhile."""

    CSS_PATH = "reading.tcss"
    HELP = "A page to read: as things are at the moment. r looks again, escape leaves, also while it is loading."
    NAVIGATES: ClassVar[bool] = False

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "Back", tooltip="Back to where you were"),
        Binding("r", "load", "Look again", tooltip="As things are now"),
        Binding("question_mark,f1", "app.help", "Help", tooltip="The keys of this screen"),
        *scrolling.KEYS,
    ]

    def __init__(self, title: str, load: Load, *, waiting: str) -> None:
        super().__init__()
        self._load, self._waiting = load, waiting
        self._title = TitleBar(title)
        self._body = VerticalScroll(can_focus=False)
        self._text = Passages()
        self._since: float | None = None

    def compose(self) -> ComposeResult:
        yield self._title
        with self._body:
            yield self._text
        yield rule()
        yield KeyBar()

    def on_mount(self) -> None:
        self.set_interval(0.5, self._show_waiting)
        self.action_load()

    @work(exclusive=True)
    async def action_load(self) -> None:
        self._since = time.monotonic()
        self._show_waiting()
        try:
            lines = list(await self._load())
        except Exception as error:
            found = told(error)
            lines = [("", plain(f"{look.glyphs().failed} {found.message}", look.STYLES[look.BAD]))]
            lines += [("", plain(found.remedy))] if found.remedy else []
        self._since = None
        self._text.show(lines)
        self._title.show(right="")

    def _show_waiting(self) -> None:
        if self._since is not None:
            seconds = f" {time.monotonic() - self._since:.0f} s" if time.monotonic() - self._since >= 1 else ""
            self._title.show(right=f"{look.glyphs().busy} {self._waiting}{look.glyphs().ellipsis}{seconds}")

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_scroll(self, how: str) -> None:
        getattr(self._body, how)(animate=False)
