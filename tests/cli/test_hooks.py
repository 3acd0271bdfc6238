"""Hooks and deliveries from the command line: set up, tested, looked after; nothing secret is shown twice."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.ground import Ground, done, keyturn
from tests.notify.receiver import Receiver


@pytest.mark.usefixtures("ready")
def test_a_hook_is_added_shown_tested_and_removed(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    added = done(
        "hooks", "add", "local", "--on", "failed,published,failed", "--command", f"cp /dev/null {seen}", "--json"
    )
    hook = added.json["hook"]
    assert (hook["kind"], hook["events"], hook["of"], hook["state"]) == (
        "command",
        ["published", "failed"],
        "everything",
        "on",
    )
    assert "signingKey" not in added.json
    assert done("hooks", "list").lines == [
        ["local", "on", "command", "published,failed", "everything", f"cp /dev/null {seen}", "0"]
    ]
    assert done("hooks", "test", "local").out == "delivered: exit code 0\n"
    assert seen.exists()
    assert done("hooks", "pause", "local", "--json").json["hook"]["state"] == "paused"
    assert done("hooks", "resume", hook["id"], "--json").json["hook"]["state"] == "on"
    done("hooks", "remove", "local")
    assert done("hooks", "list", "--json").json == {"hooks": []}
    assert keyturn("hooks", "show", "local").code == 3


@pytest.mark.usefixtures("ready")
def test_what_is_secret_in_a_webhook_is_shown_once_or_never(ready: Path) -> None:
    with Receiver() as receiver:
        address = receiver.url.replace("http://", "http://user:pass-word@")
        added = done("hooks", "add", "web", "--on", "failed", "--webhook", "-", "--json", stdin=address)
        key = added.json["signingKey"]
        assert done("hooks", "test", "web", "--json").json["test"] == {"ok": True, "answer": "200 OK: fine"}
        assert receiver.got[0].json["event"] == "test"
        assert receiver.got[0].headers["authorization"].startswith("Basic ")
    failed = keyturn("hooks", "test", "web")
    assert (failed.code, failed.out) == (1, "failed: no connection: Connection refused\n")
    said = done("hooks", "list").said + done("hooks", "show", "web", "--json").said + done("events").said + failed.said
    stored = b"".join(path.read_bytes() for path in ready.iterdir() if path.is_file())
    for secret in (key, "pass-word", "path-that-is-a-token"):
        assert secret not in said
        assert secret.encode() not in stored


@pytest.mark.usefixtures("ready")
def test_what_cannot_be_says_what_can() -> None:
    wrong = {
        ("--on", "publishd", "--command", "true"): "Did you mean published?",
        ("--on", ",", "--command", "true"): "--on names no event.",
        ("--on", "failed", "--command", "sh -c 'x"): "--command cannot be split into words",
        ("--on", "failed", "--command", " "): "--command names no program.",
        ("--on", "failed", "--webhook", "https:///x"): "names no host",
        ("--on", "failed", "--notify", "nothing://x"): "Apprise knows no address such as nothing://",
        ("--on", "failed", "--command", "true", "--path", "/x"): "--path needs --env.",
        ("--on", "failed", "--command", "true", "--rotation", "a", "--env", "dev"): "--rotation stands for itself",
        ("--on", "failed", "--command", "true", "--time-out", "0"): "must be a whole number from 1 to 600",
        ("--on", "failed"): "one of the arguments --command --webhook --notify is required",
    }
    for words, told in wrong.items():
        ran = keyturn("hooks", "add", "x", *words)
        assert (ran.code, told in ran.err) == (2, True), ran.said
    assert keyturn("hooks", "add", "x", "--on", "failed", "--command", "true", "--rotation", "none").code == 3
    assert keyturn("hooks", "add", " x", "--on", "failed", "--command", "true").code == 2
    done("hooks", "add", "x", "--on", "failed", "--command", "true")
    assert "already" in keyturn("hooks", "add", "x", "--on", "failed", "--command", "true").err
    assert keyturn("deliveries", "retry", "5").code == 3


@pytest.mark.usefixtures("ready")
def test_without_apprise_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    ran = keyturn("hooks", "add", "chat", "--on", "failed", "--notify", "json://127.0.0.1/")
    assert ran.code == 1
    assert "keyturn[notify]" in ran.err


@pytest.mark.usefixtures("ready")
def test_apprise_is_told_in_plain_words() -> None:
    with Receiver() as receiver:
        done("hooks", "add", "chat", "--on", "failed", "--notify", receiver.url.replace("http://", "json://"))
        assert done("hooks", "test", "chat").out == "delivered: sent\n"
        assert receiver.got[0].json["title"] == "Test from Keyturn"
        assert "The hook chat works." in receiver.got[0].json["message"]


def test_what_is_published_is_delivered_by_the_loop_and_what_is_not_can_be_looked_after(
    connected: Ground, tmp_path: Path
) -> None:
    marker = tmp_path / "may"
    done("hooks", "add", "local", "--on", "published", "--command", f"test -e {marker}")
    connected.create()
    done("--run-scheduler", "--once")
    (row,) = done("deliveries", "--failed", "--json").json["deliveries"]
    assert (row["state"], row["event"], row["answer"], row["attempts"]) == ("retrying", "published", "exit code 1", 1)
    assert [cells[:5] for cells in done("deliveries", "--hook", "local").lines] == [
        [str(row["id"]), "retrying", "local", "published", row["rotation"]]
    ]
    done("deliveries", "drop", str(row["id"]))
    assert "is dropped already" in keyturn("deliveries", "drop", str(row["id"])).err
    marker.touch()
    done("deliveries", "retry", str(row["id"]))
    done("--run-scheduler", "--once")
    assert done("deliveries", "--json").json["deliveries"][0]["state"] == "done"
    refused = keyturn("deliveries", "retry", str(row["id"]))
    assert (refused.code, "is done" in refused.err) == (2, True)
    assert done("deliveries", "--failed").out == ""
