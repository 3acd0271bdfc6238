"""Textual's own widgets without Unicode, for terminals whose locale is not UTF-8."""

from __future__ import annotations

from textual.scrollbar import ScrollBarRender
from textual.widgets._toggle_button import ToggleButton


def plain_widgets() -> None:
    """For the whole process: it has one terminal."""
    ScrollBarRender.VERTICAL_BARS = [" "] * 8
    ScrollBarRender.HORIZONTAL_BARS = [" "] * 8
    ToggleButton.BUTTON_LEFT, ToggleButton.BUTTON_INNER, ToggleButton.BUTTON_RIGHT = "[", "x", "]"
