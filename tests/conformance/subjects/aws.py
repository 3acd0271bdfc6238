"""An IAM user on the stand-in for AWS."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Collection, Sequence

import pytest

from app.demo.iam import Login
from providers.aws_policy import policy
from tests.conformance.subject import Subject, Values
from tests.standins.iam import Aws

_LOOKING = ("iam:ListAccessKeys", "iam:GetAccessKeyLastUsed", "iam:GetUser", "iam:SimulatePrincipalPolicy")
_OFTEN = 1000


class AwsStand:
    """Besides the rotated user there is another one, with a key."""

    method = "access-key"

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.credentials = aws.credentials
        self.parameters = {"userName": aws.user, "region": "us-east-1"}
        self.removed = False
        self.stranger: Login = aws.account.create_key(aws.make_user("stranger"))

    async def logs_in(self, published: Values) -> bool:
        return self.aws.account.lets_in(published["accessKeyId"], published["secretAccessKey"])

    def strays(self, held: Sequence[Values]) -> Collection[str]:
        found = {} if self.removed else self.aws.account.keys(self.aws.user)
        return found.keys() - {each["accessKeyId"] for each in held}

    def intact(self) -> bool:
        return self.aws.account.lets_in(self.stranger.key_id, self.stranger.secret)

    def lose_answer(self) -> None:
        self.aws.account.fault("CreateAccessKey", "lose")

    def throttle(self) -> None:
        self.aws.account.fault("CreateAccessKey", "throttle", times=_OFTEN)

    def lag(self, published: Values) -> None:
        self.aws.account.lag(_OFTEN)

    def forbid(self) -> None:
        self.aws.allow(*_LOOKING)

    def recover(self) -> None:
        self.aws.account.reset()
        user, document = self.aws.admin, policy("*")
        self.aws.account.iam().put_user_policy(UserName=user, PolicyName="keyturn", PolicyDocument=document)

    def spoil(self, credential: Values) -> None:
        self.aws.account.iam().delete_access_key(UserName=self.aws.user, AccessKeyId=credential["accessKeyId"])

    def remove(self) -> None:
        for key_id in self.aws.account.keys(self.aws.user):
            self.aws.account.iam().delete_access_key(UserName=self.aws.user, AccessKeyId=key_id)
        self.aws.account.iam().delete_user(UserName=self.aws.user)
        self.aws.users.remove(self.aws.user)
        self.removed = True


@contextlib.asynccontextmanager
async def stand(request: pytest.FixtureRequest) -> AsyncIterator[AwsStand]:
    yield AwsStand(request.getfixturevalue("aws"))


SUBJECT = Subject("aws-iam-user-secret", stand)
