"""Everything that touches boto3: sessions, clients and calls, all of them blocking.

Import this on use only: boto3 takes a while to import, and most runs of Keyturn never need it.
"""

from __future__ import annotations

import difflib
import functools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore import xform_name
from botocore.config import Config
from botocore.credentials import CredentialProvider, CredentialResolver, DeferredRefreshableCredentials
from botocore.loaders import Loader

from providers.aws import DEFAULT_REGION, AccessKeyCredentials, AssumeRoleCredentials, AwsCredentials
from providers.aws_errors import Circumstances, translated
from providers.base import CredentialRefused, TargetRefused

ATTEMPTS = 3
CONNECT_SECONDS, READ_SECONDS = 3, 10
# A second key would stay behind unknown, so this is not sent again when its answer is lost.
_ONCE = frozenset({"CreateAccessKey"})


@dataclass(frozen=True)
class Call:
    """One operation, by its documented name. `user`: whom it is about. `changes`: something at AWS."""

    service: str
    operation: str
    arguments: Mapping[str, Any] = field(repr=False)
    region: str | None = None
    user: str = ""
    changes: bool = False


class Account:
    """One session and its clients. A client may be shared by threads, making one may not."""

    def __init__(self, credentials: AwsCredentials) -> None:
        self._credentials = credentials
        self._lock = threading.Lock()
        self._session: boto3.Session | None = None
        self._clients: dict[tuple[str, str, bool], Any] = {}

    def call(self, call: Call) -> dict[str, Any]:
        """Raises TargetError."""
        circumstances = Circumstances(
            operation=call.operation,
            service=call.service,
            user=call.user,
            key_id=getattr(self._credentials, "access_key_id", ""),
            role=getattr(self._credentials, "role_arn", ""),
            region=self._region(call.region),
            changes=call.changes,
        )
        with translated(circumstances):
            client = self._client(call.service, call.region, once=call.operation in _ONCE)
            answer: dict[str, Any] = getattr(client, xform_name(call.operation))(**call.arguments)
            return answer

    def log_in(self, key_id: str, secret: str, region: str | None) -> dict[str, Any]:
        """Raises CredentialRefused, TargetRefused, TargetUnavailable."""
        circumstances = Circumstances(
            operation="GetCallerIdentity",
            service="sts",
            key_id=key_id,
            region=self._region(region),
            refused=CredentialRefused,
        )
        with translated(circumstances):
            with self._lock:
                client = self._make("sts", region, once=False, aws_access_key_id=key_id, aws_secret_access_key=secret)
            try:
                answer: dict[str, Any] = client.get_caller_identity()
                return answer
            finally:
                client.close()

    def close(self) -> None:
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def _region(self, region: str | None) -> str:
        return region or self._credentials.region or DEFAULT_REGION

    def _client(self, service: str, region: str | None, *, once: bool) -> Any:
        key = (service, self._region(region), once)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._make(service, region, once=once)
            return self._clients[key]

    def _make(self, service: str, region: str | None, *, once: bool, **credentials: str) -> Any:
        """Make a client, under the lock."""
        if self._session is None:
            self._session = self._open_session()
        return _client_of(self._session, self._credentials, service, self._region(region), once=once, **credentials)

    def _open_session(self) -> boto3.Session:
        given = self._credentials
        if isinstance(given, AccessKeyCredentials):
            secret = given.secret_access_key.get_secret_value()
            return boto3.Session(aws_access_key_id=given.access_key_id, aws_secret_access_key=secret)
        session = botocore.session.Session()
        resolver = CredentialResolver([_AssumedRole(given, self._region(None))])
        session.register_component("credential_provider", resolver)
        return boto3.Session(botocore_session=session)


class _AssumedRole(CredentialProvider):  # type: ignore[misc]  # botocore has no types
    """Assumes the role with the machine's own credentials, and again before what it got expires."""

    METHOD = "keyturn-assume-role"

    def __init__(self, given: AssumeRoleCredentials, region: str) -> None:
        super().__init__()
        self._given, self._region = given, region

    def load(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(refresh_using=self._assume, method=self.METHOD)

    def _assume(self) -> dict[str, str]:
        extra = {"ExternalId": self._given.external_id} if self._given.external_id else {}
        client = _client_of(boto3.Session(), self._given, "sts", self._region, once=False)
        try:
            answer = client.assume_role(RoleArn=self._given.role_arn, RoleSessionName="keyturn", **extra)
        finally:
            client.close()
        found = answer["Credentials"]
        return {
            "access_key": found["AccessKeyId"],
            "secret_key": found["SecretAccessKey"],
            "token": found["SessionToken"],
            "expiry_time": found["Expiration"].isoformat(),
        }


def _client_of(
    session: boto3.Session, given: AwsCredentials, service: str, region: str, *, once: bool, **credentials: str
) -> Any:
    if given.ca_file is not None and not Path(given.ca_file).is_file():
        raise TargetRefused(
            f"There is no CA file {given.ca_file} on this machine.", remedy="Correct its path in the connection."
        )
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 1 if once else ATTEMPTS},
    )
    return session.client(
        service,
        region_name=region,
        endpoint_url=given.endpoint_url,
        verify=given.ca_file,
        config=config,
        **credentials,
    )


@functools.cache
def regions() -> frozenset[str]:
    """Return every region that this version of the SDK knows, in all partitions."""
    data: Mapping[str, Any] = Loader().load_data("endpoints")
    return frozenset(region for partition in data["partitions"] for region in partition["regions"])


def region_problem(region: str) -> str:
    """Return what is wrong with a region, empty when nothing is."""
    if region in regions():
        return ""
    near = difflib.get_close_matches(region, sorted(regions()), n=1, cutoff=0.7)
    hint = f" Is it {near[0]}?" if near else " Enter one such as eu-central-1."
    return f"AWS has no region {region}.{hint}"
