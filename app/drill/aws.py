"""The drill's part of the IAM stand-in: two users, and a third one who is somebody else's."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs

from app.demo.iam import IamAccount, Login
from app.drill.gate import Access
from app.drill.relay import Hold, Relay
from app.drill.scratch import LOGIN, Held
from providers.aws import ACCESS_KEY
from providers.aws_policy import policy

_CHANGES = {"CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey"}


@dataclass
class AwsScratch:
    """`names`: the user, the heir, somebody else, and Keyturn's own."""

    account: IamAccount = field(repr=False)
    names: tuple[str, ...]
    relay: Relay = field(init=False, repr=False)
    type: str = "aws-iam-user-secret"
    fields: tuple[str, ...] = ("accessKeyId", "secretAccessKey")
    removal: str = ""
    """Nothing is left of a stand-in."""
    _admin: Login = field(default=Login("", ""), repr=False)
    _stranger: Login = field(default=Login("", ""), repr=False)

    def __post_init__(self) -> None:
        self.relay = Relay(self.account.url, self._named)

    @property
    def access(self) -> Access:
        return self._at(self.relay.url)

    @property
    def way_in(self) -> Access:
        return self._at(self.account.url)

    def _at(self, url: str) -> Access:
        credentials = {"accessKeyId": self._admin.key_id, "secretAccessKey": self._admin.secret, "endpointUrl": url}
        return Access("aws", ACCESS_KEY, credentials)

    @property
    def users(self) -> Mapping[str, str]:
        return {"userName": self.names[0], "region": self.account.region}

    @property
    def heirs(self) -> Mapping[str, str]:
        return {"userName": self.names[1], "region": self.account.region}

    async def make(self) -> None:
        await asyncio.to_thread(self._make)

    def _make(self) -> None:
        *_, stranger, admin = self.names
        for name in self.names:
            self.account.create_user(name, policy=policy("*") if name == admin else "")
        self._admin, self._stranger = self.account.create_key(admin), self.account.create_key(stranger)
        self.relay.start()

    async def remove(self) -> None:
        self.relay.stop()

    async def clear(self) -> None:
        await asyncio.to_thread(self._clear)

    def _clear(self) -> None:
        for name in self.names[:2]:
            for key_id in self.account.keys(name):
                self.account.iam().delete_access_key(UserName=name, AccessKeyId=key_id)

    def note(self, notes: Path | None) -> None:
        self.relay.notes = notes

    def holding(self, call: str, *, answered: bool) -> AbstractAsyncContextManager[Hold]:
        return self.relay.holding(call, answered=answered)

    async def complaints(self, known: Sequence[Held]) -> list[str]:
        return await asyncio.to_thread(self._complaints, {(held.owner, held.values["accessKeyId"]) for held in known})

    def _complaints(self, known: set[tuple[str, str]]) -> list[str]:
        found = {(user, key_id): state for user in self.names[:2] for key_id, state in self.account.keys(user).items()}
        said = [f"{user} has a key that nobody knows: {key_id}" for user, key_id in sorted({*found} - known)]
        said += [f"{user} has no key {key_id}" for user, key_id in sorted(known - {*found})]
        said += [f"the key {key_id} of {user} is off" for (user, key_id), state in found.items() if state != "Active"]
        stranger = self._stranger
        if self.account.keys(self.names[2]) != {stranger.key_id: "Active"}:
            said.append("somebody else's key was touched")
        return said

    def _named(self, path: str, headers: Mapping[str, str], body: bytes) -> str:
        action = parse_qs(body.decode()).get("Action", [""])[0]
        if action == "GetCallerIdentity" and self._admin.key_id not in headers.get("authorization", ""):
            return LOGIN
        return action if action in _CHANGES else ""


def aws_scratch(account: IamAccount) -> AwsScratch:
    mark = secrets.token_hex(4)
    names = tuple(f"keyturn-drill-{mark}-{role}" for role in ("user", "heir", "stranger", "admin"))
    return AwsScratch(account, names)
