"""What stands where the table would be, and what to do about it."""

from __future__ import annotations

from textual.content import Content

from screens.look import MUTED, STYLES
from screens.text import one_line, plain

_NO_ROTATIONS = (
    ("No rotations yet.", "bold"),
    ("", ""),
    ("Press  n  to set up the first one: a wizard asks for everything", ""),
    ("and changes nothing before you have seen it all.", ""),
    ("", ""),
    ("Press  c  to look after connections,  ?  for all keys.", STYLES[MUTED]),
)


def nothing_shown(query: str) -> Content:
    """`query`: what was looked for and not found; empty when there is no rotation at all."""
    if not query:
        return Content("\n").join(plain(text, style) for text, style in _NO_ROTATIONS)
    hint = plain("Press  escape  to show all of them again.", STYLES[MUTED])
    return Content("\n").join([Content.assemble(("No rotation matches ", "bold"), one_line(query)), Content(), hint])
