"""Everything in ASCII, for terminals whose locale is not UTF-8: Textual's frames and arrows too, and names."""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_LOOKALIKES = {
    **dict.fromkeys("─━▔▁▂▄▀╌", "-"),
    **dict.fromkeys("│┃▌▐▎▊▕▏║", "|"),
    **dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼╸╺", "+"),
    **dict.fromkeys("█▇▆▅▃", " "),
    **dict.fromkeys("▼▾", "v"),
    **dict.fromkeys("▲▴", "^"),
    **dict.fromkeys("▶▸→", ">"),
    **dict.fromkeys("•●✓✔", "*"),
    "…": "~",
    "·": ".",
    "○": "o",
    "✗": "x",
    "✕": "x",
}


class AsciiFilter(LineFilter):
    """The last step before a line goes to the terminal."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [Segment(ascii_of(text), style, control) for text, style, control in segments]


def ascii_of(text: str) -> str:
    """As wide as before: what has no look-alike is a question mark, or two where it was wide."""
    if text.isascii():
        return text
    return "".join(_LOOKALIKES.get(c) or (c if c.isascii() else "?" * cell_len(c)) for c in text)
