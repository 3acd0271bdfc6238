"""The way in at the target, as an application takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from app.errors import UsageError
from app.operations.context import connection_by
from app.service import Service
from providers.base import Credential, CredentialRefused, Provider, Target
from providers.postgres import METHOD
from providers.registry import connection_app
from providers.registry import provider as provider_of
from store import connections
from store.database import Tx

OWN_APP = "postgres"
"""What can be drilled at a target of somebody's own."""


@dataclass(frozen=True)
class Access:
    """A connection as `keyturn connections add` takes it."""

    app: str
    method: str
    credentials: Mapping[str, Any] = field(repr=False)

    @classmethod
    def to(cls, host: str, port: int, username: str, password: str) -> Access:
        """To a private PostgreSQL."""
        credentials = {"host": host, "port": port, "database": "postgres", "username": username, "password": password}
        return cls("postgres", METHOD, {**credentials, "sslEnabled": False})

    @property
    def where(self) -> str:
        """For people."""
        return "{host}:{port}/{database}".format_map(self.credentials)

    def open(self) -> Target:
        kind = connection_app(self.app)
        return kind.open(self.method, kind.methods[self.method].model_validate(self.credentials))


async def access_of(service: Service, ref: str) -> Access:
    """Raises NotFound; UsageError when nothing of that kind can be drilled."""

    def find(tx: Tx) -> Access:
        row = connection_by(tx, ref)
        return Access(row.app, row.method, {**row.settings, **connections.secret_credentials(tx, row)})

    found = await service.store.aread(find)
    if found.app != OWN_APP:
        raise UsageError(
            f"The drill at a target of your own is for PostgreSQL. The connection {ref} leads to {found.app}.",
            remedy="Nothing was done. keyturn drill, without a connection, plays on stand-ins for AWS and Entra too.",
        )
    return found


@dataclass(frozen=True)
class Gate:
    """Belongs to one event loop. Close its target."""

    kind: Provider
    target: Target
    parameters: BaseModel

    async def opens(self, credential: Mapping[str, str]) -> bool:
        """Whether it logs in. Raises TargetError when the target does not say."""
        try:
            await self.kind.verify(self.target, self.parameters, Credential(credential))
        except CredentialRefused:
            return False
        return True


def gate(rotation_type: str, access: Access, parameters: Mapping[str, Any]) -> Gate:
    kind = provider_of(rotation_type)
    return Gate(kind, access.open(), kind.parameters.model_validate(parameters))
