"""What a provider is tried on: its calls alone, and a whole service that makes them."""

from __future__ import annotations

import random
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from app.contract import SecretRotation
from app.errors import RotationFailed
from app.rotation.engine import nobody
from app.rotation.surroundings import Listener
from app.service import Service, open_service
from app.settings import load_settings
from app.views import Place, Progress
from providers.base import CandidateRequest, Credential, Issue, Provider, Slot, Target, TargetError
from providers.registry import connection_app, provider
from tests.conformance.subject import Stand, Subject, Values

NAME, CONNECTION = "app", "target"
PLACE = Place("default", "dev", "/")


@dataclass
class Calls:
    """A provider's calls, made as the engine makes them."""

    provider: Provider
    stand: Stand
    target: Target
    parameters: Any

    def candidate(self, slot: Slot = 0) -> Credential:
        """What the journal would hold."""
        choice = random.SystemRandom().choice
        request = CandidateRequest(slot, str(uuid.uuid4()), datetime.now(UTC), 30, choice)
        return self.provider.candidate(self.parameters, request)

    async def issue(self, candidate: Credential | None = None, slot: Slot = 0, **more: Any) -> Credential:
        request = Issue(slot, candidate or self.candidate(slot), **more)
        return await self.provider.issue(self.target, self.parameters, request)

    async def verify(self, credential: Credential) -> None:
        await self.provider.verify(self.target, self.parameters, credential)

    async def retire(self, credential: Credential) -> None:
        await self.provider.retire(self.target, self.parameters, credential)

    async def revoke(self, credential: Credential) -> None:
        await self.provider.revoke(self.target, self.parameters, credential)

    async def works(self, credential: Credential) -> bool:
        return await self.stand.logs_in(credential.values)

    def strays(self, *held: Credential) -> list[str]:
        return sorted(self.stand.strays([each.values for each in held]))

    def told(self, error: TargetError, *credentials: Credential) -> None:
        """An error says something, to people, and no secret."""
        said = f"{error.message} {error.remedy}"
        assert error.message
        assert not [each for each in self.secrets(*credentials) if each in said]

    def secrets(self, *credentials: Credential) -> list[str]:
        names = self.provider.secret_fields
        mine = [each.values[name] for each in credentials for name in names if name in each.values]
        return [*mine, *_secrets_of(self.provider, self.stand)]


def calls_of(subject: Subject, stand: Stand) -> Calls:
    found = provider(subject.type)
    app = connection_app(found.app)
    target = app.open(stand.method, app.methods[stand.method].model_validate(stand.credentials))
    return Calls(found, stand, target, found.parameters.model_validate(stand.parameters))


def _secrets_of(kind: Provider, stand: Stand) -> list[str]:
    """Of the connection."""
    credentials = connection_app(kind.app).methods[stand.method].model_validate(stand.credentials)
    values = [getattr(credentials, name) for name in type(credentials).model_fields]
    return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]


@dataclass
class Bench:
    """The rotation `app`. `start` opens what another process would have of the same store."""

    provider: Provider
    stand: Stand
    home: Path
    services: list[Service] = field(default_factory=list)
    later: timedelta = timedelta(0)
    """By how much our clock is ahead."""

    def start(self) -> Service:
        settings = load_settings({"KEYTURN_HOME": str(self.home)})
        service = open_service(settings, "test", clock=lambda: datetime.now(UTC) + self.later)
        self.services.append(service)
        return service

    @property
    def service(self) -> Service:
        """The process that was started last."""
        return self.services[-1]

    async def connect(self) -> None:
        given = {"name": CONNECTION, "method": self.stand.method, "credentials": dict(self.stand.credentials)}
        await self.start().connections.add(self.provider.app, given)

    async def create(self, listener: Listener = nobody) -> None:
        mapping = self.provider.mapping().model_dump(by_alias=True)
        given = {
            "name": NAME,
            "projectId": PLACE.project,
            "connectionId": CONNECTION,
            "environment": PLACE.environment,
            "secretPath": PLACE.path,
            "rotationInterval": 30,
            "parameters": dict(self.stand.parameters),
            "secretsMapping": mapping,
        }
        await self.service.creation.create(self.provider.type, given, listener)

    async def rotate(self, listener: Listener = nobody) -> SecretRotation:
        return await self.service.rotations.rotate(NAME, listener)

    async def delete(self) -> None:
        await self.service.rotations.delete(NAME, revoke=True, delete_secrets=True)

    async def check(self) -> dict[Slot, bool | None]:
        return {each.slot: each.ok for each in await self.service.rotations.check(NAME)}

    async def published(self) -> dict[str, str]:
        """What applications read now, by the credential's field names."""
        values = await self.service.secrets.values(PLACE)
        names: dict[str, str] = self.provider.mapping().model_dump(by_alias=True)
        return {name: values[secret] for name, secret in names.items()}

    async def held(self) -> list[dict[str, str]]:
        """Both slots."""
        return (await self.service.rotations.credentials(NAME)).generated_credentials

    async def active(self) -> Slot:
        return (await self.service.rotations.document(NAME)).active_index

    async def current(self) -> dict[str, str]:
        """What is published, with the fields that are not."""
        return (await self.held())[await self.active()]

    async def inactive(self) -> dict[str, str]:
        return (await self.held())[1 - await self.active()]

    async def works(self, credential: Values) -> bool:
        return await self.stand.logs_in(credential)

    async def is_sound(self) -> None:
        """What is published logs in, all that works at the target is held, and what belongs to others is untouched."""
        assert await self.works(await self.published())
        assert not self.stand.strays(await self.held())
        assert self.stand.intact()

    async def is_gone(self, *credentials: Values) -> None:
        """Nothing that was ever made works any more."""
        assert [each for each in credentials if await self.works(each)] == []
        assert not self.stand.strays([])
        assert self.stand.intact()

    async def failure(self, call: Awaitable[object]) -> RotationFailed:
        """A failure that people are told of: in words, and without a secret."""
        with pytest.raises(RotationFailed) as caught:
            await call
        said = f"{caught.value.message} {caught.value.remedy}"
        assert "Unexpected" not in said
        assert not [secret for secret in _secrets_of(self.provider, self.stand) if secret in said]
        return caught.value


def when(step: str, do: Callable[[], object]) -> Listener:
    """A listener that does something, once, as a step begins."""
    left = [do]

    def listen(progress: Progress) -> None:
        if left and (progress.step, progress.state) == (step, "started"):
            left.pop()()

    return listen
