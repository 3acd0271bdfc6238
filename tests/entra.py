"""A tenant on loopback, Keyturn's application in it, and one whose secrets are rotated."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from azure.core.exceptions import ClientAuthenticationError
from azure.identity.aio import ClientSecretCredential
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from werkzeug.datastructures import Headers, ImmutableMultiDict

from app.demo.entra import Entra, Request
from app.demo.entra_tenant import OWNED_BY, Application, Secret


@dataclass
class Standing:
    """`keyturn` acts, as an owner of `billing`."""

    entra: Entra
    keyturn: Application
    secret: Secret
    billing: Application
    foreign: Secret
    """A secret of billing that somebody made by hand."""

    def credentials(self, **different: Any) -> dict[str, Any]:
        """For a connection of method client-secret, as documented."""
        return {
            "tenantId": self.entra.tenant.id,
            "clientId": self.keyturn.client_id,
            "clientSecret": self.secret.text,
            "authority": self.entra.url,
            "graphUrl": self.entra.url,
            "caFile": self.entra.ca_file,
            **different,
        }

    def parameters(self, **different: Any) -> dict[str, Any]:
        application = self.billing
        names = {"objectId": application.id, "clientId": application.client_id, "appName": application.name}
        return {**names, **different}

    def calls(self, name: str) -> int:
        """How often Graph was asked for it."""
        return sum(request.path.endswith(name) for request in self.entra.requests)

    def key_ids(self, application: Application | None = None) -> list[str]:
        return [secret.key_id for secret in (application or self.billing).secrets]

    def logs_in(self, client_id: str, secret: str) -> bool:
        """By azure-identity, as an application does."""

        async def log_in() -> bool:
            made = ClientSecretCredential(
                self.entra.tenant.id,
                client_id,
                secret,
                authority=self.entra.url,
                disable_instance_discovery=True,
                connection_verify=self.entra.ca_file,
            )
            async with made as credential:
                try:
                    await credential.get_token("https://127.0.0.1/.default")
                except ClientAuthenticationError:
                    return False
                return True

        return asyncio.run(log_in())


def standing() -> Iterator[Standing]:
    """For a fixture to yield from. What Graph was asked is then checked against Microsoft's schema."""
    with Entra() as entra:
        keyturn = entra.tenant.add_application("Keyturn", OWNED_BY)
        billing = entra.tenant.add_application("Billing service")
        assert keyturn.principal is not None
        billing.owners.add(keyturn.principal)
        foreign = entra.tenant.add_secret(billing, "by hand")
        yield Standing(entra, keyturn, entra.tenant.add_secret(keyturn, "admin"), billing, foreign)
        for request in entra.requests:
            schema().validate_request(Asked(request))


@cache
def schema() -> OpenAPI:
    return OpenAPI.from_file_path(str(Path(__file__).parent / "providers" / "graph.yaml"))


class Asked:
    """A recorded request, as openapi-core wants to see it."""

    def __init__(self, request: Request) -> None:
        self.host_url, self.path, self.method = "https://graph.microsoft.com", request.path, request.method.lower()
        self.body, self.content_type = request.body, request.headers.get("content-type", "")
        headers, query = Headers(list(request.headers.items())), ImmutableMultiDict(request.query)
        self.parameters = RequestParameters(query=query, header=headers, cookie=ImmutableMultiDict(), path={})


def certificate_and_key() -> tuple[str, str]:
    """PEM texts."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "keyturn")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made.public_bytes(Encoding.PEM).decode(), private.decode()
