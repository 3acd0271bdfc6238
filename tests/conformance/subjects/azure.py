"""An application of a tenant on loopback."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Sequence

import pytest

from app.demo.entra_tenant import lost_answer, throttled
from tests.conformance.subject import Subject, Values
from tests.entra import Standing, standing

_OFTEN = 1000
_LONG = 300
"""Seconds to wait before asking again: too long for a call, which leaves that to the loop."""


class AzureStand:
    """The rotated application has a secret that somebody made by hand."""

    method = "client-secret"

    def __init__(self, entra: Standing) -> None:
        self.entra = entra
        self.tenant = entra.entra.tenant
        self.credentials = entra.credentials()
        self.parameters = entra.parameters()

    async def logs_in(self, published: Values) -> bool:
        return await asyncio.to_thread(self.entra.logs_in, published["clientId"], published["clientSecret"])

    def strays(self, held: Sequence[Values]) -> Collection[str]:
        mine = {self.entra.foreign.key_id, *(each["keyId"] for each in held)}
        return set(self.entra.key_ids()) - mine

    def intact(self) -> bool:
        return self.entra.foreign in self.entra.billing.secrets

    def lose_answer(self) -> None:
        self.tenant.fail("addPassword", lost_answer())

    def throttle(self) -> None:
        self.tenant.fail("addPassword", *[throttled(_LONG)] * _OFTEN)

    def lag(self, published: Values) -> None:
        self.tenant.refusals = _OFTEN

    def forbid(self) -> None:
        self.entra.billing.owners.clear()

    def recover(self) -> None:
        assert self.entra.keyturn.principal is not None
        self.tenant.faults.clear()
        self.tenant.refusals = 0
        for secret in self.entra.billing.secrets:
            secret.refusals = 0
        self.entra.billing.owners.add(self.entra.keyturn.principal)

    def spoil(self, credential: Values) -> None:
        secrets = self.entra.billing.secrets
        self.entra.billing.secrets = [secret for secret in secrets if secret.key_id != credential["keyId"]]

    def remove(self) -> None:
        self.tenant.remove_application(self.entra.billing)
        self.entra.billing.secrets = []


@contextlib.asynccontextmanager
async def stand(request: pytest.FixtureRequest) -> AsyncIterator[AzureStand]:
    with contextlib.contextmanager(standing)() as entra:
        yield AzureStand(entra)


SUBJECT = Subject("azure-client-secret", stand)
