"""A password field gives nothing away: Textual's own copies it to the terminal on ctrl+c."""

from __future__ import annotations

import pytest
from textual.app import App, ComposeResult
from textual.widgets import Input

from screens.widgets.secret_input import SecretInput

SECRET = "  hunter2-SECRET "


class Form(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.field = SecretInput()

    def compose(self) -> ComposeResult:
        yield Input()
        yield self.field


@pytest.mark.parametrize("keys", [["ctrl+c"], ["super+c"], ["ctrl+x"], ["shift+home", "ctrl+c"], ["ctrl+a", "ctrl+x"]])
async def test_nothing_reaches_the_clipboard(keys: list[str]) -> None:
    app = Form()
    async with app.run_test() as pilot:
        app.field.focus()
        await pilot.press(*SECRET)
        app.field.action_select_all()
        await pilot.press(*keys)
        assert app.clipboard == ""
        assert app.field.value == SECRET


async def test_it_shows_bullets_and_keeps_every_character() -> None:
    app = Form()
    async with app.run_test() as pilot:
        app.field.focus()
        await pilot.press(*SECRET)
        drawn = "\n".join(strip.text for strip in app.screen._compositor.render_strips())
        assert "hunter2" not in drawn
        assert "•" * len(SECRET) in drawn
        assert app.field.value == SECRET


async def test_pasting_is_allowed() -> None:
    app = Form()
    async with app.run_test() as pilot:
        app.field.focus()
        app._clipboard = SECRET
        await pilot.press("ctrl+v")
        assert app.field.value == SECRET
