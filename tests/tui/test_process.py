"""The real process in a real terminal: a walk, signals, crashes, and what it refuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.demo.server import PrivateServer
from app.terminal import terminal_problem
from store import rotations
from tests.conftest import Database, own_database
from tests.tui.ground import open_here, row_of, set_up
from tests.tui.terminal import PATIENCE, Tty
from tests.variants import few, few_rows

pytestmark = pytest.mark.usefixtures("home")


@pytest.mark.soak
@pytest.mark.parametrize("size", [(80, 24), pytest.param((120, 40), marks=pytest.mark.soak)])
async def test_a_walk_in_a_real_terminal(pg: Database, size: tuple[int, int]) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    second = pg.role_name("billing2")
    with Tty(size=size) as tty:
        tty.sees("✓ healthy", "billing", "in 30 d", "enter Open", "q Quit")
        tty.press("r")
        tty.sees("Rotate billing now?", "Cancel")
        tty.press("enter")
        tty.sees("Done: the new credential logs in")
        tty.press("enter")
        tty.sees(f"● {second}")
        tty.press("enter")
        tty.sees("Credentials", "History", "••••", f"● {second}  active")
        tty.press("?")
        tty.sees("Log in with both credentials", "esc closes")
        tty.press("?")
        tty.sees_not("esc closes")
        tty.press("q")
        tty.sees("q Quit")
        tty.press("q")
        assert tty.ends() == 0
        assert tty.restored
    assert (await row_of(rotation_id)).active_identity == second


def test_the_first_start_says_where_key_and_data_are(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYTURN_HOME", str(tmp_path_factory.mktemp("k")))  # so short that no line ends within a name
    code = "import os, sys\nfrom app.settings import load_settings\nfrom app.tui import run_tui\n"
    with Tty(f"{code}sys.exit(run_tui(load_settings(os.environ)))") as tty:
        tty.sees("Welcome to Keyturn", "keyturn.db", "keyturn.key", "Back up both", "Any key goes on.")
        tty.press("x")
        tty.sees("No rotations yet.")
        tty.press("ctrl+q")
        assert tty.ends() == 0


@pytest.mark.parametrize(
    ("number", "code"), few_rows([(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
)
def test_a_signal_restores_the_terminal(number: signal.Signals, code: int) -> None:
    with Tty() as tty:
        tty.sees("No rotations yet.")
        tty.signal(number)
        assert tty.ends() == code
        assert tty.restored


@pytest.mark.soak
def test_a_signal_while_the_store_is_being_opened() -> None:
    with Tty() as tty:
        tty.sees("Rotation")
        tty.signal(signal.SIGTERM)
        assert tty.ends() == 143
        assert tty.restored


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGTSTP])
def test_stopped_and_continued_it_goes_on(number: signal.Signals) -> None:
    """Nothing is begun twice, which kept it from ending, and left the terminal as it had been made."""
    with Tty() as tty:
        tty.sees("No rotations yet.")
        for _ in range(3):
            tty.signal(number)
            os.waitid(os.P_PID, tty.pid, os.WSTOPPED)
            tty.read_until_quiet(0.1, at_most=PATIENCE)
            drawn = tty.output.count(b"No rotations yet.")
            tty.signal(signal.SIGCONT)
            while tty.output.count(b"No rotations yet.") == drawn:  # the terminal comes back empty
                assert tty.read(PATIENCE)
            tty.press(",")
            tty.sees("Time zone")
            tty.press("escape")
            tty.sees("No rotations yet.")
        tty.press("q")
        assert tty.ends() == 0
        assert tty.restored


def test_a_dropped_line_ends_it() -> None:
    with Tty() as tty:
        tty.sees("No rotations yet.")
        tty.hang_up()
        assert tty.ends() == 129


async def test_a_terminal_that_takes_nothing_more_does_not_stop_the_rotations(pg: Database) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    second = pg.role_name("billing2")
    with Tty() as tty:
        tty.sees("✓ healthy")
        for _ in range(40):  # opens a window and closes it again: far more than a terminal buffers
            tty.press("?", "?")
        past = datetime.now(UTC) - timedelta(minutes=1)
        async with open_here() as other:
            await other.store.awrite(
                lambda tx: rotations.update_fields(tx, rotation_id, next_rotation_at=past, due_at=past)
            )
            deadline = time.monotonic() + PATIENCE
            while (await other.rotations.detail(rotation_id)).row.active_identity != second:
                assert time.monotonic() < deadline
        tty.sees(f"● {second}")
        tty.press("ctrl+q")
        assert tty.ends() == 0
        assert tty.restored


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGTERM, 143, id="TERM", marks=pytest.mark.soak),
        pytest.param(signal.SIGHUP, 129, id="HUP"),
        pytest.param(signal.SIGINT, 130, id="INT", marks=pytest.mark.soak),
    ],
)
async def test_a_signal_parks_what_is_under_way(pg_version: str, number: signal.Signals, code: int) -> None:
    with PrivateServer(pg_version) as server, own_database(server) as pg:
        (rotation_id,) = await set_up(pg, "billing")
        with Tty() as tty:
            tty.sees("✓ healthy")
            server.pause()
            tty.press("r")
            tty.sees("Rotate now", "Cancel")
            tty.press("enter")
            tty.sees("Under way.", "done", "running")
            tty.signal(number)
            assert tty.ends() == code
            assert tty.restored
        async with open_here() as service:
            detail = await service.rotations.detail(rotation_id)
            assert [attempt.state for attempt in detail.attempts].count("open") == 1
            server.resume()
            # The lease was given back: nobody has to wait for it to run out.
            await service.rotations.rotate(rotation_id)
            credentials = await service.rotations.credentials(rotation_id)
        active = credentials.generated_credentials[credentials.active_index]
        assert pg.login(active["username"], active["password"])


async def test_quitting_waits_for_what_is_under_way_unless_asked_twice(pg_version: str) -> None:
    with PrivateServer(pg_version) as server, own_database(server) as pg:
        (rotation_id,) = await set_up(pg, "billing")
        with Tty() as tty:
            tty.sees("✓ healthy")
            server.pause()
            tty.press("r")
            tty.sees("Rotate now", "Cancel")
            tty.press("enter")
            tty.sees("Under way.", "done", "running")
            tty.press("ctrl+q")
            tty.sees("Finishing what is under way")
            server.resume()
            assert tty.ends() == 0
        assert (await row_of(rotation_id)).active_identity.startswith("billing2")

        with Tty() as tty:
            tty.sees("✓ healthy")
            server.pause()
            tty.press("r")
            tty.sees("Rotate now", "Cancel")
            tty.press("enter")
            tty.sees("Under way.", "done", "running")
            tty.press("ctrl+q")
            tty.sees("Finishing what is under way")
            tty.press("ctrl+q")
            assert tty.ends() == 0
        server.resume()


CRASH = """
import os, sys
from app.settings import load_settings
import app.tui
import screens.dashboard

def check(self):
    api_token = "sk-live-TOPSECRET"
    raise {error}

{place}
sys.exit(app.tui.run_tui(load_settings(os.environ), first_start_notice=False))
"""
PLACES = {
    "in an action": "screens.dashboard.DashboardScreen.action_connections = check",
    "in a worker": """
async def work(self):
    check(self)
screens.dashboard.DashboardScreen.action_connections = lambda self: self.run_worker(work(self))
""",
    "while drawing": """
screens.dashboard.DashboardScreen.action_connections = lambda self: (
    setattr(type(self._title), "render", check), self._title.refresh())
""",
}


@pytest.mark.parametrize("place", few(list(PLACES)))
def test_a_crash_prints_no_secret_and_exits_with_one(home: Path, place: str) -> None:
    error = 'ValueError(f"bad token {api_token}")'
    with Tty(CRASH.format(error=error, place=PLACES[place])) as tty:
        tty.sees("No rotations yet.")
        tty.press("c")
        assert tty.ends() == 1
        assert tty.restored
        said = tty.output[tty.output.rfind(b"\x1b[?1049l") :].decode().replace("\r\n", "")
    assert "Keyturn stopped: unexpected ValueError" in said
    assert "keyturn.log" in said
    log = (home / "keyturn.log").read_text()
    assert "ValueError" in log
    assert " in check" in log
    for text in (tty.output.decode(errors="replace"), log):
        assert "TOPSECRET" not in text
        assert "api_token" not in text


@pytest.mark.soak
def test_logging_and_stray_output_stay_off_the_screen(home: Path) -> None:
    code = """
import logging, os, sys, warnings
from app.settings import load_settings
import app.tui, screens.dashboard

def noisy(self):
    print("stray print")
    sys.stderr.write("stray error")
    logging.getLogger("botocore").warning("stray log of %s", "a-secret-value")
    logging.getLogger("keyturn.test").error("ours")
    warnings.warn("stray warning")
    self.notify("said it all")
screens.dashboard.DashboardScreen.action_connections = noisy
sys.exit(app.tui.run_tui(load_settings(os.environ), first_start_notice=False))
"""
    with Tty(code) as tty:
        tty.sees("No rotations yet.")
        tty.press("c")
        tty.sees("said it all")
        tty.press("ctrl+q")
        assert tty.ends() == 0
    assert b"stray" not in tty.output
    log = (home / "keyturn.log").read_text()
    assert "ours" in log
    assert "a-secret-value" not in log


def test_without_a_terminal_there_is_a_reason_and_an_alternative() -> None:
    code = "from app.terminal import terminal_problem; print(terminal_problem() or 'none')"
    piped = subprocess.run(
        [sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    )
    assert "standard input and output is not one" in piped.stdout
    assert "keyturn --run-scheduler" in piped.stdout
    assert "\x1b" not in piped.stdout
    with Tty(code.replace("problem()", "problem({'TERM': 'dumb'})")) as tty:
        tty.ends()
        assert "cannot draw on a terminal of type 'dumb'" in tty.text
        assert "\x1b" not in tty.output.decode()
    with Tty(code) as tty:
        tty.ends()
        assert "none" in tty.text


def test_a_closed_standard_stream_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "__stdout__", None)
    assert "standard input and output" in (terminal_problem({"TERM": "xterm"}) or "")


def test_the_check_of_the_terminal_costs_no_textual() -> None:
    code = "import sys, app.terminal; print(sorted({n.partition('.')[0] for n in sys.modules} & {'textual', 'rich'}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


FIRST_FRAME = """
import os, sys
from app.settings import load_settings
import app.tui

def look(self):
    print("\\n".join(strip.text for strip in self.screen._compositor.render_strips()))
    heavy = {"sqlmodel", "sqlalchemy", "pydantic", "psycopg", "alembic", "cryptography", "boto3", "msgraph", "store",
             "providers", "app.service", "app.operations"}
    print("HEAVY", sorted(heavy & set(sys.modules)))
    self.exit()
app.tui.KeyturnApp._start_opening = look
keyturn = app.tui.KeyturnApp(load_settings({**os.environ, "LANG": "C.UTF-8"}))
keyturn.run(headless=True, size=(80, 24))
"""


def test_the_first_frame_is_there_before_the_service_is_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FIRST_FRAME], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert "Rotation" in done.stdout
    assert "opening the store" in done.stdout
    assert "HEAVY []" in done.stdout


async def test_without_unicode_every_character_is_ascii(pg: Database) -> None:
    (rotation_id,) = await set_up(pg, "billing")
    async with open_here() as service:
        await service.store.awrite(lambda tx: rotations.update_fields(tx, rotation_id, description="größe 日本"))
    with Tty(environ={"LANG": "C", "LC_ALL": "C"}) as tty:
        tty.sees("+ healthy", "> + healthy")
        for key, text in [
            ("?", "esc closes"),
            ("\x03", "Press ctrl+q to quit."),
            ("\x10", "Search for commands~"),
            ("\x1b", "healthy"),
            ("\r", "gr??e ????"),
            ("d", "Type its name to confirm"),
        ]:
            tty.press(key)
            tty.sees(text)
            assert tty.text.isascii()
            if key == "?":
                tty.press("?")
                tty.sees_not("esc closes")
            if key == "\x1b":
                tty.sees_not("Search for commands")
        assert tty.output.isascii()
