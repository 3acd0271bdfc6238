"""An AWS account of one's own for demo and tests: IAM and STS on loopback, in a process that ends with this one.

Signatures and policies are enforced, inactive keys refused. What AWS does on bad days can be asked for.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

Fault = Literal["throttle", "fail", "deny", "skew", "limit", "html", "sign-in", "drop", "lose", "hang"]
"""What befalls a call: `throttle`, `fail` (HTTP 500), `deny`, `skew` and `limit` are answers of AWS, `html` and
`sign-in` of a proxy, as a fault or as a page; `drop` ends the connection before, `lose` after the call took effect;
`hang` answers when `release` is called."""

_DEADLINE = 60.0


class IamError(RuntimeError):
    """The account could not be started."""


@dataclass(frozen=True)
class Login:
    """An access key."""

    key_id: str
    secret: str = field(repr=False)


class IamAccount:
    """One account with nobody in it but its administrator, whom `root` logs in."""

    region = "us-east-1"

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._said: Mapping[str, str] = {}
        self._clients: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Returns when it answers. Raises IamError."""
        environ = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "0", "AWS_EC2_METADATA_DISABLED": "true"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "app.demo.iam_server"],
            stdin=subprocess.PIPE,  # the leash: its end is the account's
            stdout=subprocess.PIPE,
            env=environ,
            cwd=Path(__file__).parents[2],
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.stop()
            raise IamError("The stand-in for AWS did not start. With pip: pip install 'keyturn[demo]'")
        self._said = json.loads(line)

    def stop(self) -> None:
        """May be called again."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()
        process, self._process = self._process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @property
    def url(self) -> str:
        return self._said["url"]

    @property
    def id(self) -> str:
        return self._said["account"]

    @property
    def root(self) -> Login:
        return Login(self._said["key_id"], self._said["secret"])

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
