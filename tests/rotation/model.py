"""A target small enough to reason about, and two providers for it: one sets passwords, one is given keys.

They register like a stranger's distribution would. `World.faults` makes a call fail before or after it took effect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import EntryPoint
from typing import Any

from pydantic import BaseModel, SecretStr

from providers.base import (
    CandidateRequest,
    Check,
    CheckResult,
    Credential,
    CredentialRefused,
    Issue,
    Outcome,
    Problem,
    TargetError,
    TargetRefused,
    TargetUnavailable,
    Use,
)
from providers.fields import Fields, Text

WORLDS: dict[str, World] = {}


def lost_answer() -> TargetError:
    return TargetUnavailable("The line dropped.", outcome=Outcome.UNKNOWN)


def unreachable() -> TargetError:
    return TargetUnavailable("Nobody answers.")


def forbidden() -> TargetError:
    return TargetRefused("Permission denied.", remedy="GRANT it.")


@dataclass
class World:
    """What is true at the target. `logins` are the credentials that work: name -> secret values."""

    logins: dict[str, set[str]] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)
    calls: list[tuple[str, str]] = field(default_factory=list)
    faults: dict[str, list[tuple[str, BaseException]]] = field(default_factory=dict)
    """Call name -> what befalls its next calls: ("before" or "after" the effect, the error)."""
    keys: int = 0
    uses: list[Use] = field(default_factory=list)
    """Who the guard finds."""
    holds: dict[str, asyncio.Event] = field(default_factory=dict)
    """Call name -> what its next call waits for before it takes effect: a target that hangs."""
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    """Set as soon as a call hangs."""

    def fail(self, call: str, error: BaseException, *, when: str = "before") -> None:
        self.faults.setdefault(call, []).append((when, error))

    async def hang(self, call: str) -> None:
        if (release := self.holds.pop(call, None)) is not None:
            self.reached.set()
            await release.wait()

    def befall(self, call: str, when: str) -> None:
        pending = self.faults.get(call, [])
        if pending and pending[0][0] == when:
            raise pending.pop(0)[1]

    def works(self, values: Mapping[str, str]) -> bool:
        return values["password"] in self.logins.get(values["username"], set())

    def count(self, call: str) -> int:
        return sum(name == call for name, _ in self.calls)


class ModelCredentials(Fields):
    world: Text
    token: SecretStr


@dataclass
class ModelTarget:
    world: World

    async def test(self) -> str:
        self.world.befall("test", "before")
        return "Model world 1"

    async def close(self) -> None:
        pass


class ModelApp:
    app = "model"
    title = "Model"
    methods: Mapping[str, type[BaseModel]] = {"token": ModelCredentials}

    def open(self, method: str, credentials: BaseModel) -> ModelTarget:
        assert isinstance(credentials, ModelCredentials)
        return ModelTarget(WORLDS[credentials.world])


class ModelParameters(Fields):
    username1: Text
    username2: Text


class ModelMapping(Fields):
    username: Text = "MODEL_USERNAME"
    password: Text = "MODEL_PASSWORD"


class PasswordProvider:
    """Sets the password that the journal holds, so that issuing again is harmless."""

    type = "model-passwords"
    title = "Model passwords"
    app = "model"
    name_max_length = 32
    parameters = ModelParameters
    mapping = ModelMapping
    secret_fields = frozenset({"password"})
    initial_slots: tuple[int, ...] = (1, 0)
    verify_successes = 1
    verify_patience = 0.0
    restores = True
    retires = False

    def check_parameters(self, parameters: Any, connection: Mapping[str, Any]) -> list[Problem]:
        if parameters.username1 == parameters.username2:
            return [Problem("parameters.username2", "must differ from username1")]
        return []

    def identity(self, parameters: Any, slot: int) -> str:
        return str((parameters.username1, parameters.username2)[slot])

    def candidate(self, parameters: Any, request: CandidateRequest) -> Credential:
        password = "".join(request.choice("abcdefghij") for _ in range(20))
        return Credential({"username": self.identity(parameters, request.slot), "password": f"secret-{password}"})

    async def preflight(self, target: Any, parameters: Any) -> list[Check]:
        return [Check("World reachable", CheckResult.PASSED)]

    async def issue(self, target: Any, parameters: Any, request: Issue) -> Credential:
        world, values = target.world, request.candidate.values
        world.calls.append(("issue", values["username"]))
        await world.hang("issue")
        world.befall("issue", "before")
        world.logins[values["username"]] = {values["password"]}
        world.befall("issue", "after")
        return request.candidate

    async def verify(self, target: Any, parameters: Any, credential: Credential) -> None:
        world = target.world
        world.calls.append(("verify", credential.values["username"]))
        world.befall("verify", "before")
        if not world.works(credential.values):
            raise CredentialRefused(f"Login as {credential.values['username']} refused.")

    async def in_use(self, target: Any, parameters: Any, credential: Credential, since: datetime) -> list[Use]:
        world: World = target.world
        world.befall("in_use", "before")
        return list(world.uses)

    async def retire(self, target: Any, parameters: Any, credential: Credential) -> None:
        raise AssertionError("a password is overwritten, never retired")

    async def revoke(self, target: Any, parameters: Any, credential: Credential) -> None:
        world = target.world
        world.calls.append(("revoke", credential.values["username"]))
        world.befall("revoke", "before")
        world.logins[credential.values["username"]] = set()
        world.befall("revoke", "after")


class KeyProvider(PasswordProvider):
    """Is given keys by the target, which keeps old ones until they are removed by id."""

    type = "model-keys"
    title = "Model keys"
    initial_slots: tuple[int, ...] = (0,)
    verify_successes = 3
    verify_patience = 60.0
    restores = False
    retires = True

    def identity(self, parameters: Any, slot: int) -> str:
        return str(parameters.username1)

    def candidate(self, parameters: Any, request: CandidateRequest) -> Credential:
        return Credential({"marker": request.attempt_id})

    async def issue(self, target: Any, parameters: Any, request: Issue) -> Credential:
        world, user = target.world, parameters.username1
        world.calls.append(("issue", user))
        world.befall("issue", "before")
        marker = request.candidate.values["marker"]
        if request.again:
            world.logins[user] = {key for key in world.logins.get(user, set()) if not key.endswith(marker)}
        world.keys += 1
        key = f"key-{world.keys}-{marker}"
        world.logins.setdefault(user, set()).add(key)
        world.befall("issue", "after")
        return Credential({"username": user, "password": key})

    async def retire(self, target: Any, parameters: Any, credential: Credential) -> None:
        world = target.world
        world.calls.append(("retire", credential.values["username"]))
        world.befall("retire", "before")
        world.logins[credential.values["username"]].discard(credential.values["password"])
        world.befall("retire", "after")

    async def revoke(self, target: Any, parameters: Any, credential: Credential) -> None:
        world = target.world
        user, marker = parameters.username1, credential.values.get("marker")
        world.calls.append(("revoke", user))
        world.befall("revoke", "before")
        keys = world.logins.get(user, set())
        lost = {key for key in keys if marker and key.endswith(marker)}
        world.logins[user] = keys - lost - {credential.values.get("password", "")}


APP = ModelApp()
PASSWORDS = PasswordProvider()
KEYS = KeyProvider()


def entry_points_of_the_model(group: str) -> dict[str, EntryPoint]:
    here = "tests.rotation.model"
    points = {
        "keyturn.apps": {"model": f"{here}:APP"},
        "keyturn.providers": {"model-passwords": f"{here}:PASSWORDS", "model-keys": f"{here}:KEYS"},
    }
    return {name: EntryPoint(name, value, group) for name, value in points[group].items()}
