"""An AWS account of one's own for demo and tests: IAM and STS on loopback, in a process that ends with this one.

Signatures and policies are enforced, inactive keys refused. What AWS does on bad days can be asked for.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import secrets
import string
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from app.demo.leashed import HOST, Leashed

ACCOUNT = "123456789012"

Fault = Literal["throttle", "fail", "deny", "skew", "limit", "html", "sign-in", "drop", "lose", "hang"]
"""What befalls a call: `throttle`, `fail` (HTTP 500), `deny`, `skew` and `limit` are answers of AWS, `html` and
`sign-in` of a proxy, as a fault or as a page; `drop` ends the connection before, `lose` after the call took effect;
`hang` answers when `release` is called."""

_DEADLINE = 60.0
_ALL = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


class IamError(RuntimeError):
    """The account could not be started."""


@dataclass(frozen=True)
class Login:
    """An access key."""

    key_id: str
    secret: str = field(repr=False)


def new_login() -> Login:
    """An access key as AWS makes them up."""
    letters = random.SystemRandom().choices(string.ascii_uppercase + "234567", k=16)
    return Login("AKIA" + "".join(letters), secrets.token_hex(20))


@dataclass(frozen=True)
class Person:
    """A user. `policy`: JSON, empty for one who may do nothing."""

    name: str
    policy: str = ""
    login: Login | None = None


class IamAccount:
    """One account with its administrator in it, whom `root` logs in, and `people`."""

    region = "us-east-1"
    id = ACCOUNT

    def __init__(self, people: Sequence[Person] = ()) -> None:
        self.root = new_login()
        self._people = [Person("administrator", _ALL, self.root), *people]
        self._process: Leashed | None = None
        self._clients: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def begin(self, *, complaints: Path | None = None, niceness: int = 0) -> None:
        """Returns at once, with `url` known; who asks early waits for the answer."""
        job = {"people": [asdict(person) for person in self._people]}
        self._process = Leashed("app.demo.iam_server", job, complaints=complaints, niceness=niceness)

    def start(self) -> None:
        """Returns when it answers. Raises IamError."""
        self.begin()
        assert self._process is not None
        if not self._process.came_up():
            self.stop()
            raise IamError("The stand-in for AWS did not start. With pip: pip install 'keyturn[demo]'")

    def stop(self) -> None:
        """May be called again."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()
        process, self._process = self._process, None
        if process is not None:
            process.stop()

    @property
    def url(self) -> str:
        assert self._process is not None
        return f"http://{HOST}:{self._process.port}"

    def iam(self) -> Any:
        """The administrator's IAM client."""
        if "iam" not in self._clients:
            self._clients["iam"] = self.client("iam", self.root)
        return self._clients["iam"]

    def client(self, service: str, login: Login) -> Any:
        """A client of somebody's, which does not try again."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            service,
            aws_access_key_id=login.key_id,
            aws_secret_access_key=login.secret,
            region_name=self.region,
            endpoint_url=self.url,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def create_user(self, name: str, *, policy: str = "", path: str = "/") -> str:
        """Make a user and return its name."""
        self.iam().create_user(UserName=name, Path=path)
        if policy:
            self.iam().put_user_policy(UserName=name, PolicyName="keyturn", PolicyDocument=policy)
        return name

    def create_key(self, user: str) -> Login:
        made = self.iam().create_access_key(UserName=user)["AccessKey"]
        return Login(made["AccessKeyId"], made["SecretAccessKey"])

    def keys(self, user: str) -> dict[str, str]:
        """The state of a user's keys, by id."""
        found = self.iam().list_access_keys(UserName=user)["AccessKeyMetadata"]
        return {key["AccessKeyId"]: key["Status"] for key in found}

    def lets_in(self, key_id: str, secret: str) -> bool:
        """Whether a key works, as an application would find out."""
        from botocore.exceptions import ClientError

        with contextlib.closing(self.client("sts", Login(key_id, secret))) as client:
            try:
                client.get_caller_identity()
            except ClientError as error:
                if error.response["Error"]["Code"] in {"InvalidClientTokenId", "SignatureDoesNotMatch"}:
                    return False
                raise
        return True

    def add(self, *people: Person) -> None:
        """Make users by one call, where it takes several of AWS's."""
        self._control("add", people=[asdict(person) for person in people])

    def remove(self, *names: str) -> None:
        """Remove users with all that they have; who is not there is passed over."""
        self._control("remove", names=names)

    def fault(self, action: str, kind: Fault, *, times: int = 1) -> None:
        """Have the next calls of an action go wrong."""
        self._control("fault", action=action, kind=kind, times=times)

    def lag(self, refusals: int) -> None:
        """Have each key that is made from now on be refused so many times before it works."""
        self._control("lag", refusals=refusals)

    def release(self) -> None:
        """Let hanging calls go on."""
        self._control("release")

    def calls(self) -> list[str]:
        """The actions called since this was last asked, but for the administrator's."""
        found: list[str] = self._control("calls")
        return found

    def reset(self) -> None:
        """Take back all faults and forget the calls."""
        self._control("reset")

    def _control(self, what: str, **arguments: object) -> Any:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=_DEADLINE)
        try:
            connection.request("POST", f"/stand-in/{what}", json.dumps(arguments))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()
