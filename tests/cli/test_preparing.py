"""`keyturn rotations prepare`: the script that makes both users, printed or run."""

from __future__ import annotations

from tests.cli.ground import Ground, done, keyturn, on_terminal

TYPE = "postgres-credentials"


def test_the_script_is_printed_and_run_when_asked(connected: Ground) -> None:
    users = [connected.pg.role_name(f"made_{n}") for n in (1, 2)]
    settings = ["--set", f"username1={users[0]}", "--set", f"parameters.username2={users[1]}"]
    words = ["rotations", "prepare", TYPE, "--connection", "my-pg-connection", *settings]
    there = "SELECT count(*) FROM pg_roles WHERE rolname = ANY(%s)"
    script = done(*words).out
    assert "CREATE ROLE" in script
    refused = keyturn(*words, "--run")
    assert (refused.code, "--yes" in refused.err) == (2, True)
    code, screen = on_terminal(*words, "--run", answer=b"no\n", prompt=b"Type yes to go on: ")
    assert (code, "Nothing was run." in screen) == (1, True)
    assert connected.pg.execute(there, users) == [(0,)]
    ran = done(*words, "--run", "--yes", "--json").json["preparation"]
    assert ran["ran"] is True
    assert ran["text"].strip() == script.strip()
    assert connected.pg.execute(there, users) == [(2,)]
    assert done(*words, "--run", "--yes").out.startswith("Done, as ")


def test_what_cannot_be_prepared_is_told(connected: Ground) -> None:
    connection = ["--connection", "my-pg-connection"]
    for words, code, said in (
        ([TYPE, *connection], 2, "parameters.username1: is required"),
        ([TYPE, *connection, "--set", "user=x"], 2, "user: is not known. PostgreSQL credentials has: username1"),
        ([TYPE, *connection, "--set", "username1"], 2, "--set takes KEY=VALUE"),
        ([TYPE, "--connection", "nope", "--set", "username1=a", "--set", "username2=b"], 3, "no connection 'nope'"),
        (["aws-iam-user-secret", *connection], 2, "Nothing has to be prepared"),
        (["nope", *connection], 2, "There is no rotation type 'nope'"),
    ):
        ran = keyturn("rotations", "prepare", *words)
        assert (ran.code, ran.out) == (code, "")
        assert said in ran.err
