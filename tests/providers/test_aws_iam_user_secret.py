"""Two keys of one IAM user that take turns: what is made, what goes, and what is never touched."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from app.demo.iam import Fault
from providers.aws import ACCESS_KEY, APP, AwsTarget
from providers.aws_iam_user_secret import PROVIDER, AwsMapping, AwsParameters
from providers.base import (
    CandidateRequest,
    Choosing,
    Credential,
    CredentialRefused,
    Guarded,
    Inspectable,
    Issue,
    Outcome,
    Preparable,
    TargetError,
    TargetRefused,
    TargetUnavailable,
)
from tests.standins.iam import Aws


@pytest.fixture
async def target(aws: Aws) -> AsyncIterator[AwsTarget]:
    """The admin's."""
    opened = APP.open(ACCESS_KEY, APP.methods[ACCESS_KEY].model_validate(aws.credentials))
    assert isinstance(opened, AwsTarget)
    yield opened
    await opened.close()


def parameters(user: str, **more: str) -> AwsParameters:
    return AwsParameters.model_validate({"userName": user, **more})


def candidate(planned: datetime | None = None) -> Credential:
    """What the journal would hold."""
    now = planned or datetime.now(UTC)
    return PROVIDER.candidate(parameters("app"), CandidateRequest(0, "attempt", now, 30, secrets.choice))


def key_id(credential: Credential) -> str:
    return credential.values["accessKeyId"]


def works(aws: Aws, credential: Credential) -> bool:
    return aws.account.lets_in(key_id(credential), credential.values["secretAccessKey"])


async def issue(target: AwsTarget, user: str, **more: Any) -> Credential:
    return await PROVIDER.issue(target, parameters(user), Issue(0, more.pop("candidate", candidate()), **more))


async def failure(target: AwsTarget, user: str, **more: Any) -> TargetError:
    with pytest.raises(TargetError) as caught:
        await issue(target, user, **more)
    return caught.value


async def test_the_slots_old_key_goes_before_the_new_one_is_made(aws: Aws, target: AwsTarget) -> None:
    first = await issue(target, aws.user)
    second = await issue(target, aws.user, active=first)
    aws.account.calls()
    third = await issue(target, aws.user, previous=first, active=second)
    calls = ["ListAccessKeys", "UpdateAccessKey", "DeleteAccessKey", "CreateAccessKey"]
    assert aws.account.calls() == calls
    assert set(aws.account.keys(aws.user)) == {key_id(second), key_id(third)}
    assert [works(aws, each) for each in (first, second, third)] == [False, True, True]


async def test_an_old_key_that_somebody_deleted_is_not_missed(aws: Aws, target: AwsTarget) -> None:
    first = await issue(target, aws.user)
    second = await issue(target, aws.user, active=first)
    aws.account.iam().delete_access_key(UserName=aws.user, AccessKeyId=key_id(first))
    assert works(aws, await issue(target, aws.user, previous=first, active=second))
    assert works(aws, second)


async def test_a_key_that_is_both_old_and_published_is_not_touched(aws: Aws, target: AwsTarget) -> None:
    """So it is recorded after an edit that changed the user."""
    first = await issue(target, aws.user)
    assert works(aws, await issue(target, aws.user, previous=first, active=first))
    assert works(aws, first)


@pytest.mark.parametrize("again", [False, True])
async def test_a_strangers_key_is_named_and_nothing_is_deleted(aws: Aws, target: AwsTarget, again: bool) -> None:
    active = await issue(target, aws.user)
    stranger = aws.account.create_key(aws.user)
    assert aws.account.lets_in(stranger.key_id, stranger.secret)  # it has been used
    aws.account.calls()
    error = await failure(target, aws.user, active=active, again=again)
    assert isinstance(error, TargetRefused)
    assert error.outcome is Outcome.UNCHANGED
    assert f"{stranger.key_id} (active, created 20" in error.message
    assert "0 days old, last used 20" in error.message
    assert " for sts in us-east-1)" in error.message
    assert key_id(active) not in error.message
    off = f"aws iam update-access-key --status Inactive --user-name {aws.user} --access-key-id {stranger.key_id}"
    assert off in error.remedy
    assert f"aws iam delete-access-key --user-name {aws.user} --access-key-id {stranger.key_id}" in error.remedy
    assert not {"UpdateAccessKey", "DeleteAccessKey", "CreateAccessKey"} & set(aws.account.calls())


async def test_both_strangers_are_named(aws: Aws, target: AwsTarget) -> None:
    strangers = [aws.account.create_key(aws.user).key_id for _ in range(2)]
    error = await failure(target, aws.user)
    assert all(stranger in error.message and stranger in error.remedy for stranger in strangers)
    assert "does not know two of them" in error.message


async def test_a_strangers_inactive_key_counts_too(aws: Aws, target: AwsTarget) -> None:
    active, stranger = await issue(target, aws.user), aws.account.create_key(aws.user)
    aws.account.iam().update_access_key(UserName=aws.user, AccessKeyId=stranger.key_id, Status="Inactive")
    assert f"{stranger.key_id} (inactive, " in (await failure(target, aws.user, active=active)).message


async def test_a_key_that_is_made_after_its_run_was_stopped_is_found(aws: Aws, target: AwsTarget) -> None:
    planned, called = candidate(), list[str]()
    aws.account.fault("CreateAccessKey", "hang")
    stopped = asyncio.create_task(issue(target, aws.user, candidate=planned))
    while "CreateAccessKey" not in called:
        await asyncio.sleep(0.01)
        called += aws.account.calls()
    stopped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopped
    aws.account.release()
    while not aws.account.keys(aws.user):
        await asyncio.sleep(0.01)
    issued = await issue(target, aws.user, candidate=planned, again=True)
    assert list(aws.account.keys(aws.user)) == [key_id(issued)]
    assert works(aws, issued)


async def test_a_recorded_key_that_does_not_work_is_replaced_though_it_was_used(aws: Aws, target: AwsTarget) -> None:
    active, planned = await issue(target, aws.user), candidate()
    useless = await issue(target, aws.user, candidate=planned, active=active)
    assert works(aws, useless)
    aws.account.iam().update_access_key(UserName=aws.user, AccessKeyId=key_id(useless), Status="Inactive")
    issued = await issue(target, aws.user, candidate=planned, active=active, again=True, issued=useless)
    assert set(aws.account.keys(aws.user)) == {key_id(active), key_id(issued)}


async def test_keys_to_be_retired_later_go_only_as_far_as_room_is_needed(aws: Aws, target: AwsTarget) -> None:
    first = await issue(target, aws.user)
    second = await issue(target, aws.user, expendable=(first,))
    assert works(aws, first)
    third = await issue(target, aws.user, expendable=(first, second))
    assert set(aws.account.keys(aws.user)) == {key_id(second), key_id(third)}
    aws.account.create_key(aws.make_user("other"))
    assert works(aws, await issue(target, aws.user, active=third, expendable=(third, second)))
    assert works(aws, third)


async def test_an_older_key_is_no_lost_one_though_it_was_never_used(aws: Aws, target: AwsTarget) -> None:
    active, stranger = await issue(target, aws.user), aws.account.create_key(aws.user)
    planned = candidate(datetime.now(UTC) + timedelta(minutes=1))
    error = await failure(target, aws.user, candidate=planned, active=active, again=True)
    assert f"{stranger.key_id} (active" in error.message
    assert "never used" in error.message
    assert stranger.key_id in aws.account.keys(aws.user)


async def test_room_may_remain_beside_a_stranger(aws: Aws, target: AwsTarget) -> None:
    stranger = aws.account.create_key(aws.user)
    assert works(aws, await issue(target, aws.user))
    assert aws.account.lets_in(stranger.key_id, stranger.secret)


@pytest.mark.parametrize(
    ("fault", "times", "kind", "outcome"),
    [
        ("throttle", 1, TargetUnavailable, "unchanged"),
        ("deny", 1, TargetRefused, "unchanged"),
        ("limit", 1, TargetUnavailable, "unchanged"),
        ("fail", 1, TargetUnavailable, "unknown"),
        ("html", 1, TargetUnavailable, "unknown"),
        ("sign-in", 1, TargetUnavailable, "unknown"),
        ("drop", 1, TargetUnavailable, "unknown"),
    ],
)
async def test_making_a_key_is_never_tried_twice(
    aws: Aws, target: AwsTarget, fault: Fault, times: int, kind: type, outcome: str
) -> None:
    aws.account.fault("CreateAccessKey", fault, times=times)
    error = await failure(target, aws.user)
    assert isinstance(error, kind)
    assert error.outcome == outcome
    assert aws.account.calls() == ["ListAccessKeys", "CreateAccessKey"]


@pytest.mark.parametrize("fault", ["throttle", "fail", "drop", "lose"])
@pytest.mark.parametrize("action", ["ListAccessKeys", "UpdateAccessKey", "DeleteAccessKey"])
async def test_everything_else_is(aws: Aws, target: AwsTarget, action: str, fault: Fault) -> None:
    first = await issue(target, aws.user)
    second = await issue(target, aws.user, active=first)
    aws.account.fault(action, fault)
    assert works(aws, await issue(target, aws.user, previous=first, active=second))


async def test_what_fails_after_the_old_key_went_is_no_longer_unchanged(aws: Aws, target: AwsTarget) -> None:
    first = await issue(target, aws.user)
    second = await issue(target, aws.user, active=first)
    aws.account.fault("CreateAccessKey", "deny")
    error = await failure(target, aws.user, previous=first, active=second)
    assert error.outcome is Outcome.UNKNOWN
    assert "iam:CreateAccessKey" in error.message
    assert list(aws.account.keys(aws.user)) == [key_id(second)]
    assert works(aws, await issue(target, aws.user, previous=first, active=second, again=True))


async def test_a_user_who_does_not_exist(target: AwsTarget) -> None:
    error = await failure(target, "nobody-at-all")
    assert error.message == "There is no IAM user nobody-at-all."
    assert error.remedy == "aws iam create-user --user-name nobody-at-all"


async def test_the_connections_own_user_is_refused(aws: Aws, target: AwsTarget) -> None:
    error = await failure(target, aws.admin)
    assert "lock Keyturn out" in error.message
    assert list(aws.account.keys(aws.admin)) == [aws.login.key_id]


async def test_a_new_key_is_refused_until_aws_knows_it_everywhere(aws: Aws, target: AwsTarget) -> None:
    aws.account.lag(2)
    issued = await issue(target, aws.user)
    for _ in range(2):
        with pytest.raises(CredentialRefused, match=f"does not know the access key {key_id(issued)}"):
            await PROVIDER.verify(target, parameters(aws.user), issued)
    await PROVIDER.verify(target, parameters(aws.user, region="eu-central-1"), issued)
    assert PROVIDER.verify_successes == 3
    assert PROVIDER.verify_patience == 60


async def test_looking_at_a_key_does_not_use_it(aws: Aws, target: AwsTarget) -> None:
    issued, before = await issue(target, aws.user), datetime.now(UTC) - timedelta(minutes=1)
    await PROVIDER.inspect(target, parameters(aws.user), issued)
    assert await PROVIDER.in_use(target, parameters(aws.user), issued, before) == []
    aws.account.iam().update_access_key(UserName=aws.user, AccessKeyId=key_id(issued), Status="Inactive")
    with pytest.raises(CredentialRefused, match="was made inactive"):
        await PROVIDER.inspect(target, parameters(aws.user), issued)
    aws.account.iam().delete_access_key(UserName=aws.user, AccessKeyId=key_id(issued))
    with pytest.raises(CredentialRefused, match="any more"):
        await PROVIDER.inspect(target, parameters(aws.user), issued)


async def test_the_guard_sees_a_call_after_the_other_key_was_published(aws: Aws, target: AwsTarget) -> None:
    issued, given = await issue(target, aws.user), parameters(aws.user)
    published = datetime.now(UTC) - timedelta(minutes=1)
    assert works(aws, issued)
    [use] = await PROVIDER.in_use(target, given, issued, published)
    assert use.who.startswith("a caller of sts (last 20")
    assert use.where == "us-east-1"
    assert await PROVIDER.in_use(target, given, issued, datetime.now(UTC) + timedelta(minutes=1)) == []


async def test_a_guard_that_may_not_look_says_so(aws: Aws, target: AwsTarget) -> None:
    issued = await issue(target, aws.user)
    aws.allow("iam:ListAccessKeys")
    with pytest.raises(TargetRefused, match="iam:GetAccessKeyLastUsed"):
        await PROVIDER.in_use(target, parameters(aws.user), issued, datetime.now(UTC))


async def test_without_the_last_use_a_key_is_not_taken_for_a_lost_one(aws: Aws, target: AwsTarget) -> None:
    planned, stranger = candidate(), aws.account.create_key(aws.user)
    aws.allow("iam:ListAccessKeys", "iam:CreateAccessKey", "iam:UpdateAccessKey", "iam:DeleteAccessKey")
    assert "iam:GetAccessKeyLastUsed" in (await failure(target, aws.user, candidate=planned, again=True)).message
    assert stranger.key_id in aws.account.keys(aws.user)


async def test_revoking_deactivates_and_deletes_and_may_be_repeated(aws: Aws, target: AwsTarget) -> None:
    issued, given = await issue(target, aws.user), parameters(aws.user)
    aws.account.calls()
    await PROVIDER.revoke(target, given, issued)
    assert aws.account.calls() == ["UpdateAccessKey", "DeleteAccessKey"]
    assert not works(aws, issued)
    await PROVIDER.revoke(target, given, issued)
    await PROVIDER.retire(target, given, issued)
    await PROVIDER.revoke(target, parameters("nobody-at-all"), issued)
    await PROVIDER.revoke(target, parameters("nobody-at-all"), candidate())


async def test_revoking_what_may_have_been_made(aws: Aws, target: AwsTarget) -> None:
    planned = candidate()
    stranger = aws.account.create_key(aws.user)
    assert aws.account.lets_in(stranger.key_id, stranger.secret)
    aws.account.fault("CreateAccessKey", "lose")
    await failure(target, aws.user, candidate=planned)
    assert len(aws.account.keys(aws.user)) == 2
    await PROVIDER.revoke(target, parameters(aws.user), planned)
    assert list(aws.account.keys(aws.user)) == [stranger.key_id]


async def test_users_are_listed_by_name_and_filtered(aws: Aws, target: AwsTarget) -> None:
    other = aws.make_user("Zebra", path="/zoo/")
    found = await PROVIDER.choices(target, aws.suffix.upper(), 10)
    assert [choice.title for choice in found] == sorted(aws.users, key=str.lower)
    assert found[-1].fills == {"userName": other}
    assert found[-1].detail.startswith("/zoo/, since 20")
    assert len(await PROVIDER.choices(target, "", 2)) == 2
    aws.allow("iam:ListAccessKeys")
    with pytest.raises(TargetRefused, match="iam:ListUsers"):
        await PROVIDER.choices(target, "", 10)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "Fill this in"),
        ("arn:aws:iam::123456789012:user/team/app", "Enter the user's name alone: app"),
        ("arn:aws-cn:iam::123456789012:user/app", "Enter the user's name alone: app"),
        ("arn:aws:iam::123456789012:role/app", "ARN of a role"),
        ("/team/app", "holds a path. Enter the user's name alone: app"),
        ("team/", "holds a path. Enter the user's name alone"),
        ("zwölf", "has 1 to 64 letters"),
        ("two words", "has 1 to 64 letters"),
        ("x" * 65, "has 1 to 64 letters"),
    ],
)
def test_what_is_no_user_name(name: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        parameters(name)


def test_a_region_that_aws_does_not_have() -> None:
    def problem(region: str, **connection: str) -> str:
        found = PROVIDER.check_parameters(parameters("app", region=region), connection)
        assert all(each.field == "parameters.region" for each in found)
        return " ".join(each.message for each in found)

    assert problem("eu-central-9").startswith("AWS has no region eu-central-9. Is it eu-central-")
    assert "Enter one such as" in problem("xx-moon-1")
    assert problem("eu-central-1") == problem("cn-north-1") == problem("us-gov-west-1") == ""
    assert problem("xx-moon-1", endpointUrl="http://localhost:4566") == ""
    with pytest.raises(ValidationError, match="no region of AWS"):
        parameters("app", region="Frankfurt")


def test_what_the_declaration_says() -> None:
    assert json.loads(AwsMapping().model_dump_json(by_alias=True)) == {
        "accessKeyId": "AWS_ACCESS_KEY_ID",
        "secretAccessKey": "AWS_SECRET_ACCESS_KEY",
    }
    assert (PROVIDER.initial_slots, PROVIDER.restores, PROVIDER.name_max_length) == ((0,), False, 64)
    assert isinstance(PROVIDER, Choosing)
    assert isinstance(PROVIDER, Guarded)
    assert isinstance(PROVIDER, Inspectable)
    assert not isinstance(PROVIDER, Preparable)
    assert set(candidate().values) == {"attemptId", "plannedAt"}
