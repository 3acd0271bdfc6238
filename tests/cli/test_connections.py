"""`keyturn connections` against a real server."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from app.forms import Kind, fields_of
from providers.registry import connection_apps
from tests.cli.ground import Ground, Ran, done, keyturn, on_terminal
from tests.cli.test_output import RFC3339

MISSING_APP = "There is no connection app 'oracle'. Known: aws, azure-client-secrets, postgres"


def test_an_added_connection_is_shown_without_its_password(ground: Ground) -> None:
    body = json.dumps(ground.connection_body)
    added = done("connections", "add", "postgres", "--file", "-", "--json", stdin=body)
    document = added.json["appConnection"]
    assert list(added.json) == ["appConnection"]
    assert document["app"] == "postgres"
    assert document["method"] == "username-and-password"
    assert document["description"] is None
    assert RFC3339.fullmatch(document["createdAt"])
    expected = {name: value for name, value in ground.connection_body["credentials"].items() if name != "password"}
    assert document["credentials"] == expected

    for words in (["list"], ["show", "my-pg-connection"], ["show", document["id"]], ["test", "my-pg-connection"]):
        for json_too in ([], ["--json"]):
            ran = done("connections", *words, *json_too)
            assert ran.err == ""
            assert ground.pg.admin_password not in ran.out
    assert done("connections", "list", "--json").json == {"appConnections": [document]}
    assert done("connections", "show", "my-pg-connection", "--json").json == {"appConnection": document}


def test_plain_output_tells_what_answered(ground: Ground) -> None:
    added = done("connections", "add", "postgres", "--file", "-", stdin=json.dumps(ground.connection_body))
    assert added.out == f"Added my-pg-connection: PostgreSQL {ground.pg.server.version} at {address(ground)}, no TLS\n"
    assert added.err == ""
    summary = f"{ground.pg.admin_user}@{address(ground)}/{ground.pg.database}"
    assert done("connections", "list").lines == [["my-pg-connection", "postgres", "username-and-password", summary, ""]]
    assert ["host", ground.pg.host] in done("connections", "show", "my-pg-connection").lines


def address(ground: Ground) -> str:
    return f"{ground.pg.host}:{ground.pg.port}"


def test_a_body_from_a_file_is_the_same(ground: Ground, tmp_path: Path) -> None:
    path = tmp_path / "body.json"
    path.write_text(json.dumps(ground.connection_body))
    assert done("connections", "add", "postgres", "--file", str(path)).out.startswith("Added my-pg-connection")


def test_unknown_keys_are_named_and_ignored(ground: Ground) -> None:
    body = ground.connection_body
    body |= {"gatewayId": None, "\x1b[2Jodd": 1}
    body["credentials"] |= {"keepAlive": True}
    added = done("connections", "add", "postgres", "--file", "-", stdin=json.dumps(body))
    assert "warning: ignored, since nobody reads them: gatewayId, \\x1b[2Jodd, credentials.keepAlive" in added.err


def test_a_password_is_taken_as_it_is(ground: Ground) -> None:
    password = "  two blanks, a 'quote', $HOME, a \\ and ü  "
    user = ground.pg.create_role("blanks", password)
    body = ground.connection_body
    body["credentials"] |= {"username": user, "password": password}
    ground_ran = done("connections", "add", "postgres", "--file", "-", stdin=json.dumps(body))
    assert "PostgreSQL" in ground_ran.out
    body["name"] = "trimmed"
    body["credentials"]["password"] = password.strip()
    refused = keyturn("connections", "add", "postgres", "--file", "-", stdin=json.dumps(body))
    assert refused.code == 1
    assert password.strip() not in refused.said


def test_one_that_does_not_log_in_is_not_kept(ground: Ground) -> None:
    body = ground.connection_body
    body["credentials"]["password"] = "not-this-one-4711"
    ran = keyturn("connections", "add", "postgres", "--file", "-", stdin=json.dumps(body))
    assert ran.code == 1
    assert ran.out == ""
    assert ground.pg.admin_user in ran.err
    assert "not-this-one" not in ran.err
    assert done("connections", "list").out == ""


def test_a_failing_test_exits_1(connected: Ground) -> None:
    user = connected.pg.create_role("soon_locked", "some-password-31")
    body = connected.connection_body
    body["name"] = "locked"
    body["credentials"] |= {"username": user, "password": "some-password-31"}
    done("connections", "add", "postgres", "--file", "-", stdin=json.dumps(body))
    connected.pg.execute(f"ALTER ROLE {user} NOLOGIN")
    plain = keyturn("connections", "test", "locked")
    assert (plain.code, plain.out) == (1, "")
    assert plain.err.startswith("keyturn: ")
    as_json = keyturn("connections", "test", "locked", "--json")
    assert as_json.code == 1
    assert as_json.json["ok"] is False
    assert "some-password-31" not in plain.said + as_json.said


def test_one_in_use_is_not_removed(connected: Ground) -> None:
    connected.create()
    refused = keyturn("connections", "remove", "my-pg-connection")
    assert refused.code == 1
    assert "my-pg-rotation" in refused.err
    done("rotations", "delete", "my-pg-rotation", "--yes")
    removed = done("connections", "remove", "my-pg-connection", "--json")
    assert removed.json["appConnection"]["name"] == "my-pg-connection"
    assert keyturn("connections", "show", "my-pg-connection").code == 3


def test_a_target_that_lists_nothing_says_so(connected: Ground) -> None:
    ran = keyturn("connections", "choices", "my-pg-connection")
    assert (ran.code, ran.out) == (2, "")
    assert "Connections to PostgreSQL have no list to pick from" in ran.err
    assert keyturn("connections", "choices", "nobody").code == 3


def test_a_taken_name_is_refused(connected: Ground) -> None:
    ran = keyturn("connections", "add", "postgres", "--file", "-", stdin=json.dumps(connected.connection_body))
    assert ran.code == 2
    assert "name: a connection named my-pg-connection exists already" in ran.err


@pytest.mark.parametrize("words", [["add", "oracle", "--file", "-"]])
def test_an_unknown_app_lists_what_there_is(ready: Path, words: list[str]) -> None:
    ran = keyturn("connections", *words, stdin="{}")
    assert ran.code == 2
    assert MISSING_APP in ran.err


@pytest.mark.parametrize("verb", ["show", "test", "remove"])
def test_an_unknown_name_exits_3(ready: Path, verb: str) -> None:
    ran = keyturn("connections", verb, "nobody")
    assert (ran.code, ran.out) == (3, "")
    assert "There is no connection 'nobody'" in ran.err


def test_an_edit_changes_what_it_gives_once_that_logs_in(connected: Ground) -> None:
    def edit(body: object, *more: str) -> Ran:
        return keyturn("connections", "edit", "my-pg-connection", "--file", "-", *more, stdin=json.dumps(body))

    before = done("connections", "show", "my-pg-connection", "--json").json["appConnection"]
    renamed = edit({"name": "renamed", "description": "for billing", "odd": 1}, "--json")
    assert renamed.json["appConnection"] == before | {
        "name": "renamed",
        "description": "for billing",
        "version": 2,
        "updatedAt": renamed.json["appConnection"]["updatedAt"],
    }
    assert "ignored, since nobody reads them: odd" in renamed.err
    back = keyturn("connections", "edit", "renamed", "--file", "-", stdin='{"name": "my-pg-connection"}')
    assert back.out == "Changed my-pg-connection. How it logs in is as before.\n"

    other = connected.pg.create_role("other_admin", "another-password-9", options="LOGIN CREATEROLE")
    refused = edit({"credentials": {"username": other}})
    assert refused.code == 1, "the password that stayed is another user's"
    assert other in refused.err
    assert (
        done("connections", "show", "my-pg-connection", "--json").json["appConnection"]["credentials"]
        == (before["credentials"])
    )
    changed = edit({"credentials": {"username": other, "password": "another-password-9", "caCertificate": None}})
    assert (
        changed.out
        == f"Changed my-pg-connection: PostgreSQL {connected.pg.server.version} at {address(connected)}, no TLS\n"
    )
    assert done("connections", "test", "my-pg-connection").code == 0
    summary = f"{other}@{address(connected)}/{connected.pg.database}"
    assert done("connections", "list").lines[0][3] == summary

    for body, complaint in [
        ({"app": "aws"}, "app: can't be changed: my-pg-connection leads to postgres"),
        ({"credentials": {"port": 0}}, "credentials.port: must be at least 1"),
        ({"method": "by-magic"}, "method: must be one of: username-and-password"),
        ([], "body: must be a JSON object"),
    ]:
        ran = edit(body)
        assert (ran.code, ran.out) == (2, "")
        assert complaint in ran.err
    told = [line[2:] for line in done("events", "--filter", "update-app-connection").lines]
    assert told[0] == ["update-app-connection", "success", "my-pg-connection", "changed: credentials"]
    assert "another-password-9" not in changed.said + refused.said + str(told)


def test_an_edit_never_makes_a_rotation_rotate_the_connection_itself(connected: Ground) -> None:
    connected.create()
    user = connected.users[0]
    values = connected.published()
    credentials = {"username": user, "password": values["POSTGRES_DB_PASSWORD"]}
    ran = keyturn(
        "connections", "edit", "my-pg-connection", "--file", "-", stdin=json.dumps({"credentials": credentials})
    )
    assert ran.code == 2
    assert f"Rotation my-pg-rotation: {user} is the connection's own user" in ran.err
    assert done("connections", "test", "my-pg-connection").code == 0


def test_flags_change_what_they_give_once_that_logs_in(connected: Ground, tmp_path: Path) -> None:
    def edit(*words: str, stdin: str = "", name: str = "my-pg-connection") -> Ran:
        return keyturn("connections", "edit", name, *words, stdin=stdin)

    renamed = edit("--name", "renamed", "--description", "50 % of billing", "--json")
    assert renamed.json["appConnection"]["description"] == "50 % of billing"
    back = edit("--name", "my-pg-connection", "--description", "", "--json", name="renamed")
    assert back.json["appConnection"]["description"] is None
    before = done("connections", "show", "my-pg-connection", "--json").json["appConnection"]["credentials"]

    other = connected.pg.create_role("other_admin", " another-password-9 ", options="LOGIN CREATEROLE")
    refused = edit("--username", other)
    assert (refused.code, refused.out) == (1, ""), "the password that stayed is another user's"
    changed = edit("--username", other, "--password-file", "-", "--json", stdin=" another-password-9 \n")
    assert changed.json["appConnection"]["credentials"] == before | {"username": other}
    third = connected.pg.create_role("third_admin", "third-password-9", options="LOGIN CREATEROLE")
    (tmp_path / "password").write_text("third-password-9")
    words = ("--username", third, "--password-file", str(tmp_path / "password"), "--ssl-certificate-file", "/dev/null")
    assert edit(*words, "--host", connected.pg.host, "--port", str(connected.pg.port)).code == 0
    assert done("connections", "test", "my-pg-connection").code == 0
    kept = done("connections", "show", "my-pg-connection", "--json").json["appConnection"]["credentials"]
    assert kept == before | {"username": third}

    refusals: list[tuple[tuple[str, ...], str]] = [
        ((), "There is nothing to change."),
        (("--port", "1", "--file", "-"), "Flags and --file exclude each other."),
        (("--port", "0"), "credentials.port: must be at least 1"),
        (("--port", "many"), "credentials.port: must be a whole number"),
        (("--host", ""), "credentials.host: "),
        (("--ssl-enabled", "perhaps"), "invalid choice: 'perhaps'"),
        (("--password", "hunter2"), "--password takes nothing secret"),
        (("--password=hunter2",), "--password-file - asks for it"),
        (("--password-file", ""), "cannot be read"),
        (("--password-file", f"{tmp_path}/none"), f"There is no file {tmp_path}/none"),
        (("--password-file", "/dev/null"), "credentials.password: "),
        (("--password-file", "-", "--ssl-certificate-file", "-"), "Only one flag can read standard input."),
        (("--region", "eu-west-1"), "credentials.region: my-pg-connection has no use for it: it leads to PostgreSQL"),
        (("--method", "by-magic"), "method: must be one of: username-and-password"),
        (("--usrname", "x"), "Did you mean --username?"),
    ]
    for flags, complaint in refusals:
        ran = edit(*flags, stdin="{}")
        assert (ran.code, ran.out) == (2, ""), flags
        assert complaint in ran.err
        assert "hunter2" not in ran.err
    assert edit("--port", "5432", name="nobody").code == 3
    assert done("connections", "show", "my-pg-connection", "--json").json["appConnection"]["credentials"] == kept


def test_a_secret_is_asked_for_on_a_terminal_and_not_shown(connected: Ground) -> None:
    other = connected.pg.create_role("other_admin", "another-password-9", options="LOGIN CREATEROLE")
    words = ("connections", "edit", "my-pg-connection", "--username", other, "--password-file", "-")
    code, seen = on_terminal(*words, prompt=b"Password: ", answer=b"another-password-9\n")
    assert (code, "Changed my-pg-connection: PostgreSQL" in seen) == (0, True), seen
    assert "another-password-9" not in seen
    assert done("connections", "test", "my-pg-connection").code == 0
    code, seen = on_terminal(*words, prompt=b"Password: ", answer=b"\x04")
    assert (code, "Nothing was changed." in seen) == (1, True), seen


def test_every_declared_credential_has_a_flag(ready: Path) -> None:
    page = done("connections", "edit", "--help").out
    for app in connection_apps().found.values():
        for model in app.methods.values():
            for field in fields_of(model):
                plain = "--" + re.sub("[A-Z]", lambda capital: f"-{capital[0].lower()}", field.key)
                hidden = field.kind is Kind.SECRET
                assert re.search(rf"^  {plain}(-file FILE|(?!-file)\W)", page, re.MULTILINE), plain
                assert not (hidden and re.search(rf"^  {plain} ", page, re.MULTILINE)), plain
