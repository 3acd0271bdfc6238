"""What is true in the stand-in's tenant: applications, their secrets, and the faults that a test asked for."""

from __future__ import annotations

import secrets
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

TENANT = "11111111-2222-3333-4444-555555555555"
DOMAIN = "keyturn.example"
ALL, OWNED_BY = "Application.ReadWrite.All", "Application.ReadWrite.OwnedBy"


@dataclass
class Secret:
    """`refusals`: how often it is still refused, `ready_at`: until when; front ends that do not know it yet."""

    name: str | None
    end: datetime
    start: datetime
    text: str = field(repr=False)
    key_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    refusals: int = 0
    ready_at: datetime | None = None

    def shown(self) -> dict[str, Any]:
        return {
            "customKeyIdentifier": None,
            "displayName": self.name,
            "endDateTime": written(self.end),
            "hint": self.text[:3],
            "keyId": self.key_id,
            "secretText": None,
            "startDateTime": written(self.start),
        }


class Certificate:
    """What was uploaded to an application."""

    def __init__(self, pem: str) -> None:
        self._loaded = x509.load_pem_x509_certificate(pem.encode())
        self.thumbprint = self._loaded.fingerprint(hashes.SHA256())

    def signed(self, data: bytes, signature: bytes) -> bool:
        """By PS256, as azure-identity does."""
        key = self._loaded.public_key()
        assert isinstance(key, RSAPublicKey)
        try:
            key.verify(signature, data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        except InvalidSignature:
            return False
        return True


@dataclass
class Application:
    """`permissions` are Graph application permissions of its service principal; it may change those it owns."""

    name: str
    permissions: set[str] = field(default_factory=set)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    client_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    principal: str | None = field(default_factory=lambda: str(uuid.uuid4()))
    owners: set[str] = field(default_factory=set)
    secrets: list[Secret] = field(default_factory=list)
    certificates: list[Certificate] = field(default_factory=list)
    administers: bool = False
    """By a directory role, which the token does not tell of."""

    def shown(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "appId": self.client_id,
            "displayName": self.name,
            "passwordCredentials": [secret.shown() for secret in self.secrets],
        }


@dataclass(frozen=True)
class Fault:
    """What befalls one call. `after`: once it took effect. `status` 0: the line is cut without an answer."""

    status: int = 0
    code: str = ""
    message: str = ""
    after: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    page: str = ""
    """Answer with this HTML instead of JSON."""


def throttled(retry_after: int = 0) -> Fault:
    return Fault(429, "TooManyRequests", "Too many requests.", headers=(("Retry-After", str(retry_after)),))


def concurrent() -> Fault:
    return Fault(409, "Directory_ConcurrencyViolation", "A conflict with concurrent requests. Please try again.")


def lost_answer() -> Fault:
    return Fault(after=True)


def page(status: int = 200) -> Fault:
    return Fault(status, page="<html><body>Please log in to the proxy</body></html>")


@dataclass
class Tenant:
    """The state. The stand-in's thread and those of its users take turns by `turn`."""

    id: str = TENANT
    domains: set[str] = field(default_factory=lambda: {DOMAIN})
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    applications: dict[str, Application] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict, repr=False)
    """Token -> object id of the application that got it."""
    opaque_tokens: bool = False
    lag: timedelta = timedelta(0)
    """How long a new secret is refused."""
    refusals: int = 0
    """How often a new secret is refused."""
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    """Call ("token", "get", "list", "owners", "addPassword", "removePassword") -> what befalls the next ones."""
    turn: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def add_application(self, name: str, *permissions: str) -> Application:
        with self.turn:
            made = Application(name, set(permissions))
            self.applications[made.id] = made
            return made

    def remove_application(self, application: Application) -> None:
        with self.turn:
            del self.applications[application.id]

    def add_secret(
        self, application: Application, name: str | None = None, end: datetime | None = None, *, ready: bool = True
    ) -> Secret:
        """`ready` False: it is refused for as long as new ones are."""
        with self.turn:
            now = self.clock()
            made = Secret(name, end or now + timedelta(days=730), now, f"~{secrets.token_urlsafe(30)}")
            if not ready:
                made.refusals, made.ready_at = self.refusals, now + self.lag
            application.secrets.append(made)
            return made

    def fail(self, call: str, *faults: Fault) -> None:
        with self.turn:
            self.faults.setdefault(call, []).extend(faults)

    def fault(self, call: str, *, after: bool) -> Fault | None:
        """What befalls this call now, once."""
        pending = self.faults.get(call, [])
        return pending.pop(0) if pending and pending[0].after == after else None

    def by_client_id(self, client_id: str) -> Application | None:
        return next((app for app in self.applications.values() if app.client_id == client_id), None)

    def may_change(self, caller: Application, application: Application) -> bool:
        owns = OWNED_BY in caller.permissions and caller.principal in application.owners
        return caller.administers or ALL in caller.permissions or owns

    def may_read(self, caller: Application) -> bool:
        return caller.administers or bool(caller.permissions & {ALL, OWNED_BY, "Application.Read.All"})


def written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
