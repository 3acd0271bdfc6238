"""What a person chooses holds at once, and is kept in a file that is never spoiled."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from textual import events
from textual.color import Color
from textual.widgets import OptionList

from app.errors import KeyturnError
from app.preferences import DEFAULTS, Preferences, load, save
from app.settings.file import read_path
from app.settings.places import FILE_NAME
from screens import look
from tests.conftest import Database
from tests.tui.ground import Walk, row_of, set_up, settings_here, until, walking
from tests.tui.wizardry import complains, field, fill, press


@pytest.fixture(autouse=True)
def usual_look() -> Iterator[None]:
    """Other tests find everything as it was."""
    yield
    look.choose_times(look.Times())
    look.choose_glyphs({}, asked=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "inside" / FILE_NAME


async def choose(walk: Walk, title: str, word: str) -> None:
    """Open the list of a field and take the entry that begins so.

    Going down to it: typing its beginning counts as one word only when the keys arrive within a moment of each other.
    """
    await field(walk, title)
    await press(walk, "enter")
    await until(lambda: isinstance(walk.focused(), OptionList), f"the list of {title}")
    entries = walk.focused()
    assert isinstance(entries, OptionList)
    await press(walk, "home")
    for _ in range(entries.option_count):
        if entries.highlighted_option and str(entries.highlighted_option.prompt).lower().startswith(word):
            break
        await press(walk, "down")
    await press(walk, "enter")


@pytest.mark.usefixtures("home")
async def test_choices_hold_at_once_and_at_the_next_start(pg: Database) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    row = await row_of(rotation_id)
    assert row.next_at is not None
    path = settings_here().file.path
    path.write_text("# mine\nconcurrency = 3\n")
    async with walking() as walk:
        await walk.sees("in 30 d")
        await press(walk, "comma")
        await walk.reaches("SettingsScreen")
        await walk.sees("as the terminal is", "relative", "local")
        await choose(walk, "Colours", "keyturn l")
        await until(lambda: walk.app.theme == "keyturn-light", "the light theme")
        assert walk.screen.styles.background == Color.parse("#f6f5f1")
        await press(walk, "tab")
        await choose(walk, "Times", "exact")
        await press(walk, "tab")
        await fill(walk, "Time zone", "Asia/Nowhere")
        await press(walk, "tab")
        await complains(walk, "Time zone", "There is no time zone 'Asia/Nowhere'")
        await press(walk, "shift+tab")
        await fill(walk, "Time zone", "asia/toky")
        await walk.sees("asia/tokyo")  # the end of the name, in grey
        await press(walk, "right", "tab")
        await choose(walk, "Characters", "ascii")
        await walk.sees("+ kept")
        await press(walk, "escape")
        await walk.reaches("DashboardScreen")
        shown = f"{row.next_at + timedelta(hours=9):%m-%d %H:%M}"
        await walk.sees(shown, "+ healthy", "JST")
        await walk.sees_not("✓")
    assert load(read_path(path)) == (Preferences("keyturn-light", "exact", "Asia/Tokyo", "on"), [])
    assert path.read_text().startswith("# mine\nconcurrency = 3\n\n[ui]\n")
    async with walking() as walk:
        await walk.sees(shown, "+ healthy", "JST")
        assert walk.app.theme == "keyturn-light"


@pytest.mark.usefixtures("home")
async def test_hasty_keys_choose_from_the_list_that_they_opened() -> None:
    async with walking() as walk:
        await press(walk, "comma")
        await walk.reaches("SettingsScreen")
        await press(walk, "tab")
        await field(walk, "Times")
        chosen = walk.focused()
        for key in ("enter", "down", "enter"):
            walk.app.post_message(events.Key(key, None))
        await walk.sees("kept")
        assert load(read_path(settings_here().file.path))[0].times != DEFAULTS.times
        assert walk.focused() is chosen


@pytest.mark.usefixtures("home")
async def test_what_makes_no_sense_is_told_and_a_broken_file_is_left_alone() -> None:
    path = settings_here().file.path
    path.parent.mkdir(parents=True)
    path.write_text('[ui]\ntheme = "keyturn-light"\ntimes = "exakt"\n')
    async with walking() as walk:
        said = [toast.message for toast in walk.app._notifications]
        assert any(f"{path}:3: times: must be one of: relative" in text for text in said), said
        assert walk.app.theme == "keyturn-light"
        path.write_text('[ui]\ntheme = "keyturn-light"\ntimes = exact\n')
        await press(walk, "comma")
        await walk.reaches("SettingsScreen")
        await choose(walk, "Colours", "keyturn d")
        await walk.sees("✗ holds until you leave, but is not kept")
        assert walk.app.theme == "keyturn-dark"
    assert "times = exact" in path.read_text()


def test_all_other_lines_stay(file: Path) -> None:
    assert load(read_path(file)) == (DEFAULTS, [])
    save(file, Preferences(times="exact"))
    assert file.read_text() == '[ui]\ntimes = "exact"\n'
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    file.write_text('# mine\nodd = 1\n\n[ui]\nthem = "x"\ntheme="keyturn-dark" # nice\n\n[other]\ntheme = "x"\n')
    file.chmod(0o640)
    save(file, Preferences(theme="keyturn-light", zone="UTC"))
    assert file.read_text() == (
        '# mine\nodd = 1\n\n[ui]\nthem = "x"\ntheme = "keyturn-light"\nzone = "UTC"\n\n[other]\ntheme = "x"\n'
    )
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    found, problems = load(read_path(file))
    assert found == Preferences(theme="keyturn-light", zone="UTC")
    assert problems == [f"{file}:5: there is no setting 'ui.them'; it changes nothing. Did you mean ui.theme?"]
    assert [path.name for path in file.parent.iterdir()] == [FILE_NAME], "no draft is left"
    for text in ('ui = {theme = "auto"}\n', 'ui.theme = "auto"\n', "ui = 3\n"):
        file.write_text(text)
        with pytest.raises(KeyturnError, match="that Keyturn cannot change"):
            save(file, Preferences(theme="keyturn-light"))
        assert file.read_text() == text
    assert load(read_path(file)) == (DEFAULTS, [f"{file}:1: ui must be a table."])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('theme = "pink"', "theme: must be one of: auto, keyturn-dark"),
        ("times = 3", "times must be text."),
        ('zone = "Europe"', "There is no time zone 'Europe'"),
        ('zone = "../etc/passwd"', "There is no time zone"),
        ('ascii = "perhaps"', "ascii: must be one of: auto, on, off"),
    ],
)
def test_the_default_stands_in_for_a_value_that_makes_no_sense(file: Path, text: str, complaint: str) -> None:
    file.parent.mkdir()
    file.write_text(f"[ui]\n{text}\n")
    found, problems = load(read_path(file))
    assert found == DEFAULTS
    assert len(problems) == 1
    assert f"{file}:2: " in problems[0]
    assert complaint in problems[0]
