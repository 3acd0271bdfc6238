"""Connections to AWS and the rotation of an IAM user's keys, from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.ground import Ran, done, keyturn, modules_after, without_secrets
from tests.standins.iam import SAMPLE, Aws

NAME, CONNECTION = "billing-keys", "my-aws-connection"
TYPE = "aws-iam-user-secret"


@pytest.fixture
def connected(ready: Path, aws: Aws) -> Aws:
    done("connections", "add", "aws", "--file", "-", stdin=json.dumps(aws.connection_body))
    return aws


@pytest.fixture
def created(connected: Aws) -> Aws:
    create(connected)
    return connected


def create(aws: Aws, **changes: Any) -> dict[str, Any]:
    body = json.dumps({**aws.rotation_body, **changes})
    document: dict[str, Any] = done("rotations", "create", TYPE, "--file", "-", "--json", stdin=body).json[
        "secretRotation"
    ]
    return document


def edited(aws: Aws, **parameters: str) -> Ran:
    body = {"parameters": {"userName": aws.user, **parameters}}
    return keyturn("rotations", "edit", NAME, "--file", "-", "--json", stdin=json.dumps(body))


def published() -> tuple[str, str]:
    values = done("secrets", "export", "--format", "json").json
    return values["AWS_ACCESS_KEY_ID"], values["AWS_SECRET_ACCESS_KEY"]


def test_a_connection_is_tested_kept_and_shown_without_its_secret(ready: Path, aws: Aws) -> None:
    body = json.dumps(aws.connection_body)
    added = done("connections", "add", "aws", "--file", "-", "--json", stdin=body)
    document = added.json["appConnection"]
    assert (document["app"], document["method"]) == ("aws", "access-key")
    assert document["credentials"] == {"accessKeyId": aws.login.key_id, "endpointUrl": aws.account.url}
    tested = done("connections", "test", "my-aws-connection")
    assert tested.out == f"AWS account 123456789012 as arn:aws:iam::123456789012:user/{aws.admin}\n"
    said = added.said + tested.said + done("connections", "show", "my-aws-connection").said
    assert without_secrets(said + done("connections", "list").said, [aws.login.secret])


def test_a_connection_that_is_refused_is_not_kept(ready: Path, aws: Aws) -> None:
    body = {**aws.connection_body, "credentials": {**aws.credentials, "secretAccessKey": "wrong-secret-0123456789"}}
    ran = keyturn("connections", "add", "aws", "--file", "-", stdin=json.dumps(body))
    assert ran.code == 1
    assert "SignatureDoesNotMatch" in ran.err
    assert without_secrets(ran.said, ["wrong-secret-0123456789"])
    assert done("connections", "list", "--json").json == {"appConnections": []}


def test_the_users_that_may_be_picked_are_listed(connected: Aws) -> None:
    other = connected.make_user("other")
    listed = done("connections", "choices", CONNECTION, "--filter", connected.suffix.upper())
    names = [name for name, _, _ in listed.lines]
    assert names == sorted([connected.user, connected.admin, other])
    assert [f"userName={name}" for name in names] == [parameters for _, _, parameters in listed.lines]
    cut = done("connections", "choices", CONNECTION, "--filter", connected.suffix, "--limit", "1", "--json")
    assert [choice["parameters"] for choice in cut.json["choices"]] == [{"userName": connected.user}]
    assert "more than 1" in cut.err
    assert keyturn("connections", "choices", CONNECTION, "--type", "azure-client-secret").code == 2
    connected.allow("iam:GetUser")
    refused = keyturn("connections", "choices", CONNECTION)
    assert (refused.code, refused.out) == (1, "")
    assert "iam:ListUsers" in refused.err


def test_the_documented_sample_body_makes_a_rotation(connected: Aws) -> None:
    document = create(connected)
    assert document["type"] == TYPE
    assert document["parameters"] == {"userName": connected.user, "region": "us-east-1"}
    assert document["secretsMapping"] == SAMPLE["secretsMapping"]
    assert (document["activeIndex"], document["rotationStatus"]) == (0, "success")
    assert document["connection"]["app"] == "aws"
    assert list(connected.account.keys(connected.user)) == [published()[0]]
    assert connected.account.lets_in(*published())


def test_credentials_are_shown_when_asked_for_and_nowhere_else(created: Aws) -> None:
    first = published()
    rotated = done("rotations", "rotate", NAME, "--force")
    second = published()
    found = done("rotations", "credentials", NAME, "--json").json
    assert found["type"] == TYPE
    assert found["activeIndex"] == 1
    assert found["generatedCredentials"] == [
        {"accessKeyId": key_id, "secretAccessKey": secret} for key_id, secret in (first, second)
    ]
    told = [rotated.said, done("rotations", "show", NAME).said, done("rotations", "show", NAME, "--json").said]
    told += [done("rotations", "history", NAME).said, done("events").said, done("rotations", "check", NAME).said]
    assert without_secrets("".join(told), [first[1], second[1], created.login.secret])


def test_deleting_half_way_may_be_repeated(created: Aws) -> None:
    done("rotations", "rotate", NAME)
    created.account.iam().delete_access_key(UserName=created.user, AccessKeyId=published()[0])
    created.account.fault("DeleteAccessKey", "deny")
    assert keyturn("rotations", "delete", NAME, "--yes", "--revoke").code == 1
    done("rotations", "delete", NAME, "--yes", "--revoke")
    assert created.account.keys(created.user) == {}


def test_a_strangers_key_stops_a_rotation_and_nothing_else(created: Aws) -> None:
    stranger, before = created.account.create_key(created.user), published()
    failed = keyturn("rotations", "rotate", NAME)
    assert failed.code == 1
    assert f"{stranger.key_id} (active, created " in failed.err
    assert f"aws iam delete-access-key --user-name {created.user} --access-key-id {stranger.key_id}" in failed.err
    assert published() == before
    assert created.account.lets_in(*before)
    created.account.iam().delete_access_key(UserName=created.user, AccessKeyId=stranger.key_id)
    done("rotations", "rotate", NAME)
    assert created.account.lets_in(*published())


def test_two_strangers_keys_are_seen_before_anything_is_stored(connected: Aws) -> None:
    strangers = [connected.account.create_key(connected.user).key_id for _ in range(2)]
    ran = keyturn("rotations", "create", TYPE, "--file", "-", stdin=json.dumps(connected.rotation_body))
    assert ran.code == 1
    assert all(stranger in ran.err for stranger in strangers)
    assert done("rotations", "list", "--json").json == {"secretRotations": []}
    assert list(connected.account.keys(connected.user)) == strangers


def test_another_user_by_an_edit_and_the_former_keys_go_when_promised(created: Aws) -> None:
    done("rotations", "rotate", NAME)
    former, other = published(), created.make_user("other")
    assert edited(created, userName=other).code == 0
    assert created.account.lets_in(*former)
    assert list(created.account.keys(other)) == [published()[0]]
    assert len(created.account.keys(created.user)) == 2
    done("rotations", "rotate", NAME)
    assert len(created.account.keys(other)) == 2
    done("rotations", "delete", NAME, "--yes", "--revoke")
    assert created.account.keys(created.user) == created.account.keys(other) == {}


def test_back_to_the_former_user_by_a_second_edit(created: Aws) -> None:
    first, other = published(), created.make_user("other")
    assert edited(created, userName=other).code == 0
    assert edited(created).code == 0
    assert created.account.lets_in(*first)
    assert created.account.lets_in(*published())
    assert set(created.account.keys(created.user)) == {first[0], published()[0]}
    done("rotations", "delete", NAME, "--yes", "--revoke")
    assert created.account.keys(created.user) == created.account.keys(other) == {}


def test_back_to_a_former_user_whose_two_keys_both_still_live(created: Aws) -> None:
    ends_next = published()
    done("rotations", "rotate", NAME)
    former, other = published(), created.make_user("other")
    assert edited(created, userName=other).code == 0
    back = edited(created)
    assert back.code == 0, back.said
    assert created.account.lets_in(*former)
    assert created.account.lets_in(*published())
    assert not created.account.lets_in(*ends_next)
    assert set(created.account.keys(created.user)) == {former[0], published()[0]}


def test_an_edit_that_fails_can_be_taken_back(created: Aws) -> None:
    done("rotations", "rotate", NAME)
    before, other = created.account.keys(created.user), created.make_user("other")
    created.account.fault("CreateAccessKey", "lose")
    assert edited(created, userName=other).code == 1
    assert len(created.account.keys(other)) == 1
    assert edited(created).code == 0
    assert created.account.keys(created.user) == before
    assert created.account.keys(other) == {}
    assert created.account.lets_in(*published())
    done("rotations", "rotate", NAME)
    assert created.account.lets_in(*published())


def test_another_region_touches_no_key(created: Aws) -> None:
    before = published()
    assert edited(created, region="eu-central-1").code == 0
    assert published() == before
    assert list(created.account.keys(created.user)) == [before[0]]


def test_check_finds_what_somebody_deleted_or_deactivated(created: Aws) -> None:
    done("rotations", "rotate", NAME)
    assert "is there and active" in done("rotations", "check", NAME).out
    old = next(key for key in created.account.keys(created.user) if key != published()[0])
    created.account.iam().update_access_key(UserName=created.user, AccessKeyId=old, Status="Inactive")
    ran = keyturn("rotations", "check", NAME)
    assert ran.code == 1
    assert f"The access key {old} of {created.user} was made inactive." in ran.said
    healed = keyturn("rotations", "check", NAME, "--heal")
    assert healed.code == 2
    assert "AWS IAM user keys can't be set back" in healed.err
    assert f"keyturn rotations rotate {NAME}" in healed.err
    done("rotations", "rotate", NAME)
    assert "made inactive" not in done("rotations", "check", NAME).said


def test_the_guard_waits_for_who_still_calls(connected: Aws) -> None:
    create(connected, guard={"policy": "wait", "waitHours": 1})
    former = published()
    done("rotations", "rotate", NAME)
    done("rotations", "check", NAME)  # looks, and is nobody's use
    assert connected.account.lets_in(*former)
    ran = keyturn("rotations", "rotate", NAME)
    assert ran.code == 1
    assert f"Postponed: {connected.user} is still in use by a caller of sts" in ran.err
    assert connected.account.lets_in(*former)


def test_a_check_is_nobodys_use(connected: Aws) -> None:
    create(connected, guard={"policy": "wait", "waitHours": 1})
    done("rotations", "rotate", NAME)
    done("rotations", "check", NAME)
    done("rotations", "rotate", NAME)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"userName": "arn:aws:iam::123456789012:user/team/app"}, "parameters.userName: This is an ARN."),
        ({"userName": "/team/app"}, "parameters.userName: This holds a path."),
        ({"userName": "app", "region": "Frankfurt"}, "parameters.region: This is no region of AWS"),
        ({}, "parameters.userName: is required"),
    ],
)
def test_what_cannot_be_is_said_before_anything_happens(connected: Aws, parameters: Any, says: str) -> None:
    body = {**connected.rotation_body, "parameters": parameters}
    connected.account.calls()
    ran = keyturn("rotations", "create", TYPE, "--file", "-", stdin=json.dumps(body))
    assert ran.code == 2
    assert says in ran.err
    assert connected.account.calls() == []


def test_one_user_belongs_to_one_rotation(created: Aws) -> None:
    other = {"accessKeyId": "OTHER_ID", "secretAccessKey": "OTHER_SECRET"}
    body = {**created.rotation_body, "name": "second", "secretsMapping": other}
    ran = keyturn("rotations", "create", TYPE, "--file", "-", stdin=json.dumps(body))
    assert ran.code == 2
    assert f"parameters.userName: {created.user} belongs to the rotation {NAME}" in ran.err
    assert "password" not in ran.err


@pytest.mark.parametrize("words", [["connections", "list"], ["rotations", "list"]])
def test_who_looks_at_lists_waits_for_no_sdk(ready: Path, words: list[str]) -> None:
    code, modules = modules_after(*words)
    assert code == 0
    assert not {"boto3", "botocore", "moto", "azure", "msgraph", "httpx", "aiohttp", "kiota_http"} & modules
