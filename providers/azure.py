"""The connection app `azure-client-secrets`: what its credentials are, and access to one tenant's Microsoft Graph."""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, SecretStr, model_validator

from providers.azure_pem import certificate_problem, unfolded
from providers.base import ConnectionApp
from providers.fields import Fields, Text, complaint

if TYPE_CHECKING:
    from providers.azure_connection import Directory

CLIENT_SECRET, CERTIFICATE = "client-secret", "certificate"

_PUBLIC_AUTHORITY = "login.microsoftonline.com"
_PUBLIC_GRAPH = "https://graph.microsoft.com"
_GRAPH_OF = {
    "login.microsoftonline.us": "https://graph.microsoft.us",
    "login.chinacloudapi.cn": "https://microsoftgraph.chinacloudapi.cn",
    "login.partner.microsoftonline.cn": "https://microsoftgraph.chinacloudapi.cn",
}
_NO_TENANTS = {"common", "organizations", "consumers"}
_DOMAIN = re.compile(r"(?=.{4,253}$)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+", re.IGNORECASE)


def is_id(value: str) -> bool:
    """Whether it is a UUID, written as Microsoft writes them."""
    try:
        return str(UUID(value)) == value.lower()
    except ValueError:
        return False


def _client_id(value: str) -> str:
    if not is_id(value):
        raise complaint("uuid", "An application (client) ID looks like 00000000-1111-2222-3333-444444444444.")
    return value.lower()


def _tenant(value: str) -> str:
    if value.lower() in _NO_TENANTS:
        raise complaint("tenant", f'"{value}" stands for many tenants. Enter the one that holds the applications.')
    if not is_id(value) and not _DOMAIN.fullmatch(value):
        raise complaint("tenant", "Enter the directory (tenant) ID, or one of the tenant's domains (contoso.com).")
    return value.lower()


def _secret(value: SecretStr) -> SecretStr:
    text = value.get_secret_value().strip()
    if not text:
        raise complaint("blank", "Fill this in.")
    if is_id(text):
        raise complaint("secret_id", "This is the secret's ID. Enter its value, which is shown once, when it is made.")
    if not text.isascii() or not text.isprintable():
        raise complaint("secret", "A client secret has printable ASCII characters only.")
    return SecretStr(text)


def _https(value: str | None) -> str | None:
    value = (value or "").strip()
    if not value:
        return None
    url = (value if "://" in value else f"https://{value}").rstrip("/")
    try:
        parts = urlsplit(url)
        usable = parts.scheme == "https" and bool(parts.hostname) and (parts.port or 1) > 0
        usable = usable and not (parts.query or parts.fragment or "@" in parts.netloc)
    except ValueError:
        usable = False
    if not usable:
        raise complaint("url", "Enter a URL that begins with https://.")
    return url


def _path(value: str | None) -> str | None:
    return (value or "").strip() or None


def _certificate(value: str) -> str:
    text = unfolded(value)
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise complaint("certificate", "This is no certificate in PEM format (-----BEGIN CERTIFICATE-----).")
    return text


def _key(value: SecretStr) -> SecretStr:
    text = unfolded(value.get_secret_value())
    if "ENCRYPTED" in text:
        raise complaint("key", "The key is encrypted. Decrypt it first: openssl pkcs8 -in key.pem -out plain.pem.")
    if "PRIVATE KEY-----" not in text:
        raise complaint("key", "This is no private key in PEM format (-----BEGIN PRIVATE KEY-----).")
    return SecretStr(text)


class _Who(Fields):
    tenant_id: Annotated[Text, AfterValidator(_tenant)] = Field(
        title="Tenant ID",
        description="Directory (tenant) ID, or a domain of the tenant.",
        examples=["contoso.onmicrosoft.com"],
    )
    client_id: Annotated[Text, AfterValidator(_client_id)] = Field(
        title="Client ID", description="Application (client) ID of the application that Keyturn acts as."
    )


class _BySecret(Fields):
    client_secret: Annotated[SecretStr, AfterValidator(_secret)] = Field(
        title="Client secret", description="The value of one of its client secrets, not the secret's ID."
    )


class _ByCertificate(Fields):
    certificate_body: Annotated[Text, AfterValidator(_certificate)] = Field(
        title="Certificate",
        description="PEM text of the certificate that is uploaded to the application.",
        json_schema_extra={"multiline": True},
    )
    private_key: Annotated[SecretStr, AfterValidator(_key)] = Field(
        title="Private key",
        description="PEM text of the certificate's private key, not encrypted.",
        json_schema_extra={"multiline": True},
    )

    @model_validator(mode="after")
    def _belong_together(self) -> _ByCertificate:
        if problem := certificate_problem(self.certificate_body, self.private_key.get_secret_value()):
            raise complaint("certificate", problem)
        return self


class _Where(Fields):
    """For other clouds, proxies that re-encrypt, stand-ins."""

    authority: Annotated[str | None, AfterValidator(_https)] = Field(
        default=None,
        title="Authority",
        description="Where tokens come from; AZURE_AUTHORITY_HOST or the public cloud when left out.",
        examples=["https://login.microsoftonline.us"],
        json_schema_extra={"advanced": True},
    )
    graph_url: Annotated[str | None, AfterValidator(_https)] = Field(
        default=None,
        title="Graph URL",
        description="Where Microsoft Graph is; the authority's own cloud when left out.",
        examples=["https://graph.microsoft.us"],
        json_schema_extra={"advanced": True},
    )
    ca_file: Annotated[str | None, AfterValidator(_path)] = Field(
        default=None,
        title="CA file",
        description="PEM file of the authorities to trust; SSL_CERT_FILE or the system's when left out.",
        json_schema_extra={"advanced": True},
    )

    @property
    def authority_url(self) -> str:
        """Where tokens come from."""
        found = self.authority or os.environ.get("AZURE_AUTHORITY_HOST", "").strip().rstrip("/") or _PUBLIC_AUTHORITY
        return found if "://" in found else f"https://{found}"

    @property
    def graph_base(self) -> str:
        """Where Graph's requests go, version included."""
        base = self.graph_url or _GRAPH_OF.get(urlsplit(self.authority_url).hostname or "", _PUBLIC_GRAPH)
        return base if urlsplit(base).path else f"{base}/v1.0"

    @property
    def graph_host(self) -> str:
        return urlsplit(self.graph_base).hostname or ""

    @property
    def scope(self) -> str:
        """What tokens are asked for; Entra knows resources without a port."""
        host = f"[{self.graph_host}]" if ":" in self.graph_host else self.graph_host
        return f"https://{host}/.default"


class AzureSecretCredentials(_Where, _BySecret, _Who):
    """Method `client-secret`."""


class AzureCertificateCredentials(_Where, _ByCertificate, _Who):
    """Method `certificate`."""


AzureCredentials = AzureSecretCredentials | AzureCertificateCredentials


class AzureTarget:
    """One tenant, and the Graph client that is kept for it. It belongs to one event loop."""

    def __init__(self, credentials: AzureCredentials) -> None:
        self.credentials = credentials
        self._turn = asyncio.Lock()
        self._directory: Directory | None = None

    async def test(self) -> str:
        """Get a fresh token, read one application, and say in one line what answered. Raises TargetError."""
        await self.close()
        directory = await self.directory()
        await directory.search("", 1)
        given = self.credentials
        return f"Microsoft Graph at {given.graph_host} for tenant {given.tenant_id} as application {given.client_id}"

    async def directory(self) -> Directory:
        """The tenant's applications. The SDKs take a while to import: that happens in a thread, once.

        Raises TargetRefused for a CA file that can't be used.
        """
        async with self._turn:
            if self._directory is None:
                await asyncio.to_thread(_import_sdks)
                from providers.azure_connection import Directory, prepare

                self._directory = Directory(self.credentials, await asyncio.to_thread(prepare, self.credentials))
            return self._directory

    async def close(self) -> None:
        """Drop the client; the next call would make another. Never raises."""
        async with self._turn:
            directory, self._directory = self._directory, None
            if directory is not None:
                await directory.close()


def _import_sdks() -> None:
    """What an import makes stays; to look through it for garbage holds the other threads up, for 100 ms at worst."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        importlib.import_module("providers.azure_connection")
    finally:
        gc.freeze()
        if collecting:
            gc.enable()


class AzureApp:
    """Connections to Microsoft Entra, registered as `azure-client-secrets`."""

    app = "azure-client-secrets"
    title = "Azure client secrets"
    methods: Mapping[str, type[BaseModel]] = MappingProxyType(
        {CLIENT_SECRET: AzureSecretCredentials, CERTIFICATE: AzureCertificateCredentials}
    )

    def open(self, method: str, credentials: BaseModel) -> AzureTarget:
        """Return access to the tenant; nothing is sent before the first call."""
        if not isinstance(credentials, AzureCredentials) or self.methods.get(method) is not type(credentials):
            raise ValueError(f"Azure has no connection method {method!r} with these credentials")
        return AzureTarget(credentials)


APP: ConnectionApp = AzureApp()
