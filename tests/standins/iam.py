"""An AWS account for tests: one process a worker, and in it users of each test's own."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.demo.iam import IamAccount, Login, Person, new_login
from providers.aws_policy import policy

SAMPLE: dict[str, object] = {
    "name": "billing-keys",
    "projectId": "default",
    "connectionId": "my-aws-connection",
    "environment": "dev",
    "secretPath": "/",
    "rotationInterval": 2,
    "secretsMapping": {"accessKeyId": "AWS_ACCESS_KEY_ID", "secretAccessKey": "AWS_SECRET_ACCESS_KEY"},
    "description": "The documented sample",
    "isAutoRotationEnabled": True,
}


@dataclass
class Aws:
    """An admin with the least that it needs, and a user whose keys are to be rotated."""

    account: IamAccount = field(repr=False)
    suffix: str
    user: str = ""
    admin: str = ""
    login: Login = field(default=Login("", ""), repr=False)
    users: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.user, self.admin, self.login = f"app-{self.suffix}", f"keyturn-{self.suffix}", new_login()
        self.users += [self.user, self.admin]
        self.account.add(Person(self.user), Person(self.admin, policy("*"), self.login))

    def make_user(self, stem: str, **more: str) -> str:
        name = self.account.create_user(f"{stem}-{self.suffix}", **more)
        self.users.append(name)
        return name

    def allow(self, *actions: str) -> None:
        """Give the admin a policy in place of the one it has."""
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.account.iam().put_user_policy(UserName=self.admin, PolicyName="keyturn", PolicyDocument=document)

    @property
    def credentials(self) -> dict[str, str]:
        """Under their documented names."""
        return {
            "accessKeyId": self.login.key_id,
            "secretAccessKey": self.login.secret,
            "endpointUrl": self.account.url,
        }

    @property
    def connection_body(self) -> dict[str, Any]:
        return {"name": "my-aws-connection", "method": "access-key", "credentials": self.credentials}

    @property
    def rotation_body(self) -> dict[str, Any]:
        return {**SAMPLE, "parameters": {"userName": self.user, "region": "us-east-1"}}

    def drop(self) -> None:
        self.account.reset()
        self.account.remove(*self.users)


@pytest.fixture(scope="session")
def aws_account() -> Iterator[IamAccount]:
    """This worker's."""
    with IamAccount() as account:
        yield account


@pytest.fixture
def aws(aws_account: IamAccount) -> Iterator[Aws]:
    """Users of the test's own; their keys and all faults are gone afterwards."""
    ground = Aws(aws_account, secrets.token_hex(4))
    yield ground
    ground.drop()
