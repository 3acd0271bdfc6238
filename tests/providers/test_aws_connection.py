"""The connection to AWS: what it takes, how it logs in, and what it says when it can't."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError
from pydantic import ValidationError

from app.demo.iam import Fault
from providers import aws as aws_module
from providers.aws import ACCESS_KEY, APP, ASSUME_ROLE, AccessKeyCredentials, AssumeRoleCredentials, AwsTarget
from providers.aws_errors import Circumstances, LimitExceeded, NoSuchEntity, PermissionMissing, translated
from providers.base import CredentialRefused, Outcome, TargetError, TargetRefused, TargetUnavailable
from tests.standins.iam import Aws

Open = Callable[..., AwsTarget]
ROLE = "arn:aws:iam::123456789012:role/keyturn"


@pytest.fixture
async def opened(aws: Aws) -> AsyncIterator[Open]:
    """Open a target as the admin; keyword arguments are credentials that differ, under their documented names."""
    targets: list[AwsTarget] = []

    def open_target(method: str = ACCESS_KEY, **different: Any) -> AwsTarget:
        given = aws.credentials if method == ACCESS_KEY else {"endpointUrl": aws.account.url}
        model = APP.methods[method].model_validate({**given, **different})
        target = APP.open(method, model)
        assert isinstance(target, AwsTarget)
        targets.append(target)
        return target

    yield open_target
    for target in targets:
        await target.close()


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


async def refusal(target: AwsTarget) -> TargetError:
    with pytest.raises(TargetError) as caught:
        await target.test()
    assert caught.value.outcome is Outcome.UNCHANGED
    return caught.value


async def test_it_says_who_it_is(aws: Aws, opened: Open) -> None:
    assert await opened().test() == f"AWS account 123456789012 as arn:aws:iam::123456789012:user/{aws.admin}"


async def test_many_calls_at_once_share_one_target(opened: Open) -> None:
    target = opened()
    assert len(set(await asyncio.gather(*(target.test() for _ in range(20))))) == 1


async def test_a_wrong_secret_is_told_from_a_wrong_clock(aws: Aws, opened: Open) -> None:
    wrong = await refusal(opened(secretAccessKey="x" * 40))
    assert isinstance(wrong, TargetRefused)
    assert f"does not belong to the access key {aws.login.key_id}" in wrong.message
    assert "clock" in wrong.remedy
    aws.account.fault("GetCallerIdentity", "skew")
    skewed = await refusal(opened())
    assert "time of this machine" in skewed.message
    assert "Set this machine's clock" in skewed.remedy


async def test_a_key_that_aws_does_not_know_or_that_is_inactive(aws: Aws, opened: Open) -> None:
    unknown = await refusal(opened(accessKeyId="AKIA0000000000000000"))
    assert unknown.message == "AWS does not know the access key AKIA0000000000000000, or it is inactive."
    aws.account.iam().update_access_key(UserName=aws.admin, AccessKeyId=aws.login.key_id, Status="Inactive")
    assert "or it is inactive" in (await refusal(opened())).message


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("throttle", "fewer calls (Throttling)"),
        ("fail", "AWS failed (ServiceFailure)"),
        ("html", "A server on the way failed (HTTP 502)"),
        ("sign-in", "not AWS"),
        ("drop", "ended the connection without an answer"),
    ],
)
async def test_what_passes_is_tried_again_and_then_told(aws: Aws, opened: Open, fault: Fault, says: str) -> None:
    aws.account.fault("GetCallerIdentity", fault, times=3)
    error = await refusal(opened())
    assert isinstance(error, TargetUnavailable)
    assert says in error.message
    assert "Wi-Fi" not in error.message + error.remedy


async def test_one_fault_is_not_even_noticed(aws: Aws, opened: Open) -> None:
    aws.account.fault("GetCallerIdentity", "throttle")
    assert "123456789012" in await opened().test()


async def test_a_call_that_hangs_ends(aws: Aws, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    target = opened()
    await target.test()
    monkeypatch.setattr(aws_module, "CALL_SECONDS", 0.3)
    aws.account.fault("GetCallerIdentity", "hang", times=3)
    assert isinstance(await refusal(target), TargetUnavailable)
    aws.account.release()


async def test_nobody_listens(opened: Open) -> None:
    port = free_port()
    error = await refusal(opened(endpointUrl=f"http://127.0.0.1:{port}"))
    assert isinstance(error, TargetUnavailable)
    assert error.message == f"127.0.0.1:{port} can't be reached."
    assert "us-east-1" in error.remedy


async def test_no_tls_where_tls_is_asked_for(aws: Aws, opened: Open) -> None:
    error = await refusal(opened(endpointUrl=aws.account.url.replace("http:", "https:")))
    assert error.message.startswith("TLS with 127.0.0.1")


async def test_a_proxy_that_is_not_there(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://somebody:hush-hush@127.0.0.1:{free_port()}")
    error = await refusal(opened())
    assert error.message == "The proxy can't be reached."
    assert "hush-hush" not in repr(error) + error.remedy


async def test_a_ca_file_that_is_not_there(opened: Open, tmp_path: Path) -> None:
    assert "There is no CA file" in (await refusal(opened(caFile=str(tmp_path / "none.pem")))).message
    (tmp_path / "empty.pem").touch()
    target = opened(caFile=str(tmp_path / "empty.pem"), endpointUrl=f"https://127.0.0.1:{free_port()}")
    assert isinstance(await refusal(target), TargetError)


async def test_boto3s_own_variables_count(aws: Aws, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.account.url)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of somebody else")
    assert aws.admin in await opened(endpointUrl=None).test()
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    assert "AWS_PROFILE" in (await refusal(opened())).message


@pytest.fixture
def role(aws: Aws) -> str:
    """A role that the admin may assume with the external id "sesame"."""
    iam, name = aws.account.iam(), f"role-{aws.suffix}"
    trust = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"AWS": f"arn:aws:iam::123456789012:user/{aws.admin}"},
        "Condition": {"StringEquals": {"sts:ExternalId": "sesame"}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    return arn


def ambient(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws.login.key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", aws.login.secret)


async def test_a_role_is_assumed_with_what_the_machine_has(
    aws: Aws, opened: Open, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ambient(aws, monkeypatch)
    aws.allow("sts:AssumeRole")
    target = opened(ASSUME_ROLE, roleArn=role, externalId="sesame")
    name = role.rpartition("/")[2]
    assert await target.test() == f"AWS account 123456789012 as arn:aws:sts::123456789012:assumed-role/{name}/keyturn"
    aws.account.calls()
    await target.test()
    assert aws.account.calls() == ["GetCallerIdentity"]


@pytest.mark.parametrize("external_id", [None, "open-barley"])
async def test_a_role_that_may_not_be_assumed(
    aws: Aws, opened: Open, role: str, external_id: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ambient(aws, monkeypatch)
    if external_id:
        aws.allow("sts:AssumeRole")
    error = await refusal(opened(ASSUME_ROLE, roleArn=role, externalId=external_id))
    assert f"may not assume the role {role}" in error.message
    assert "sts:AssumeRole" in error.remedy
    assert "external id" in error.remedy


async def test_no_credentials_to_assume_a_role_with(opened: Open) -> None:
    error = await refusal(opened(ASSUME_ROLE, roleArn=ROLE))
    assert f"no AWS credentials to assume the role {ROLE}" in error.message
    assert "AWS_ACCESS_KEY_ID" in error.remedy


@pytest.mark.parametrize(
    ("different", "says"),
    [
        ({"accessKeyId": ""}, "Fill this in"),
        ({"accessKeyId": "ASIA0123456789ABCDEF"}, "temporary key"),
        ({"accessKeyId": "my-key"}, "no access key id"),
        ({"secretAccessKey": " "}, "Fill this in"),
        ({"secretAccessKey": "two words"}, "no secret access key"),
        ({"secretAccessKey": "schlüssel"}, "no secret access key"),
        ({"region": "Frankfurt"}, "no region of AWS"),
        ({"region": "eu-central-1a"}, "no region of AWS"),
        ({"endpointUrl": "localhost:4566"}, "whole URL"),
        ({"endpointUrl": "http://[::1"}, "no URL"),
        ({"endpointUrl": "http://u:p@localhost"}, "user and password"),
    ],
)
def test_what_is_no_access_key(aws: Aws, different: dict[str, str], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        AccessKeyCredentials.model_validate({**aws.credentials, **different})
    assert says in str(caught.value)
    assert aws.login.secret not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"roleArn": "keyturn"}, "no role's ARN"),
        ({"roleArn": "arn:aws:iam::123456789012:user/keyturn"}, "no role's ARN"),
        ({"roleArn": ROLE, "externalId": "x"}, "external id has"),
    ],
)
def test_what_is_no_role(given: dict[str, str], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        AssumeRoleCredentials.model_validate(given)


def test_blanks_around_are_dropped_and_empty_means_none(aws: Aws) -> None:
    given = {"accessKeyId": f" {aws.login.key_id} ", "secretAccessKey": f"{aws.login.secret}\n", "region": " "}
    model = AccessKeyCredentials.model_validate({**given, "endpointUrl": "", "caFile": " "})
    assert model.secret_access_key.get_secret_value() == aws.login.secret
    assert (model.access_key_id, model.region, model.endpoint_url, model.ca_file) == (
        aws.login.key_id,
        None,
        None,
        None,
    )
    assert aws.login.secret not in repr(model)


def test_a_method_and_credentials_that_do_not_match(aws: Aws) -> None:
    model = AccessKeyCredentials.model_validate(aws.credentials)
    with pytest.raises(ValueError, match="no connection method"):
        APP.open(ASSUME_ROLE, model)


CREATE = Circumstances("CreateAccessKey", "iam", user="app", key_id="AKIA1", region="us-east-1", changes=True)
VERIFY = Circumstances("GetCallerIdentity", "sts", key_id="AKIA2", region="xx-moon-1", refused=CredentialRefused)


def raised(about: Circumstances, error: Exception) -> TargetError:
    with pytest.raises(TargetError) as caught, translated(about):
        raise error
    return caught.value


def answered(code: str, status: int, message: str = "", operation: str = "CreateAccessKey") -> sdk.ClientError:
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return sdk.ClientError(response, operation)


@pytest.mark.parametrize(
    ("error", "kind", "outcome"),
    [
        (answered("AccessDenied", 403), PermissionMissing, "unchanged"),
        (answered("NoSuchEntity", 404, "The user with name app cannot be found."), NoSuchEntity, "unchanged"),
        (answered("LimitExceeded", 409), LimitExceeded, "unchanged"),
        (answered("Throttling", 400), TargetUnavailable, "unchanged"),
        (answered("429", 429), TargetUnavailable, "unchanged"),
        (answered("EntityTemporarilyUnmodifiable", 409), TargetUnavailable, "unchanged"),
        (answered("ServiceFailure", 500), TargetUnavailable, "unknown"),
        (answered("502", 502, "Bad Gateway"), TargetUnavailable, "unknown"),
        (answered("403", 403, "Forbidden"), TargetUnavailable, "unknown"),
        (answered("ExpiredToken", 403), TargetRefused, "unchanged"),
        (answered("RequestExpired", 400), TargetRefused, "unchanged"),
        (answered("RegionDisabledException", 403), TargetRefused, "unchanged"),
        (answered("MalformedQueryString", 400, "no"), TargetRefused, "unchanged"),
        (answered("AccessDenied", 403, operation="AssumeRole"), TargetRefused, "unchanged"),
        (answered("InternalFailure", 500, operation="AssumeRole"), TargetUnavailable, "unchanged"),
        (ResponseParserError("<html>secret"), TargetUnavailable, "unknown"),
        (KeyError("AccessKey"), TargetUnavailable, "unknown"),
        (sdk.ReadTimeoutError(endpoint_url="https://x:1"), TargetUnavailable, "unknown"),
        (sdk.ConnectionClosedError(endpoint_url="https://x:1"), TargetUnavailable, "unknown"),
        (sdk.HTTPClientError(error=ValueError("secret")), TargetUnavailable, "unknown"),
        (sdk.ConnectTimeoutError(endpoint_url="https://x:1"), TargetUnavailable, "unchanged"),
        (sdk.EndpointConnectionError(endpoint_url="https://x:1"), TargetUnavailable, "unchanged"),
        (sdk.SSLError(endpoint_url="https://x", error="EOF secret"), TargetUnavailable, "unknown"),
        (sdk.SSLError(endpoint_url="https://x", error="CERTIFICATE_VERIFY_FAILED"), TargetRefused, "unchanged"),
        (sdk.NoCredentialsError(), TargetRefused, "unchanged"),
        (sdk.CredentialRetrievalError(provider="x", error_msg="secret"), TargetRefused, "unchanged"),
        (sdk.ParamValidationError(report="secret"), TargetRefused, "unchanged"),
        (ValueError("Invalid endpoint: secret"), TargetRefused, "unchanged"),
        (OSError("secret"), TargetUnavailable, "unknown"),
    ],
)
def test_what_an_error_means_when_a_key_was_to_be_made(error: Exception, kind: type, outcome: str) -> None:
    found = raised(CREATE, error)
    assert isinstance(found, kind)
    assert found.outcome == outcome
    assert "secret" not in (found.message + found.remedy).replace("iam-user-secret", "")
    assert found.message.endswith(".")


def test_a_missing_permission_is_named_with_the_policy_to_attach() -> None:
    found = raised(CREATE, answered("AccessDenied", 403, "with an explicit deny in a permissions boundary"))
    assert "iam:CreateAccessKey" in found.message
    assert "permissions boundary" in found.message
    assert json.loads(found.remedy)["Statement"][0]["Resource"] == "arn:aws:iam::*:user/app"


@pytest.mark.parametrize("code", ["InvalidClientTokenId", "SignatureDoesNotMatch", "AccessDenied", "ExpiredToken"])
def test_what_refuses_a_new_key_may_pass(code: str) -> None:
    assert isinstance(raised(VERIFY, answered(code, 403)), CredentialRefused)


def test_a_wrong_clock_says_nothing_about_a_key() -> None:
    skewed = raised(VERIFY, answered("SignatureDoesNotMatch", 403, "Signature not yet current: ..."))
    assert isinstance(skewed, TargetRefused)
    assert not isinstance(skewed, CredentialRefused)


def test_a_region_that_leads_nowhere_is_named() -> None:
    assert "xx-moon-1" in raised(VERIFY, sdk.EndpointConnectionError(endpoint_url="https://sts.xx-moon-1")).remedy
