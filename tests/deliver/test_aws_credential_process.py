"""`keyturn aws-credential-process`: the SDK of others asks for keys, and gets those that work."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import CredentialRetrievalError

from tests.cli.ground import Ground, done, keyturn, modules_after
from tests.deliver.test_quick import LONG_WAY
from tests.standins.iam import Aws

NAME, TYPE = "billing-keys", "aws-iam-user-secret"


@pytest.fixture
def created(ready: Path, aws: Aws) -> Aws:
    done("connections", "add", "aws", "--file", "-", stdin=json.dumps(aws.connection_body))
    done("rotations", "create", TYPE, "--file", "-", stdin=json.dumps(aws.rotation_body))
    return aws


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a user writes into ~/.aws/config. At 10 minutes the SDK asks at every request."""
    config = tmp_path / "aws-config"
    command = f"{sys.executable} -m app aws-credential-process {NAME} --valid-for 10"
    config.write_text(f"[profile billing]\nregion = us-east-1\ncredential_process = {command}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return "billing"


def client(aws: Aws, profile: str) -> Any:
    session = boto3.Session(profile_name=profile)
    return session.client("sts", endpoint_url=aws.account.url, config=Config(retries={"total_max_attempts": 1}))


def test_boto3_goes_on_across_rotations(created: Aws, profile: str) -> None:
    sts = client(created, profile)
    seen = []
    for _ in range(3):
        assert sts.get_caller_identity()["Arn"].endswith(f"user/{created.user}")
        seen.append(keyturn("secrets", "get", "AWS_ACCESS_KEY_ID").out.strip())
        assert seen[-1] in created.account.keys(created.user)
        done("rotations", "rotate", NAME)
    # The first key is dead by now; who kept it until it expired would not have been let in the third time.
    assert seen[0] not in created.account.keys(created.user)


def test_what_is_printed_is_what_the_sdks_document(created: Aws) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    for words, minutes in (((), 60), (("--valid-for", "20"), 20)):
        printed = done("aws-credential-process", NAME, *words).json
        values = done("secrets", "export", "--json").json
        assert set(printed) == {"Version", "AccessKeyId", "SecretAccessKey", "Expiration"}
        assert printed["Version"] == 1
        assert printed["AccessKeyId"] == values["AWS_ACCESS_KEY_ID"]
        assert printed["SecretAccessKey"] == values["AWS_SECRET_ACCESS_KEY"]
        expires = datetime.fromisoformat(printed["Expiration"])
        assert before <= expires - timedelta(minutes=minutes) <= datetime.now(UTC)
    code, modules = modules_after("aws-credential-process", NAME)
    assert code == 0
    assert not modules & LONG_WAY


def test_the_sdk_tells_what_keyturn_says_is_wrong(ready: Path, aws: Aws, profile: str) -> None:
    with pytest.raises(CredentialRetrievalError, match="There is no rotation 'billing-keys'"):
        client(aws, profile).get_caller_identity()


def test_a_rotation_of_another_type_is_refused(connected: Ground) -> None:
    name = connected.create()["name"]
    ran = keyturn("aws-credential-process", name)
    assert (ran.code, ran.out) == (2, "")
    assert "is of type postgres-credentials" in ran.err
    assert keyturn("aws-credential-process", name, "--valid-for", "0").code == 2


def test_a_profile_is_kept_up_in_a_shared_file(created: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "credentials"
    file.write_text(
        "# mine\n[default]\naws_access_key_id = AKIAOTHER\n[billing]\nregion = eu-west-1\naws_access_key_id=old\n"
    )
    words = ("targets", "add", "aws", "--kind", "aws-credentials", "--rotation", NAME, "--profile", "billing")
    done(*words, "--file", str(file))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    for _ in range(2):
        done("targets", "render")
        assert client(created, "billing").get_caller_identity()["Arn"].endswith(f"user/{created.user}")
        done("rotations", "rotate", NAME)
    lines = file.read_text().splitlines()
    assert lines[:4] == ["# mine", "[default]", "aws_access_key_id = AKIAOTHER", "[billing]"]
    assert lines[-1] == "region = eu-west-1"
    assert len(lines) == 7
