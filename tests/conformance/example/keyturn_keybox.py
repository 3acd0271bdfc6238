"""Rotates the keys of a keybox, a little HTTP service: it makes keys up, labels them, and keeps them until removed.

GET /keys lists the labels by key id, POST /keys makes a key, DELETE /keys/ID removes it: with an admin token.
GET /whoami answers whoever has a key.
"""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field, SecretStr

from providers.base import (
    CandidateRequest,
    Check,
    CheckResult,
    ConnectionApp,
    Credential,
    CredentialRefused,
    Issue,
    ModelClass,
    Outcome,
    Problem,
    Provider,
    Slot,
    TargetError,
    TargetRefused,
    TargetUnavailable,
)
from providers.fields import Fields, Text

_SECONDS = 10.0
_UNCLEAR = (429, 500, 502, 503, 504)


class KeyboxCredentials(Fields):
    host: Text = Field(title="Host", description="Name or address of the keybox.", examples=["keys.example.com"])
    port: int = Field(default=8080, ge=1, le=65535, title="Port", description="TCP port of the keybox.")
    admin_token: SecretStr = Field(title="Admin token", description="May make and remove keys.")


class KeyboxParameters(Fields):
    owner: Text = Field(title="Owner", description="Whose keys are rotated.", examples=["billing"])


class KeyboxMapping(Fields):
    key_id: Text = Field(default="KEYBOX_KEY_ID", title="Key id", description="Secret that holds the key's id.")
    key: Text = Field(default="KEYBOX_KEY", title="Key", description="Secret that holds the key itself.")


@dataclass(frozen=True)
class KeyboxTarget:
    """One keybox. Each call has a line of its own, so there is nothing to keep or to close."""

    given: KeyboxCredentials

    async def test(self) -> str:
        await self.call("GET", "/keys")
        return f"keybox at {self.given.host}:{self.given.port}"

    async def close(self) -> None:
        pass

    async def call(self, method: str, path: str, body: object = None, *, key: str = "") -> Any:
        """The answer's JSON. Raises TargetError; CredentialRefused when it is `key` that is not let in."""
        return await asyncio.to_thread(self._call, method, path, body, key)

    def _call(self, method: str, path: str, body: object, key: str) -> Any:
        line = http.client.HTTPConnection(self.given.host, self.given.port, timeout=_SECONDS)
        sent = False
        try:
            line.connect()
            sent = method != "GET"  # from here on a change may have been made, whatever becomes of the answer
            token = key or self.given.admin_token.get_secret_value()
            line.request(method, path, json.dumps(body), {"Authorization": f"Bearer {token}"})
            answer = line.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            outcome = Outcome.UNKNOWN if sent else Outcome.UNCHANGED
            raise TargetUnavailable(f"The keybox did not answer: {type(error).__name__}.", outcome=outcome) from None
        finally:
            line.close()
        if answer.status >= 400:
            raise _refusal(answer.status, by_key=bool(key))
        return json.loads(text) if text else None


def _refusal(status: int, *, by_key: bool) -> TargetError:
    if status in _UNCLEAR:
        # Only "too many requests" says for certain that nothing was done.
        outcome = Outcome.UNCHANGED if status == 429 else Outcome.UNKNOWN
        return TargetUnavailable(f"The keybox can't say now (HTTP {status}).", outcome=outcome)
    if status == 401 and by_key:
        return CredentialRefused("The keybox does not know the key.")
    if status == 404:
        return _NotThere("The keybox knows no such owner or key.")
    return TargetRefused(f"The keybox refuses (HTTP {status}).", remedy="Give the connection an admin token.")


class _NotThere(TargetRefused):
    pass


class KeyboxApp:
    app = "keybox"
    title = "Keybox"
    methods: Mapping[str, type[BaseModel]] = {"token": KeyboxCredentials}

    def open(self, method: str, credentials: BaseModel) -> KeyboxTarget:
        assert isinstance(credentials, KeyboxCredentials)
        return KeyboxTarget(credentials)


class KeyboxProvider:
    """A key is known by its label, the attempt that it was made for, until its id is recorded."""

    type = "keybox-key"
    title = "Keybox key"
    app = "keybox"
    name_max_length = 64
    parameters: ModelClass = KeyboxParameters
    mapping: ModelClass = KeyboxMapping
    secret_fields = frozenset({"key"})
    initial_slots: tuple[Slot, ...] = (0,)
    verify_successes = 1
    verify_patience = 30.0
    restores = False
    retires = True

    def check_parameters(self, parameters: KeyboxParameters, connection: Mapping[str, Any]) -> list[Problem]:
        return [Problem("parameters.owner", "A name has no slash.")] if "/" in parameters.owner else []

    def identity(self, parameters: KeyboxParameters, slot: Slot) -> str:
        return parameters.owner

    def candidate(self, parameters: KeyboxParameters, request: CandidateRequest) -> Credential:
        return Credential({"label": f"keyturn-{request.attempt_id}"})

    async def preflight(self, target: KeyboxTarget, parameters: KeyboxParameters) -> list[Check]:
        title = f"{parameters.owner} is known"
        try:
            await _labels(target, parameters.owner)
        except TargetError as error:
            return [Check(title, CheckResult.FAILED, error.message, error.remedy)]
        return [Check(title, CheckResult.PASSED)]

    async def issue(self, target: KeyboxTarget, parameters: KeyboxParameters, request: Issue) -> Credential:
        label = request.candidate.values["label"]
        if request.again:
            await _remove_labelled(target, parameters.owner, label)
        made = await target.call("POST", "/keys", {"owner": parameters.owner, "label": label})
        return Credential({"keyId": made["id"], "key": made["key"]})

    async def verify(self, target: KeyboxTarget, parameters: KeyboxParameters, credential: Credential) -> None:
        await target.call("GET", "/whoami", key=credential.values["key"])

    async def retire(self, target: KeyboxTarget, parameters: KeyboxParameters, credential: Credential) -> None:
        await self.revoke(target, parameters, credential)

    async def revoke(self, target: KeyboxTarget, parameters: KeyboxParameters, credential: Credential) -> None:
        try:
            if "keyId" in credential.values:
                await target.call("DELETE", f"/keys/{credential.values['keyId']}")
            else:  # the answer was lost, and the id with it
                await _remove_labelled(target, parameters.owner, credential.values["label"])
        except _NotThere:
            pass


async def _labels(target: KeyboxTarget, owner: str) -> dict[str, str]:
    """The labels of an owner's keys, by id. Raises _NotThere."""
    everybody: dict[str, dict[str, str]] = await target.call("GET", "/keys")
    if owner not in everybody:
        raise _NotThere(f"The keybox knows no owner {owner}.")
    return everybody[owner]


async def _remove_labelled(target: KeyboxTarget, owner: str, label: str) -> None:
    for key_id, found in (await _labels(target, owner)).items():
        if found == label:
            await target.call("DELETE", f"/keys/{key_id}")


APP: ConnectionApp = KeyboxApp()
PROVIDER: Provider = KeyboxProvider()
