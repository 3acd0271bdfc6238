"""A page that lists: what it is, a filter, the rows or why there are none, and all about the one under the cursor."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Generic

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from screens import look
from screens.text import plain
from screens.troubles import in_words
from screens.widgets.bars import KeyBar, TitleBar, rule
from screens.widgets.finder import Finder
from screens.widgets.line_table import LineTable, RowT


class Listing(Vertical, Generic[RowT]):
    """`one` is what a row is called, `words` what it can be found by. Styled by widgets/listing.tcss."""

    def __init__(self, title: str, table: LineTable[RowT], *, one: str, words: str) -> None:
        super().__init__()
        self.table = table
        self.finder = Finder(table, placeholder=f"words: {words}")
        self.trouble = ""
        """Why it cannot be read at the moment."""
        self._one = one
        self._title = TitleBar(title, "reading")
        self._empty, self._detail = Static(classes="listing--empty"), Static(classes="listing--detail")
        self._shown = Content()

    def compose(self) -> ComposeResult:
        yield self._title
        yield self.finder
        yield self.table
        yield self._empty
        yield rule()
        yield self._detail
        yield KeyBar()

    def on_mount(self) -> None:
        self.table.focus()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """What goes wrong in it stands on the page, until something is read again."""
        try:
            yield
        except Exception as error:
            self.trouble = in_words(error)
        else:
            self.trouble = ""

    def show(self, rows: Sequence[RowT], *, otherwise: str | Content) -> None:
        """The rows. `otherwise`: what is said in their place, when it is not the filter that leaves none."""
        self.table.set_rows(rows)
        self.table.display, self._empty.display = bool(rows), not rows
        if rows and self.screen.focused is None:  # it was hidden, which took its focus
            self.table.focus()
        wanted = self.finder.text
        text = plain(f"No {self._one} holds {wanted}.\n\nesc shows all again.") if wanted else otherwise
        text = plain(self.trouble) if self.trouble else text
        self._empty.update(plain(text) if isinstance(text, str) else text)

    def head(self, title: str, right: str = "") -> None:
        """The line above."""
        self._title.show(title, f"{look.glyphs().warning} not readable" if self.trouble else right)

    def tell(self, lines: Iterable[Content]) -> None:
        """About the row under the cursor."""
        trouble = [plain(self.trouble, look.STYLES[look.BAD])] if self.trouble else []
        shown = Content("\n").join(trouble or lines)
        if shown != self._shown:
            height = self._detail.styles.height
            self._detail.update(shown, layout=height is not None and height.is_auto)
            self._shown = shown

    def on_key(self, event: events.Key) -> None:
        """What is typed in one burst with the key that opens the filter belongs into it."""
        if event.key == "slash" and self.may_find():
            self.finder.open()
        elif not self.finder.has_focus_within or not self.finder.take(event):
            return
        event.stop()
        event.prevent_default()

    def may_find(self) -> bool:
        """While the filter is typed in, its key is a letter."""
        return self.table.display and not self.finder.has_focus_within

    def widen(self) -> bool:
        """Show everything again; False when it did so already."""
        narrowed = bool(self.finder.text)
        if narrowed:
            self.finder.clear()
        return narrowed
