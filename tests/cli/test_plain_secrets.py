"""`keyturn secrets set` and `delete`: secrets that no rotation writes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.cli.ground import Ground, Running, done, keyturn, on_terminal

APP = ("--env", "prod", "--path", "/app")


def test_a_plain_secret_is_kept_with_its_versions(ready: Path) -> None:
    assert done("secrets", "set", "API_KEY", *APP, "--value-file", "-", stdin="one\n").out == (
        "Created API_KEY at prod /app.\n"
    )
    made = done(
        "secrets", "set", "API_KEY", *APP, "--value-file", "-", "--comment", "for the shop", "--json", stdin="two"
    )
    secret = made.json["secret"]
    assert (secret["secretKey"], secret["version"], secret["secretComment"]) == ("API_KEY", 2, "for the shop")
    assert (secret["secretValueHidden"], "two" in made.said) == (True, False)
    same = done("secrets", "set", "API_KEY", *APP, "--value-file", "-", stdin="two\n")
    assert same.out == "API_KEY has this value already: version 2.\n"
    assert done("secrets", "get", "API_KEY", *APP).out == "two\n"
    assert done("secrets", "get", "API_KEY", *APP, "--version", "1", "--json").json == {
        "name": "API_KEY",
        "value": "one",
    }
    assert keyturn("secrets", "get", "API_KEY", *APP, "--version", "3").code == 3
    assert [line[:2] for line in done("secrets", "list", *APP).lines] == [["API_KEY", "2"]]
    assert done("secrets", "export", *APP).out == "API_KEY=two\n"
    done("secrets", "set", "API_KEY", *APP, "--comment", "")
    told = done("events").out
    assert told.index("update-secret") < told.index("create-secret")
    assert "two" not in told
    assert "for the shop" not in told
    with sqlite3.connect(ready / "keyturn.db") as store:
        assert b"for the shop" not in b"".join(
            row[0] or b"" for row in store.execute("SELECT sealed_details FROM secret")
        )

    refused = keyturn("secrets", "delete", "API_KEY", *APP)
    assert (refused.code, "--yes" in refused.err) == (2, True)
    assert done("secrets", "delete", "API_KEY", *APP, "--yes", "--json").json["secret"]["version"] == 2
    assert keyturn("secrets", "get", "API_KEY", *APP).code == 3
    assert keyturn("secrets", "delete", "API_KEY", *APP, "--yes").code == 3


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("one\n", "one"), ("one\r\n", "one"), ("a\nb\n", "a\nb\n"), (" x ", " x "), ("\n", ""), ("a\n\n", "a\n\n")],
)
def test_only_the_line_end_of_a_single_line_is_left_out(ready: Path, tmp_path: Path, typed: str, kept: str) -> None:
    file = tmp_path / "value"
    file.write_bytes(typed.encode())
    done("secrets", "set", "X", "--value-file", str(file))
    assert done("secrets", "get", "X", "--json").json["value"] == kept


def test_a_body_says_it_as_over_http(ready: Path) -> None:
    done("secrets", "set", "X", "--file", "-", stdin='{"secretValue": " a\\n", "secretComment": "b", "extra": 1}')
    assert done("secrets", "get", "X", "--json").json["value"] == " a\n"
    for words, body, said in (
        (("X",), '{"secretValue": 5}', "secretValue: must be text"),
        (("NEW",), '{"secretComment": "b"}', "secretValue: is required"),
        (("a/b",), '{"secretValue": "b"}', 'secretName: must not contain ":" or "/"'),
        (("X", "--path", "/a b"), '{"secretValue": "b"}', "secretPath: must be a folder path"),
        (("X",), "hunter2", "is not JSON"),
    ):
        ran = keyturn("secrets", "set", *words, "--file", "-", stdin=body)
        assert (ran.code, said in ran.err) == (2, True), ran.err
        assert "hunter2" not in ran.err
    for place in (("--project", "nope"), ("--env", "nope")):
        assert keyturn("secrets", "set", "X", *place, "--value-file", "-", stdin="x").code == 3
    ran = keyturn("secrets", "set", "X")
    assert (ran.code, "--value-file" in ran.err) == (2, True)
    assert keyturn("secrets", "set", "X", "hunter2").code == 2


def test_on_a_terminal_the_value_is_asked_for_and_a_deletion_asks_back(ready: Path) -> None:
    code, screen = on_terminal("secrets", "set", "X", prompt=b"Value of X: ", answer=b"hunter2\n")
    assert (code, "hunter2" in screen) == (0, False)
    assert done("secrets", "get", "X").out == "hunter2\n"
    code, screen = on_terminal("secrets", "delete", "X", prompt=b"go on: ", answer=b"no\n")
    assert (code, "Nothing was deleted." in screen) == (1, True)
    code, screen = on_terminal("secrets", "delete", "X", prompt=b"go on: ", answer=b"X\n")
    assert (code, "Deleted X." in screen) == (0, True)


def test_what_a_rotation_writes_is_refused_with_a_way_out(connected: Ground) -> None:
    connected.create()
    before = connected.published()
    for words in (("set", "POSTGRES_DB_PASSWORD", "--value-file", "-"), ("delete", "POSTGRES_DB_PASSWORD", "--yes")):
        ran = keyturn("secrets", *words, stdin="mine")
        assert ran.code == 1
        assert "POSTGRES_DB_PASSWORD is written by the rotation my-pg-rotation alone" in ran.err
        assert "keyturn rotations rotate my-pg-rotation" in ran.err
    assert connected.published() == before


def test_files_and_programs_get_the_new_value(ready: Path, tmp_path: Path) -> None:
    done("secrets", "set", "KEY", "--value-file", "-", stdin="one")
    file = tmp_path / "env"
    done("targets", "add", "app", "--kind", "dotenv", "--file", str(file))
    with Running("run", "--watch", "--", "sh", "-c", "echo given $KEY >&2; exec sleep 300") as running:
        running.hear("given one")
        done("secrets", "set", "KEY", "--value-file", "-", stdin="two")
        running.hear("given two")
        running.popen.terminate()
        running.finish()
    assert keyturn("targets", "render", "--check").code == 1
    done("targets", "render")
    assert file.read_text() == "KEY=two\n"
