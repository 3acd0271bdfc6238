"""Text that somebody else wrote (names, errors, answers of a target) on its way to the screen.

Textual reads square brackets as markup by default: `db[prod]` would lose its half, `[/]` would end the program, and
`[@click=app.quit]` would become a link. Everything that is not a literal of ours goes through here.
"""

from __future__ import annotations

import unicodedata

from textual.content import Content

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Controls, surrogates, and the marks that reorder or hide the text around them.
_UNSHOWABLE = {"Cc", "Cs"}
_REORDERING = {*"\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"}


def visible(text: str) -> str:
    """The text with tabs as spaces and everything that a terminal would obey made visible; newlines stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character) for character in text.replace("\r\n", "\n").replace("\t", "    "))


def one_line(text: str) -> str:
    """For table cells, toasts and titles: as `visible`, all in one line."""
    return " ".join(visible(text).splitlines())


def plain(text: str, style: str = "") -> Content:
    """What every widget may be given to show: no markup is read in it. `style` is ours, such as "$text-error"."""
    shown = visible(text)
    return Content.styled(shown, style) if style else Content(shown)


def _shown(character: str) -> str:
    if character == "\n":
        return character
    if character in _REORDERING or unicodedata.category(character) in _UNSHOWABLE:
        return _REPLACEMENT
    return character
