"""The least that a connection must be allowed, as a policy to attach."""

from __future__ import annotations

import json

NEEDED = ("iam:ListAccessKeys", "iam:CreateAccessKey", "iam:UpdateAccessKey", "iam:DeleteAccessKey")
HELPFUL = ("iam:GetAccessKeyLastUsed", "iam:GetUser")
ELSEWHERE = ("iam:ListUsers", "iam:SimulatePrincipalPolicy")


def partition_of(region: str) -> str:
    """Return the partition, the first part of an ARN, that a region belongs to."""
    for prefix, partition in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov")):
        if region.startswith(prefix):
            return partition
    return "aws"


def policy(user: str, *, account: str = "*", partition: str = "aws", arn: str = "") -> str:
    """Return the policy as JSON. `arn` is the user's, where it is known: it may hold a path."""
    resource = arn or f"arn:{partition}:iam::{account}:user/{user or '*'}"
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": [*NEEDED, *HELPFUL], "Resource": resource},
            {"Effect": "Allow", "Action": list(ELSEWHERE), "Resource": "*"},
        ],
    }
    return json.dumps(document, indent=1)
