"""The drill's part of the Entra stand-in: two applications, each with a secret that somebody made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs

from app.demo.entra import Entra
from app.demo.entra_tenant import OWNED_BY, Application, Secret
from app.drill.gate import Access
from app.drill.relay import Hold, Relay
from app.drill.scratch import LOGIN, Held
from providers.azure import CLIENT_SECRET

_CHANGES = {"addPassword", "removePassword"}


@dataclass
class AzureScratch:
    """`applications`: the rotated one, its heir, and Keyturn's own."""

    entra: Entra = field(repr=False)
    applications: tuple[Application, ...] = field(repr=False)
    admin: Secret = field(repr=False)
    relay: Relay = field(init=False, repr=False)
    type: str = "azure-client-secret"
    fields: tuple[str, ...] = ("clientId", "clientSecret")
    removal: str = ""
    """Nothing is left of a stand-in."""
    _foreign: tuple[Secret, ...] = field(default=(), init=False, repr=False)

    def __post_init__(self) -> None:
        self.relay = Relay(self.entra.url, self._named, self.entra.ca_file)

    @property
    def access(self) -> Access:
        return self._at(self.relay.url, self.relay.ca_file)

    @property
    def way_in(self) -> Access:
        return self._at(self.entra.url, self.entra.ca_file)

    def _at(self, url: str, ca_file: str) -> Access:
        credentials = {
            "tenantId": self.entra.tenant.id,
            "clientId": self.applications[2].client_id,
            "clientSecret": self.admin.text,
            "authority": url,
            "graphUrl": url,
            "caFile": ca_file,
        }
        return Access("azure-client-secrets", CLIENT_SECRET, credentials)

    @property
    def users(self) -> Mapping[str, str]:
        return _parameters(self.applications[0])

    @property
    def heirs(self) -> Mapping[str, str]:
        return _parameters(self.applications[1])

    async def make(self) -> None:
        tenant = self.entra.tenant
        self._foreign = tuple(tenant.add_secret(application, "by hand") for application in self.applications[:2])
        self.relay.start()

    async def remove(self) -> None:
        self.relay.stop()

    async def clear(self) -> None:
        with self.entra.tenant.turn:
            for application, foreign in zip(self.applications, self._foreign, strict=False):
                application.secrets = [foreign]

    def note(self, notes: Path | None) -> None:
        self.relay.notes = notes

    def holding(self, call: str, *, answered: bool) -> AbstractAsyncContextManager[Hold]:
        return self.relay.holding(call, answered=answered)

    async def complaints(self, known: Sequence[Held]) -> list[str]:
        expected = {(held.owner, held.values["keyId"]) for held in known}
        with self.entra.tenant.turn:
            found = {(app.client_id, secret.key_id) for app in self.applications[:2] for secret in app.secrets}
        foreign = {
            (app.client_id, secret.key_id) for app, secret in zip(self.applications, self._foreign, strict=False)
        }
        unknown, missing = found - expected - foreign, expected - found
        said = [f"{owner} has a client secret that nobody knows: {key_id}" for owner, key_id in sorted(unknown)]
        said += [f"{owner} has no client secret {key_id}" for owner, key_id in sorted(missing)]
        return [*said, *(["somebody else's client secret was removed"] if foreign - found else [])]

    def _named(self, path: str, headers: Mapping[str, str], body: bytes) -> str:
        name = path.rpartition("/")[2]
        if name in _CHANGES:
            return name
        asker = parse_qs(body.decode()).get("client_id", [""])[0] if name == "token" else ""
        return LOGIN if asker in {app.client_id for app in self.applications[:2]} else ""


def azure_scratch(entra: Entra) -> AzureScratch:
    tenant = entra.tenant
    keyturn = tenant.add_application("Keyturn", OWNED_BY)
    assert keyturn.principal is not None
    drilled = [tenant.add_application(name) for name in ("Drill", "Drill's heir")]
    for application in drilled:
        application.owners.add(keyturn.principal)
    return AzureScratch(entra, (*drilled, keyturn), tenant.add_secret(keyturn, "admin"))


def _parameters(application: Application) -> dict[str, str]:
    return {"objectId": application.id, "clientId": application.client_id, "appName": application.name}
