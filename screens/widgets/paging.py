"""Page up and page down in a list that is not drawn yet. Textual 8 looks for its lines there and ends the program: two
hasty keys in the command palette, or in a choice that was just opened, are enough."""

from __future__ import annotations

from textual.widgets import OptionList

_move_page = OptionList._move_page


def _move_page_if_drawn(listed: OptionList, direction: int) -> None:
    if listed._index_to_line:
        _move_page(listed, direction)  # type: ignore[arg-type]


OptionList._move_page = _move_page_if_drawn  # type: ignore[method-assign,assignment]
