"""How Keyturn looks: colours, times, characters. What is chosen holds at once, and from then on."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Button

from app.errors import Explanation
from app.preferences import LOCAL, UTC_ZONE, Preferences, zone_of
from screens import look
from screens.form_screen import HELP_KEY, FormScreen
from screens.pages import SETTINGS
from screens.widgets.controls import Choice, Line, Push
from screens.widgets.field import Field
from screens.widgets.form import Form

_THEME_WORDS = {
    "auto": "as the terminal is",
    "keyturn-dark": "Keyturn dark",
    "keyturn-light": "Keyturn light",
    "keyturn-ansi": "your terminal's own 16 colours",
    "ansi-dark": "16 colours, on dark",
    "ansi-light": "16 colours, on light",
}
_TIMES_WORDS = {"relative": "relative (2 h ago, in 3 d)", "exact": "exact (12-18 02:00)"}
_MOUSE_WORDS = {"on": "clicks and scrolls here", "off": "selects text, as everywhere in your terminal"}
_ASCII_WORDS = {"auto": "as the locale says", "on": "ASCII alone", "off": "with ✓ ✗ ● and the like"}


class SettingsScreen(FormScreen[None]):
    """`choose` makes a choice hold, and says what kept it from being written down, None for nothing."""

    PAGE = SETTINGS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", tooltip="Back to where you were"),
        HELP_KEY,
    ]

    def __init__(self, chosen: Preferences, path: Path, choose: Callable[[Preferences], Explanation | None]) -> None:
        super().__init__("Settings", Push("Back", "back"))
        self._chosen, self._choose = chosen, choose
        self.about = f"What you choose holds at once on all pages, and is kept in {path}."

    def on_mount(self) -> None:
        self._start()

    @work
    async def _start(self) -> None:
        """After the screen is there: Textual would style and arrange each field three times before the first frame."""
        await self.replace(self._fields())
        self.say(self.about)
        self.focus_first()

    def _fields(self) -> Iterable[Widget]:
        chosen = self._chosen
        yield _one_of(
            "Colours",
            "theme",
            _THEME_WORDS,
            chosen.theme,
            "As the terminal is: what TEXTUAL_THEME says; else over SSH its own 16 colours; else dark or light.",
        )
        yield _one_of(
            "Times", "times", _TIMES_WORDS, chosen.times, "How moments are written in lists. Details tell both."
        )
        zone = Line(chosen.zone, placeholder="local, UTC or e.g. Europe/Berlin")
        zone.suggester = _Zones()
        yield Field(
            "Time zone",
            zone,
            key="zone",
            help="local, UTC, or a name such as Europe/Berlin. The schedule itself is kept in UTC.",
        )
        yield _one_of(
            "Characters",
            "ascii",
            _ASCII_WORDS,
            chosen.ascii,
            "For terminals and fonts that cannot show more than ASCII. KEYTURN_ASCII=1 or 0 says the same.",
        )
        yield _one_of(
            "Mouse",
            "mouse",
            _MOUSE_WORDS,
            chosen.mouse,
            "Everything can be done with keys. keyturn --no-mouse and KEYTURN_NO_MOUSE=1 turn it off, too.",
        )

    @on(Form.Changed)
    def _changed(self, event: Form.Changed) -> None:
        event.stop()
        text = event.text.strip()
        if event.field.key == "zone":
            event.field.error = ""
            if _wrong(text):  # while it is being typed
                return
        if text:
            self._take(replace(self._chosen, **{event.field.key: text}))

    @on(Form.Left)
    def _left(self, event: Form.Left) -> None:
        event.stop()
        if event.field.is_attached and event.field.key == "zone":
            event.field.error = _wrong(event.field.control.value if isinstance(event.field.control, Line) else "")

    def _take(self, chosen: Preferences) -> None:
        if chosen == self._chosen:
            return
        self._chosen = chosen
        trouble = self._choose(chosen)
        if trouble is None:
            self.note(f"{look.glyphs().healthy} kept", look.GOOD)
        else:
            self.note(f"{look.glyphs().failed} holds until you leave, but is not kept", look.BAD)
            self.app.notify(f"{trouble.message} {trouble.remedy}".strip(), severity="error", timeout=15)

    @on(Form.Submitted)
    def _submitted(self) -> None:
        self.query_one("#back").focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.action_back()

    def action_back(self) -> None:
        self.dismiss(None)


def _one_of(label: str, key: str, words: dict[str, str], chosen: str, about: str) -> Field:
    return Field(label, Choice([(said, value) for value, said in words.items()], chosen), key=key, help=about)


def _wrong(text: str) -> str:
    try:
        zone_of(text.strip())
    except ValueError as error:
        return str(error)
    return ""


class _Zones(Suggester):
    """All there are, looked up when the first letter is typed: each is a file. Capitals do not matter."""

    async def get_suggestion(self, value: str) -> str | None:
        """`value` comes in small letters."""
        names = await asyncio.to_thread(_zones)
        return next((name for name in names if name.casefold().startswith(value)), None)


@functools.cache
def _zones() -> tuple[str, ...]:
    from zoneinfo import available_timezones

    return (LOCAL, UTC_ZONE, *sorted(available_timezones()))
