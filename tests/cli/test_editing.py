"""`keyturn rotations edit` and `guard` by flags."""

from __future__ import annotations

from tests.cli.ground import Ground, done, keyturn

NAME = "my-pg-rotation"


def test_flags_change_what_they_give_and_nothing_else(connected: Ground) -> None:
    document = connected.create(parameters=requirements(connected, 40), guard={"policy": "wait", "waitHours": 5})
    before = connected.verifiers()
    words = ["--interval", "14", "--rotate-at", "03:30 UTC", "--description", "for billing", "--auto-rotation", "off"]
    more = ["--name", "renamed", "--set", "secretsMapping.password=DB_PASSWORD"]
    more += ["--set", "parameters.passwordRequirements.length=64", "--guard-wait-hours", "12"]
    changed = done("rotations", "edit", NAME, *words, *more, "--json").json["secretRotation"]
    assert (changed["name"], changed["description"]) == ("renamed", "for billing")
    assert (changed["rotationInterval"], changed["rotateAtUtc"]) == (14, {"hours": 3, "minutes": 30})
    assert changed["isAutoRotationEnabled"] is False
    assert changed["guard"] == {"policy": "wait", "waitHours": 12}
    assert changed["secretsMapping"] == {"username": "POSTGRES_DB_USERNAME", "password": "DB_PASSWORD"}
    assert changed["parameters"]["username1"] == connected.users[0]
    former, now = (found["parameters"]["passwordRequirements"] for found in (document, changed))
    assert now == {**former, "length": 64}
    assert connected.verifiers() == before
    cleared = done("rotations", "edit", "renamed", "--description", "", "--auto-rotation", "on", "--json").json
    assert cleared["secretRotation"]["description"] is None
    assert cleared["secretRotation"]["isAutoRotationEnabled"] is True


def requirements(ground: Ground, length: int) -> dict[str, object]:
    users = {"username1": ground.users[0], "username2": ground.users[1]}
    return {**users, "passwordRequirements": {"length": length}}


def test_another_user_by_a_flag_is_issued_and_published(connected: Ground) -> None:
    connected.create()
    other = connected.pg.create_role("another_user", "temporary-three-9Sz")
    done("rotations", "edit", NAME, "--set", f"parameters.username1={other}")
    assert connected.published()["POSTGRES_DB_USERNAME"] == other
    assert connected.published_logs_in()


REFUSED: list[tuple[list[str], str]] = [
    ([], "There is nothing to change."),
    (["--interval", "3", "--file", "-"], "Flags and --file exclude each other."),
    (["--interval", "0"], "rotationInterval: must be at least 1"),
    (["--interval", "soon"], "rotationInterval: must be a whole number"),
    (["--rotate-at", "24:00"], "rotateAtUtc: must be a time of day from 00:00 to 23:59 in UTC"),
    (["--guard", "perhaps"], "invalid choice: 'perhaps'"),
    (["--guard-wait-hours", "0"], "guard.waitHours: must be at least 1"),
    (["--set", "username1"], "--set takes KEY=VALUE"),
    (["--set", "parameters.usrname1=x"], "Did you mean parameters.username1?"),
    (["--set", "zzz=x"], "is not known. PostgreSQL credentials has: name, "),
    (["--set", "rotationInterval=3", "--interval", "3"], "rotationInterval is given twice."),
    (["--set", "parameters.username1="], "parameters.username1: is required"),
    (["--set", "parameters.passwordRequirements.length=long"], "parameters.passwordRequirements.length: "),
    (["--set", "secretsMapping.username=a/b"], "secretsMapping.username: must not contain"),
]


def test_what_cannot_be_is_refused_with_2(connected: Ground) -> None:
    document = connected.create()
    for words, said in REFUSED:
        ran = keyturn("rotations", "edit", NAME, *words, stdin="{}")
        assert (ran.code, ran.out) == (2, ""), words
        assert said in ran.err
    assert done("rotations", "show", NAME, "--json").json["secretRotation"] == document


def test_the_guard_is_shown_and_set(connected: Ground) -> None:
    connected.create()
    assert done("rotations", "guard", NAME).out == "warn and go on\n"
    waiting = done("rotations", "guard", NAME, "wait", "--wait-hours", "7", "--json").json["secretRotation"]
    assert waiting["guard"] == {"policy": "wait", "waitHours": 7}
    assert done("rotations", "guard", NAME, "--json").json == {"guard": {"policy": "wait", "waitHours": 7}}
    done("rotations", "guard", NAME, "off")
    assert done("rotations", "guard", NAME).out == "off\n"
    assert done("rotations", "guard", NAME, "wait", "--json").json["secretRotation"]["guard"]["waitHours"] == 7
    refused = keyturn("rotations", "guard", NAME, "warn", "--wait-hours", "3")
    assert (refused.code, "goes with the policy wait" in refused.err) == (2, True)
    assert keyturn("rotations", "guard", "nonsense").code == 3


def test_a_name_in_two_places_is_answered_with_ids_and_places(connected: Ground) -> None:
    first = connected.create()
    users = [connected.pg.create_role(f"other_{n}", "temporary-three-9Sz") for n in (1, 2)]
    parameters = {"username1": users[0], "username2": users[1]}
    second = connected.create(environment="prod", parameters=parameters)
    for verb in (["show"], ["rotate"], ["pause"], ["history"], ["guard"], ["plan"], ["edit"], ["check"]):
        ran = keyturn("rotations", *verb, NAME, *(["--interval", "3"] if verb == ["edit"] else []))
        assert ran.code == 2, ran.said
        assert f"{first['id']}  default dev /" in ran.err
        assert f"{second['id']}  default prod /" in ran.err
    assert done("rotations", "guard", second["id"], "off").code == 0
    assert done("rotations", "guard", first["id"]).out == "warn and go on\n"
