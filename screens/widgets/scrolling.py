"""The keys of a page that scrolls as a whole: it has an `action_scroll(how)`."""

from __future__ import annotations

from textual.binding import Binding

KEYS = (
    Binding("up,k", "scroll('scroll_up')", "Up", show=False),
    Binding("down,j", "scroll('scroll_down')", "Down", show=False),
    Binding("pageup", "scroll('scroll_page_up')", "Page up", show=False),
    Binding("pagedown,space", "scroll('scroll_page_down')", "Page down", show=False),
    Binding("home", "scroll('scroll_home')", "Top", show=False),
    Binding("end", "scroll('scroll_end')", "Bottom", show=False),
)
