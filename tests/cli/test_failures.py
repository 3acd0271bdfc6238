"""What happens when something goes wrong: words for people, details without secrets in the log, work that goes on."""

from __future__ import annotations

import json
import logging
import os
import signal
import stat
import sys
import threading
from pathlib import Path

import pytest

from app import logs
from app.errors import RotationFailed
from app.operations.connections import Connections
from app.operations.rotations import Rotations
from store.errors import StoreError
from tests.cli.ground import Ground, Running, done, keyturn, process

NAME = "my-pg-rotation"
SECRET = "hunter2-in-the-exception"


class Odd(Exception):
    """A defect whose text and locals hold a secret."""


async def _defective(*_: object) -> object:
    password = SECRET
    raise Odd(f"cannot use {password}")


def test_a_defect_is_one_line_and_its_details_hold_no_secret(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connections, "views", _defective)
    ran = keyturn("connections", "list")
    log = ready / "keyturn.log"
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (f"keyturn: Unexpected Odd, which is a defect of Keyturn. Details for a report are in {log}\n")
    text = log.read_text()
    assert "event=defect" in text
    assert "test_failures.Odd" in text
    assert "in _defective" in text
    assert SECRET not in text
    assert "cannot use" not in text
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_defect_is_told_even_when_the_log_cannot_be_written(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connections, "views", _defective)
    (ready / "keyturn.log").mkdir()
    ran = keyturn("connections", "list")
    assert ran.code == 1
    assert len(ran.err.splitlines()) == 1
    assert "could not be written" in ran.err
    assert SECRET not in ran.err


def test_an_installation_in_pieces_is_told_without_a_traceback(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connections, "views", _defective)
    monkeypatch.setitem(sys.modules, "providers.base", None)
    ran = keyturn("connections", "list")
    assert (ran.code, ran.out) == (1, "")
    assert len(ran.err.splitlines()) == 1
    assert "Unexpected Odd" in ran.err


def test_causes_and_groups_are_followed_once_and_without_their_words() -> None:
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise ExceptionGroup(SECRET, [Odd(SECRET), error]) from error
    except ExceptionGroup as group:
        text = logs.frames_of(group)
    assert text.splitlines()[0] == "builtins.ExceptionGroup"
    assert text.count("builtins.KeyError") == 1
    assert "containing tests.cli.test_failures.Odd" in text
    assert SECRET not in text


def test_messages_of_other_libraries_are_kept_without_their_words(tmp_path: Path) -> None:
    path = tmp_path / "state" / "keyturn.log"
    with logs.kept(path) as file:
        try:
            raise Odd(SECRET)
        except Odd:
            logging.getLogger("psycopg").warning("lost %s", SECRET, exc_info=True)
        logging.getLogger("psycopg").info("not even that")
        logging.getLogger("keyturn.rotation").error("defect in step issue\n  frame one\n  frame two")
    assert file.written
    text = path.read_text()
    assert SECRET not in text
    assert 'event="message of psycopg" at=' in text
    assert "tests.cli.test_failures.Odd" in text
    assert 'event="defect in step issue"\n    frame one\n' in text
    assert "not even that" not in text
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_errors_that_nobody_catches_go_to_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keyturn.log"

    def fail() -> None:
        raise Odd(SECRET)

    with logs.kept(path):
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    text = path.read_text()
    assert 'event="uncaught Odd"' in text
    assert SECRET not in text
    assert capfd.readouterr() == ("", "")


def test_a_defect_inside_an_attempt_says_where_its_details_are(
    connected: Ground, ready: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from providers.postgres_credentials import PostgresCredentialsProvider

    connected.create()
    before = connected.published()
    monkeypatch.setattr(PostgresCredentialsProvider, "issue", _defective)
    ran = keyturn("rotations", "rotate", NAME)
    assert ran.code == 1
    assert ran.err.splitlines()[-1] == f"  Details are in {ready / 'keyturn.log'}"
    assert "Unexpected Odd" in ran.err
    text = (ready / "keyturn.log").read_text()
    assert "in _defective" in text
    assert SECRET not in text + ran.err
    assert connected.published() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_rotation_is_parked_and_resumed(connected: Ground, number: signal.Signals) -> None:
    connected.create()
    before = connected.published()
    with connected.locked(connected.users[1]), Running("rotations", "rotate", NAME) as rotating:
        rotating.hear("guard")
        rotating.signal(number)
        ran = rotating.finish()
    assert ran.code == 128 + number
    assert "carries on from there" in ran.err
    assert "Traceback" not in ran.err
    assert connected.published() == before
    assert connected.published_logs_in()
    parked = done("rotations", "history", NAME, "--json").json["attempts"][0]
    assert parked["state"] == "open"
    done("rotations", "rotate", NAME)
    resumed = done("rotations", "history", NAME, "--json").json["attempts"][0]
    assert (resumed["id"], resumed["state"]) == (parked["id"], "done")
    assert connected.published() != before
    assert connected.published_logs_in()


def test_an_interrupted_creation_is_finished_by_the_same_command(connected: Ground) -> None:
    body = json.dumps(connected.rotation_body)
    path = Path(os.environ["KEYTURN_HOME"]) / "body.json"
    path.write_text(body)
    words = ("rotations", "create", "postgres-credentials", "--file", str(path))
    with connected.locked(connected.users[0]), Running(*words) as creating:
        creating.hear("publish", connected.users[1])
        creating.hear("plan", connected.users[0])
        creating.signal(signal.SIGINT)
        assert creating.finish().code == 130
    assert done("rotations", "list").lines[0][1] == "creating"
    created = done(*words)
    assert created.out.startswith(f"Created {NAME}.")
    assert connected.published_logs_in()
    assert not any(connected.pg.login(*pair) for pair in zip(connected.users, connected.temporary, strict=True))


def test_a_wrong_key_is_told_with_what_to_do(ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (ready / "keyturn.key").rename(tmp_path / "first.key")
    monkeypatch.setenv("KEYTURN_HOME", str(tmp_path / "other"))
    done("rotations", "list")
    (tmp_path / "other" / "keyturn.key").rename(ready / "keyturn.key")
    monkeypatch.setenv("KEYTURN_HOME", str(ready))
    ran = keyturn("rotations", "list")
    assert (ran.code, ran.out) == (1, "")
    assert "is not the key of the store" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "not one that Keyturn understands"),
        ("mysql://root:hunter2@db/x", "not one that Keyturn understands"),
        ("postgresql://keyturn:hunter2@127.0.0.1:1/x", "cannot be reached"),
        ("sqlite:////proc/nowhere/keyturn.db", "cannot be created"),
    ],
)
def test_a_store_that_cannot_be_opened_is_told_without_its_password(
    home: Path, monkeypatch: pytest.MonkeyPatch, url: str, said: str
) -> None:
    monkeypatch.setenv("KEYTURN_DATABASE_URL", url)
    ran = keyturn("rotations", "list")
    assert (ran.code, ran.out) == (1, "")
    assert said in ran.err
    assert "hunter2" not in ran.err
    assert "Traceback" not in ran.err


def test_a_store_of_a_later_version_is_told(ready: Path) -> None:
    import sqlite3

    connection = sqlite3.connect(ready / "keyturn.db")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    ran = keyturn("rotations", "list")
    assert ran.code == 1
    assert "later version" in ran.err


def test_errors_keep_control_characters_from_the_terminal(ready: Path) -> None:
    ran = keyturn("rotations", "show", "a\x1b[2Jb")
    assert ran.code == 3
    assert "\x1b" not in ran.err
    assert "\\x1b[2Jb" in ran.err


def test_a_message_of_several_lines_stays_together(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> object:
        raise RotationFailed("It failed.\nIn detail.", remedy="Do this.\nThen that.")

    monkeypatch.setattr(Rotations, "snapshot", fail)
    ran = keyturn("rotations", "list")
    assert ran.err == "keyturn: It failed.\n  In detail.\n  Do this.\n  Then that.\n"


def test_an_error_of_the_store_exits_1(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> object:
        raise StoreError("The store hiccups.", remedy="Wait.")

    monkeypatch.setattr(Rotations, "snapshot", fail)
    ran = keyturn("rotations", "list")
    assert (ran.code, ran.err) == (1, "keyturn: The store hiccups.\n  Wait.\n")


def test_python_dash_m_ends_with_the_same_code(ready: Path) -> None:
    assert process("rotations", "show", "nobody").code == 3
