"""`keyturn rotations` from creation to deletion, on a real server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from store import leases, rotations
from store.database import Tx
from tests.cli.ground import Ground, done, keyturn, on_terminal, with_service, without_secrets
from tests.cli.test_output import RFC3339

NAME = "my-pg-rotation"
CREATING = ["plan", "issue", "verify", "publish"]
ROTATING = ["plan", "guard", "issue", "verify", "publish"]


def test_create_publishes_the_first_user_and_replaces_both_passwords(connected: Ground) -> None:
    document = connected.create()
    assert document["activeIndex"] == 0
    assert document["rotationStatus"] == "success"
    assert connected.published()["POSTGRES_DB_USERNAME"] == connected.users[0]
    assert connected.published_logs_in()
    assert not any(connected.pg.login(*pair) for pair in zip(connected.users, connected.temporary, strict=True))


def test_rotate_hands_over_to_the_other_user_while_the_former_one_stays(connected: Ground) -> None:
    connected.create()
    before = connected.published()
    rotated = done("rotations", "rotate", NAME, "--json")
    assert rotated.err == ""
    assert list(rotated.json) == ["secretRotation"]
    assert rotated.json["secretRotation"]["activeIndex"] == 1
    assert rotated.json["secretRotation"]["isLastRotationManual"] is True
    after = connected.published()
    assert after["POSTGRES_DB_USERNAME"] == connected.users[1]
    assert connected.published_logs_in()
    assert connected.pg.login(before["POSTGRES_DB_USERNAME"], before["POSTGRES_DB_PASSWORD"])


def test_steps_are_told_on_standard_error_as_they_happen(connected: Ground) -> None:
    body = json.dumps(connected.rotation_body)
    created = done("rotations", "create", "postgres-credentials", "--file", "-", stdin=body)
    told = [line.split() for line in created.err.splitlines()]
    assert [words[0] for words in told] == CREATING * 2
    assert [words[1] for words in told] == [connected.users[1]] * 4 + [connected.users[0]] * 4
    assert all(words[2].isdigit() and words[3] == "ms" for words in told)
    assert created.out.startswith(f"Created {NAME}. Active: {connected.users[0]}. Next run: 20")
    rotated = done("rotations", "rotate", NAME)
    assert [line.split()[0] for line in rotated.err.splitlines()] == ROTATING
    assert rotated.out.startswith(f"Rotated {NAME}. Active: {connected.users[1]}.")


def test_list_and_show(connected: Ground) -> None:
    document = connected.create()
    assert done("rotations", "list", "--json").json == {"secretRotations": [document]}
    assert done("rotations", "list", "--project", "default", "--json").json == {"secretRotations": [document]}
    assert done("rotations", "show", NAME, "--json").json == {"secretRotation": document}
    assert done("rotations", "show", document["id"], "--json").json == {"secretRotation": document}
    following = document["nextRotationAt"]
    assert done("rotations", "list").lines == [
        [NAME, "healthy", connected.users[0], following, "postgres-credentials", "default dev /"]
    ]
    shown = dict(done("rotations", "show", NAME).lines)
    assert shown["status"] == "healthy"
    assert shown["schedule"] == "every 30 days at 00:00 UTC"
    assert shown["slot 0"].startswith(f"{connected.users[0]}, active, issued ")
    assert shown["password secret"] == "POSTGRES_DB_PASSWORD"


def test_an_unknown_project_is_not_an_empty_one(ready: Path) -> None:
    ran = keyturn("rotations", "list", "--project", "nonsense")
    assert (ran.code, ran.out) == (3, "")
    assert "'nonsense'" in ran.err


def test_credentials_are_printed_when_asked_for_and_that_is_an_event(connected: Ground) -> None:
    document = connected.create()
    found = done("rotations", "credentials", NAME, "--json").json
    assert list(found) == ["generatedCredentials", "activeIndex", "rotationId", "type"]
    assert found["activeIndex"] == 0
    assert found["rotationId"] == document["id"]
    assert found["type"] == "postgres-credentials"
    assert [item["username"] for item in found["generatedCredentials"]] == list(connected.users)
    assert all(connected.pg.login(item["username"], item["password"]) for item in found["generatedCredentials"])
    items = found["generatedCredentials"]
    assert done("rotations", "credentials", NAME).lines == [
        [str(slot), state, items[slot]["username"], items[slot]["password"]]
        for slot, state in enumerate(("active", "inactive"))
    ]
    events = done("events", "--json").json["events"]
    assert [event["action"] for event in events[:2]] == ["get-secret-rotation-generated-credentials"] * 2


def test_check_exits_1_on_drift_and_names_the_user(connected: Ground) -> None:
    connected.create()
    good = done("rotations", "check", NAME, "--json").json
    assert good["drift"] is False
    assert [check["ok"] for check in good["checks"]] == [True, True]
    connected.pg.execute(f"ALTER ROLE {connected.users[0]} PASSWORD 'changed behind the back'")
    drifted = keyturn("rotations", "check", NAME, "--json")
    assert drifted.code == 1
    assert drifted.json["drift"] is True
    assert [(c["identity"], c["ok"], c["active"]) for c in drifted.json["checks"]] == [
        (connected.users[0], False, True),
        (connected.users[1], True, False),
    ]
    plain = keyturn("rotations", "check", NAME)
    assert plain.code == 1
    assert plain.lines[0][:4] == ["0", connected.users[0], "active", "refused"]
    assert plain.lines[1][3] == "ok"


def test_a_check_that_finds_nothing_out_exits_1_without_calling_it_drift(connected: Ground) -> None:
    connected.create()
    connected.pg.execute(f"ALTER DATABASE {connected.pg.database} CONNECTION LIMIT 0")
    ran = keyturn("rotations", "check", NAME, "--json")
    assert ran.code == 1
    assert ran.json["drift"] is False
    assert [check["ok"] for check in ran.json["checks"]] == [None, None]
    assert [cells[3] for cells in keyturn("rotations", "check", NAME).lines] == ["unknown", "unknown"]


def test_pause_and_resume(connected: Ground) -> None:
    document = connected.create()
    paused = done("rotations", "pause", NAME, "--json").json["secretRotation"]
    assert paused["isAutoRotationEnabled"] is False
    assert paused["nextRotationAt"] is None
    assert done("rotations", "list").lines[0][1] == "paused"
    resumed = done("rotations", "resume", NAME, "--json").json["secretRotation"]
    assert resumed["isAutoRotationEnabled"] is True
    assert resumed["nextRotationAt"] == document["nextRotationAt"]
    assert done("rotations", "pause", NAME).out.endswith("It does not run by itself.\n")
    assert done("rotations", "resume", NAME).out.startswith(f"Resumed {NAME}.")


def test_history_tells_each_step_and_its_time(connected: Ground) -> None:
    connected.create()
    done("rotations", "rotate", NAME)
    attempts = done("rotations", "history", NAME, "--json").json["attempts"]
    assert [attempt["trigger"] for attempt in attempts] == ["manual", "create", "create"]
    assert [attempt["identity"] for attempt in attempts] == [connected.users[1], connected.users[0], connected.users[1]]
    for attempt, steps in zip(attempts, (ROTATING, CREATING, CREATING), strict=True):
        assert attempt["state"] == "done"
        assert [step["step"] for step in attempt["steps"]] == steps
        assert all(step["ms"] > 0 for step in attempt["steps"])
        assert RFC3339.fullmatch(attempt["startedAt"])
        assert RFC3339.fullmatch(attempt["finishedAt"])
    assert len(done("rotations", "history", NAME, "--limit", "2").lines) == 2


def test_edit_replaces_what_is_given(connected: Ground) -> None:
    document = connected.create()
    before = connected.verifiers()
    body = json.dumps({"rotationInterval": 7, "rotateAtUtc": {"hours": 3}, "surplus": 1})
    edited = done("rotations", "edit", NAME, "--file", "-", "--json", stdin=body)
    assert "surplus" in edited.err
    changed = edited.json["secretRotation"]
    assert (changed["rotationInterval"], changed["rotateAtUtc"]) == (7, {"hours": 3, "minutes": 0})
    assert changed["secretsMapping"] == document["secretsMapping"]
    assert connected.verifiers() == before
    refused = keyturn("rotations", "edit", NAME, "--file", "-", stdin='{"rotationInterval": 0}')
    assert (refused.code, refused.out) == (2, "")
    assert "rotationInterval: must be at least 1" in refused.err


def test_move_takes_the_secrets_along(connected: Ground) -> None:
    connected.create()
    values = connected.published()
    moved = done("rotations", "move", NAME, "--env", "prod", "--path", "/app", "--json").json["secretRotation"]
    assert (moved["environment"]["slug"], moved["folder"]["path"]) == ("prod", "/app")
    assert connected.published() == {}
    assert done("secrets", "export", "--json", "--env", "prod", "--path", "/app").json == values
    assert keyturn("rotations", "move", NAME, "--env", "nonsense").code == 3


def test_check_heals_what_was_changed_behind_the_back(connected: Ground) -> None:
    connected.create()
    connected.pg.execute(f"ALTER ROLE {connected.users[0]} PASSWORD 'changed behind the back'")
    assert keyturn("rotations", "check", NAME).code == 1
    healed = done("rotations", "check", NAME, "--heal", "--json").json
    assert healed["drift"] is False
    assert connected.published_logs_in()


def test_delete_keeps_credentials_and_values_unless_told_otherwise(connected: Ground) -> None:
    document = connected.create()
    before = connected.published()
    deleted = done("rotations", "delete", NAME, "--yes", "--json").json["secretRotation"]
    assert deleted["id"] == document["id"]
    assert keyturn("rotations", "show", NAME).code == 3
    assert connected.published() == before
    assert connected.published_logs_in()


def test_delete_revokes_and_removes_when_told_so(connected: Ground) -> None:
    connected.create()
    held = done("rotations", "credentials", NAME, "--json").json["generatedCredentials"]
    assert done("rotations", "delete", NAME, "--revoke", "--delete-secrets", "--yes").out == f"Deleted {NAME}.\n"
    assert connected.published() == {}
    assert not any(connected.pg.login(item["username"], item["password"]) for item in held)


def test_delete_without_a_terminal_needs_yes(connected: Ground) -> None:
    connected.create()
    before = connected.verifiers()
    ran = keyturn("rotations", "delete", NAME, "--revoke", stdin=f"{NAME}\n")
    assert ran.code == 2
    assert "--yes" in ran.err
    assert done("rotations", "show", NAME).code == 0
    assert connected.verifiers() == before


def test_delete_on_a_terminal_asks_for_the_name(connected: Ground) -> None:
    connected.create()
    prompt = b"Type its name to go on: "
    words = ("rotations", "delete", NAME, "--revoke")
    for answer in (b"my-pg\n", b"\n", b"\x04"):
        code, screen = on_terminal(*words, answer=answer, prompt=prompt)
        assert code == 1
        assert "Nothing was deleted." in screen
        assert f"{connected.users[0]} and {connected.users[1]}: made useless" in screen
        assert "POSTGRES_DB_PASSWORD, POSTGRES_DB_USERNAME: kept as plain secrets" in screen
    assert on_terminal(*words, answer=b"\x03", prompt=prompt)[0] == 130
    assert connected.published_logs_in()
    code, screen = on_terminal(*words, answer=f"{NAME}\n".encode(), prompt=prompt)
    assert code == 0
    assert f"Deleted {NAME}." in screen


def test_one_that_is_being_worked_on_is_busy(connected: Ground) -> None:
    document = connected.create()
    with_service(lambda service: service.store.write(lambda tx: leases.claim(tx, document["id"], "another", 600)))
    for words in (["rotate", NAME], ["pause", NAME], ["resume", NAME], ["delete", NAME, "--yes"]):
        ran = keyturn("rotations", *words)
        assert (ran.code, ran.out) == (4, "")
        assert "Another process is working on this rotation" in ran.err
    assert done("rotations", "check", NAME).code == 0


def test_a_failure_says_what_happened_what_still_works_and_what_to_do(connected: Ground) -> None:
    connected.create()
    before = connected.published()
    connected.pg.execute(f"ALTER ROLE {connected.users[1]} NOLOGIN")
    ran = keyturn("rotations", "rotate", NAME)
    assert ran.code == 1
    assert ran.out == ""
    assert connected.users[1] in ran.err
    assert "The published credential still works." in ran.err
    assert "verify" in ran.err
    assert "failed after" in ran.err
    assert without_secrets(ran.said, [*connected.secrets, *before.values()][:-1])
    assert connected.published() == before
    assert connected.published_logs_in()
    assert done("rotations", "list").lines[0][1] == "failing"


def test_preflight_names_each_failed_check_with_its_remedy(connected: Ground) -> None:
    body = connected.rotation_body
    body["parameters"]["username2"] = "nobody_of_this_name"
    ran = keyturn("rotations", "create", "postgres-credentials", "--file", "-", stdin=json.dumps(body))
    assert ran.code == 1
    assert "nobody_of_this_name" in ran.err
    assert "CREATE" in ran.err
    assert done("rotations", "list").out == ""
    assert done("secrets", "list").out == ""


def test_an_ambiguous_name_lists_the_ids(connected: Ground) -> None:
    first = connected.create()
    users = [connected.pg.create_role(f"other_{n}", "temporary") for n in (1, 2)]
    second = connected.create(environment="prod", parameters={"username1": users[0], "username2": users[1]})
    ran = keyturn("rotations", "show", NAME)
    assert ran.code == 2
    assert f"{first['id']}  default dev /" in ran.err
    assert f"{second['id']}  default prod /" in ran.err
    assert done("rotations", "show", second["id"], "--json").json == {"secretRotation": second}


@pytest.mark.parametrize(
    "words",
    [
        ["show"],
        ["rotate"],
        ["check"],
        ["credentials"],
        ["pause"],
        ["resume"],
        ["history"],
        ["delete", "--yes"],
        ["delete"],
    ],
    ids=" ".join,
)
def test_an_unknown_name_exits_3(ready: Path, words: list[str]) -> None:
    for json_too in ([], ["--json"]):
        ran = keyturn("rotations", *words, *json_too, "nobody")
        assert (ran.code, ran.out) == (3, "")
        assert "There is no rotation 'nobody'" in ran.err


def test_the_actor_of_an_event_is_the_user_of_the_command(connected: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "anna")
    connected.create()
    lines = done("events", "--rotation", NAME).lines
    assert [cells[1:5] for cells in lines] == [["cli:anna", "create-secret-rotation", "success", NAME]]
    assert done("events", "--limit", "1", "--json").json["events"][0]["actor"] == "cli:anna"
    assert keyturn("events", "--rotation", "nobody").code == 3


def test_an_unknown_type_of_a_stored_rotation_is_no_defect(connected: Ground) -> None:
    document = connected.create()

    def change(tx: Tx) -> None:
        rotations.update_fields(tx, document["id"], type="from-another-distribution")

    with_service(lambda service: service.store.write(change))
    assert done("rotations", "list").lines[0][4] == "from-another-distribution"
    assert done("rotations", "show", NAME, "--json").json["secretRotation"]["type"] == "from-another-distribution"
    for verb in ("rotate", "check"):
        ran = keyturn("rotations", verb, NAME)
        assert ran.code == 2
        assert "from-another-distribution" in ran.err
        assert "Traceback" not in ran.err
