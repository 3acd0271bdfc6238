"""Words, glyphs, times and colours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple
from datetime import UTC, datetime, timedelta, timezone

import pytest
from rich.cells import cell_len
from textual.app import App
from textual.color import Color

from app.views import Status
from screens import look
from screens.ascii import ascii_of
from screens.theme import ANSI, DARK, LIGHT, default_theme, themes

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _own_glyphs() -> Iterator[None]:
    yield
    look.choose_glyphs({"LANG": "C.UTF-8"})


@pytest.mark.parametrize(
    ("distance", "text"),
    [
        (timedelta(days=27, hours=3), "in 27 d"),
        (timedelta(days=1, hours=16), "in 1 d 16 h"),
        (timedelta(days=2), "in 2 d"),
        (timedelta(hours=4, minutes=59), "in 4 h"),
        (timedelta(minutes=12), "in 12 min"),
        (timedelta(seconds=45), "in 45 s"),
        (timedelta(milliseconds=400), "now"),
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=-61), "1 min ago"),
        (timedelta(days=-3, hours=-2), "3 d ago"),
    ],
)
def test_relative_times(distance: timedelta, text: str) -> None:
    assert look.relative(NOW + distance, NOW) == text


def test_exact_times_name_their_zone() -> None:
    east = timezone(timedelta(hours=5, minutes=30), "IST")
    assert look.exact(NOW, UTC) == "2026-03-01 09:00 UTC"
    assert look.exact(NOW, east) == "2026-03-01 14:30 IST"
    assert look.exact(NOW, UTC, seconds=True, with_zone=False) == "2026-03-01 09:00:00"
    assert look.when(None, NOW) == "never"


def test_both_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert look.in_both_zones(NOW) == "2026-03-01 10:00 CET (09:00 UTC)"
        assert look.in_both_zones(NOW.replace(hour=23, minute=30)) == "2026-03-02 00:30 CET (2026-03-01 23:30 UTC)"
        monkeypatch.setenv("TZ", "UTC")
        time.tzset()
        assert look.in_both_zones(NOW) == "2026-03-01 09:00 UTC"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(0.2, "<1 ms"), (8.4, "8 ms"), (1300, "1.3 s"), (125_000, "2 min 5 s")]
)
def test_durations(milliseconds: float, text: str) -> None:
    assert look.duration(milliseconds) == text


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"LANG": "en_US.UTF-8"}, look.UNICODE),
        ({"LANG": "de_DE.utf8", "TERM": "xterm"}, look.UNICODE),
        ({"LANG": "C.UTF-8"}, look.UNICODE),
        ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, look.ASCII),
        ({"LANG": "de_DE@euro"}, look.ASCII),
        ({}, look.ASCII),
        ({"LC_CTYPE": "C.UTF-8"}, look.ASCII),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, look.ASCII),
        ({"LANG": "en_US.UTF-8", "TERM": "linux"}, look.ASCII),
        ({"LANG": "en_US.UTF-8", "KEYTURN_ASCII": "1"}, look.ASCII),
        ({"KEYTURN_ASCII": "0"}, look.UNICODE),
    ],
)
def test_which_glyphs_a_terminal_gets(environ: dict[str, str], expected: look.Glyphs) -> None:
    assert look.choose_glyphs(environ) is expected
    assert look.glyphs() is expected


@pytest.mark.parametrize("glyphs", [look.UNICODE, look.ASCII], ids=["unicode", "ascii"])
def test_every_state_differs_by_word_and_glyph(glyphs: look.Glyphs) -> None:
    look.choose_glyphs({"KEYTURN_ASCII": "1" if glyphs is look.ASCII else "0"})
    marks = [look.status_mark(status) for status in Status]
    assert len({mark.word for mark in marks}) == len(marks)
    assert len({mark.glyph for mark in marks}) == len(marks)
    assert all(cell_len(glyph) == 1 for glyph in astuple(glyphs))
    assert all(glyph.isascii() for glyph in astuple(look.ASCII))


def test_what_has_no_ascii_keeps_its_width() -> None:
    assert ascii_of("plain text") == "plain text"
    assert ascii_of("╭─ größe 日本 ─╮…▼") == "+- gr??e ???? -+~v"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, DARK),
        ({"SSH_CONNECTION": "10.0.0.1 5 10.0.0.2 22"}, ANSI),
        ({"SSH_TTY": "/dev/pts/1"}, ANSI),
        ({"SSH_TTY": "/dev/pts/1", "TEXTUAL_THEME": "keyturn-light"}, "keyturn-light"),
        ({"TEXTUAL_THEME": "no such theme"}, DARK),
    ],
)
def test_which_theme_a_terminal_gets(environ: dict[str, str], expected: str) -> None:
    assert default_theme(environ, {theme.name for theme in themes()}) == expected


@pytest.mark.parametrize("name", [theme.name for theme in themes()])
async def test_every_theme_draws(name: str) -> None:
    app = App[None]()
    for theme in themes():
        app.register_theme(theme)
    async with app.run_test() as pilot:
        app.theme = name
        await pilot.pause()
        assert app.theme == name


def contrast(text: Color, ground: Color) -> float:
    """As the guidelines for web pages count it (WCAG 2): from 1 to 21."""

    def luminance(color: Color) -> float:
        shares = (value / 255 for value in (color.r, color.g, color.b))
        linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(ground.blend(text.with_alpha(1), text.a)), luminance(ground)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", [DARK, LIGHT])
def test_all_text_can_be_read(name: str) -> None:
    assert contrast(Color.parse("#000"), Color.parse("#fff")) == pytest.approx(21)
    (chosen,) = [each for each in themes() if each.name == name]
    known = chosen.to_color_system().generate() | chosen.variables
    said = {style.removeprefix("$") for style in look.STYLES.values()} | {"foreground", "primary", "text-primary"}
    for ground in ("background", "surface", "panel"):
        below = Color.parse(known[ground])
        for text in sorted(said | {"footer-key-foreground"}):
            assert contrast(Color.parse(known[text]), below) >= 4.5, f"{text} on {ground}"
        hints = below.get_contrast_text(float(known["text-muted"].removeprefix("auto ").removesuffix("%")) / 100)
        assert contrast(hints, below) >= 4.5, f"text-muted on {ground}"
    for text, ground in [("block-cursor-foreground", "block-cursor-background"), ("background", "primary")]:
        assert contrast(Color.parse(known[text]), Color.parse(known[ground])) >= 4.5, f"{text} on {ground}"
