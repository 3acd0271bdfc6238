"""What is looked up before an IAM user's keys are rotated, and the remedy for each thing that is missing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from providers.aws import ACCESS_KEY, APP, AwsTarget
from providers.aws_iam_user_secret import PROVIDER, AwsParameters
from providers.aws_policy import HELPFUL, NEEDED
from providers.base import Check, CheckResult
from tests.standins.iam import Aws

PASSED, WARNING, FAILED = CheckResult.PASSED, CheckResult.WARNING, CheckResult.FAILED


@pytest.fixture
async def target(aws: Aws) -> AsyncIterator[AwsTarget]:
    opened = APP.open(ACCESS_KEY, APP.methods[ACCESS_KEY].model_validate(aws.credentials))
    assert isinstance(opened, AwsTarget)
    yield opened
    await opened.close()


async def preflight(target: AwsTarget, user: str) -> dict[str, Check]:
    found = await PROVIDER.preflight(target, AwsParameters.model_validate({"userName": user}))
    return {check.title.replace(user, "USER"): check for check in found}


ROOM, MAY = "USER has room for another key", "The connection may manage the keys of USER"
ITSELF, EXISTS = "USER is not the connection's own user", "USER exists"


async def test_all_is_well_and_nothing_was_changed(aws: Aws, target: AwsTarget) -> None:
    found = await preflight(target, aws.user)
    assert list(found) == ["AWS answers", EXISTS, ITSELF, ROOM, MAY]
    assert {check.result for check in found.values()} == {PASSED}
    assert found["AWS answers"].detail == f"Account 123456789012, as arn:aws:iam::123456789012:user/{aws.admin}"
    assert aws.account.keys(aws.user) == {}
    assert not {"CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey"} & set(aws.account.calls())


async def test_no_such_user(target: AwsTarget) -> None:
    found = await preflight(target, "nobody-at-all")
    assert found[EXISTS].result is FAILED
    assert found[EXISTS].detail == "There is no IAM user nobody-at-all in the account 123456789012."
    assert found[EXISTS].remedy == "aws iam create-user --user-name nobody-at-all"


async def test_the_connections_own_user(aws: Aws, target: AwsTarget) -> None:
    assert (await preflight(target, aws.admin))[ITSELF].result is FAILED


async def test_one_key_of_somebody_elses_is_a_warning_two_are_too_many(aws: Aws, target: AwsTarget) -> None:
    first = aws.account.create_key(aws.user).key_id
    one = (await preflight(target, aws.user))[ROOM]
    assert one.result is WARNING
    assert f"{first} (active, created 20" in one.detail
    assert "never used" in one.detail
    assert "second rotation" in one.detail
    second = aws.account.create_key(aws.user).key_id
    two = (await preflight(target, aws.user))[ROOM]
    assert two.result is FAILED
    for key_id in (first, second):
        assert key_id in two.detail
        assert f"aws iam delete-access-key --user-name {aws.user} --access-key-id {key_id}" in two.remedy


@pytest.mark.parametrize("missing", [*NEEDED[1:], *HELPFUL[:1]])
@pytest.mark.parametrize("simulates", [True, False])
async def test_a_missing_permission_is_named(aws: Aws, target: AwsTarget, missing: str, simulates: bool) -> None:
    aws.account.create_key(aws.user)
    simulation = ["iam:SimulatePrincipalPolicy"] if simulates else []
    aws.allow(*({*NEEDED, *HELPFUL} - {missing}), *simulation)
    check = (await preflight(target, aws.user))[MAY]
    policy = json.loads(check.remedy)
    assert policy["Statement"][0]["Resource"] == f"arn:aws:iam::123456789012:user/{aws.user}"
    assert missing in policy["Statement"][0]["Action"]
    if missing == "iam:CreateAccessKey" and not simulates:
        assert check.result is WARNING
        assert "can't be tried" in check.detail
    else:
        assert check.result is (FAILED if missing in NEEDED else WARNING)
        assert f"Missing: {missing}." in check.detail
    assert len(aws.account.keys(aws.user)) == 1


async def test_not_even_listing_keys_is_allowed(aws: Aws, target: AwsTarget) -> None:
    aws.allow("iam:GetUser")
    found = await preflight(target, aws.user)
    assert list(found) == ["AWS answers", MAY]
    assert found[MAY].result is FAILED
    assert "iam:ListAccessKeys" in found[MAY].detail


async def test_a_users_path_is_part_of_the_policy(aws: Aws, target: AwsTarget) -> None:
    user = aws.make_user("deep", path="/team/blue/")
    aws.allow("iam:*")
    assert (await preflight(target, user))[MAY].result is PASSED
    aws.allow("iam:ListAccessKeys", "iam:GetUser", "iam:SimulatePrincipalPolicy")
    remedy = json.loads((await preflight(target, user))[MAY].remedy)
    assert remedy["Statement"][0]["Resource"] == f"arn:aws:iam::123456789012:user/team/blue/{user}"


async def test_aws_does_not_answer(aws: Aws, target: AwsTarget) -> None:
    aws.account.fault("GetCallerIdentity", "throttle", times=3)
    [check] = (await preflight(target, aws.user)).values()
    assert check.result is FAILED
    assert "Throttling" in check.detail
