"""The shop's AWS user, whose programs ask STS who they are."""

from __future__ import annotations

import asyncio
import http.client
import re
from functools import partial
from urllib.parse import urlsplit

from app.demo.iam import IamAccount, Login, Person, new_login
from app.demo.shop import Refused, Target, Values
from providers.aws_policy import policy

USER = "shop-app"
_ADMIN = "keyturn"
_DEADLINE = 10.0
_ASKED = "Action=GetCallerIdentity&Version=2011-06-15"


def make_account() -> tuple[IamAccount, Login]:
    """The account, not yet begun, with the shop's user and one who may manage that user's keys alone."""
    login = new_login()
    people = [Person(_ADMIN, policy(USER, account=IamAccount.id), login), Person(USER)]
    return IamAccount(people), login


def aws_target(account: IamAccount, login: Login) -> Target:
    """The account must have begun."""
    return Target(
        label="AWS",
        type="aws-iam-user-secret",
        app="aws",
        connection="shop-aws",
        method="access-key",
        credentials={"accessKeyId": login.key_id, "secretAccessKey": login.secret, "endpointUrl": account.url},
        rotation="shop-aws-keys",
        parameters={"userName": USER, "region": IamAccount.region},
        mapping={"accessKeyId": "SHOP_AWS_ACCESS_KEY_ID", "secretAccessKey": "SHOP_AWS_SECRET_ACCESS_KEY"},
        told=lambda values: f"key {values['accessKeyId']} of {USER}",
        log_in=partial(_ask_who, account.url),
        clients=2,
        pace=4.0,
    )


async def _ask_who(url: str, values: Values, number: int) -> None:
    await asyncio.to_thread(_get_caller_identity, url, values["accessKeyId"], values["secretAccessKey"])


def _get_caller_identity(url: str, key_id: str, secret: str) -> None:
    """Signed by botocore; a whole client of boto3 for each call would keep a small machine busy."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    request = AWSRequest("POST", f"{url}/", headers=headers, data=_ASKED)
    SigV4Auth(Credentials(key_id, secret), "sts", IamAccount.region).add_auth(request)
    line = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_DEADLINE)
    try:
        line.request("POST", "/", _ASKED, dict(request.headers.items()))
        answer = line.getresponse()
        told = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        raise Refused(f"STS does not answer: {type(error).__name__}") from error
    finally:
        line.close()
    if answer.status != 200:
        code = re.search(r"<Code>(\w+)</Code>", told)
        raise Refused(f"STS refuses {key_id}: {code[1] if code else answer.status}")
