"""Everything that touches azure-identity and Graph's client: tokens, requests, and what their errors mean.

Import this on use only, and in a thread: the SDKs take a while to import.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import json
import logging
import os
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
import httpx
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import CertificateCredential, ClientSecretCredential
from kiota_abstractions.api_error import APIError
from kiota_abstractions.request_information import RequestInformation
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from kiota_http.middleware.options import RedirectHandlerOption, RetryHandlerOption
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.password_credential import PasswordCredential
from msgraph.graph_request_adapter import GraphRequestAdapter
from msgraph.graph_service_client import GraphServiceClient
from msgraph_core import GraphClientFactory

from providers import azure_requests as requests
from providers.azure import AzureCredentials, AzureSecretCredentials
from providers.azure_errors import (
    LONGEST_RETRY_AFTER,
    Asking,
    BadRequest,
    NotThere,
    TryAgain,
    entra_failure,
    graph_failure,
    not_microsoft,
    unreachable,
)
from providers.azure_requests import ApplicationView, Page
from providers.base import Outcome, TargetRefused

CALL_SECONDS = 15.0
"""No call takes longer, whatever Graph does."""
_CONNECT_SECONDS, _READ_SECONDS = 5, 10
_FIRST_PAUSE = 0.25
_ERRORS = {"XXX": ODataError}
# Certainly not sent.
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)

for name in ("azure.identity", "azure.core"):
    logging.getLogger(name).setLevel(logging.ERROR)  # each refused login would be told twice
logging.getLogger("httpx").setLevel(logging.WARNING)

T = TypeVar("T")


class _Foreign(Exception):
    """Something else than Graph answered."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True)
class NewSecret:
    key_id: str
    expires_at: datetime
    text: str = field(repr=False)


def prepare(credentials: AzureCredentials) -> ssl.SSLContext:
    """Do what would hold up an event loop: read certificates, import what Graph's client imports late.

    Raises TargetRefused for a CA file that can't be used.
    """
    _warm()
    return trust(credentials.ca_file)


@functools.cache
def _warm() -> None:
    provider = AzureIdentityAuthenticationProvider(
        ClientSecretCredential("nobody", "nobody", "nothing"), scopes=["https://graph.microsoft.com/.default"]
    )
    requests.warm_up(GraphServiceClient(request_adapter=GraphRequestAdapter(provider)))


def trust(ca_file: str | None) -> ssl.SSLContext:
    """Return whom to believe: the given file, what the environment names, or the system."""
    variables = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR")
    place = ca_file or next((value for name in variables if (value := os.environ.get(name))), None)
    try:
        if place is None:
            system = ssl.get_default_verify_paths()
            return ssl.create_default_context() if system.cafile or system.capath else httpx.create_ssl_context()
        if Path(place).is_dir():
            return ssl.create_default_context(capath=place)
        if ca_file:
            _refuse_pipe(Path(ca_file))
        return ssl.create_default_context(cafile=place)
    except OSError as error:
        raise TargetRefused(
            f"The CA file {place} can't be used: {error.strerror or error}.",
            remedy="Name a readable PEM file of certificates.",
        ) from None


def _refuse_pipe(place: Path) -> None:
    """A pipe or a terminal would be waited for without end. Raises OSError."""
    if place.exists() and not place.is_file():
        raise OSError("it is no regular file")


class Directory:
    """A tenant's applications, and the token to see and change them with."""

    def __init__(self, credentials: AzureCredentials, context: ssl.SSLContext) -> None:
        self.credentials = credentials
        self.server_time: datetime | None = None
        """Graph's clock when it last answered."""
        self._context = context
        self._credential = self._make_credential()
        limits = httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS)
        client = httpx.AsyncClient(verify=context, timeout=limits, event_hooks={"response": [self._look_at]})
        # The factory wraps these into some that do not pass on that they are to be closed.
        self._lines = [line for line in (client._transport, *client._mounts.values()) if line is not None]
        http = GraphClientFactory.create_with_default_middleware(
            client=client,
            options={
                # Graph's client would also repeat what adds a secret.
                RetryHandlerOption.get_key(): RetryHandlerOption(max_retries=0, should_retry=False),
                RedirectHandlerOption.get_key(): RedirectHandlerOption(should_redirect=False),
            },
        )
        self._adapter = GraphRequestAdapter(
            AzureIdentityAuthenticationProvider(
                self._credential, scopes=[credentials.scope], allowed_hosts=[credentials.graph_host]
            ),
            client=http,
        )
        self._adapter.base_url = credentials.graph_base
        self._graph = GraphServiceClient(request_adapter=self._adapter)

    async def close(self) -> None:
        """Never raises."""
        for closing in (*(line.aclose for line in self._lines), self._credential.close):
            with contextlib.suppress(Exception):
                await closing()

    async def application(self, object_id: str) -> ApplicationView:
        """Raises NotThere and other TargetErrors, as all that follows does."""
        return await self._get(lambda: requests.by_object_id(self._graph, object_id), ApplicationView)

    async def application_of(self, client_id: str) -> ApplicationView:
        return await self._get(lambda: requests.by_client_id(self._graph, client_id), ApplicationView)

    async def service_principal(self, client_id: str) -> ApplicationView:
        return await self._get(lambda: requests.service_principal(self._graph, client_id), ApplicationView)

    async def owners(self, object_id: str) -> set[str]:
        """The object ids of those who own an application."""
        page = await self._get(lambda: requests.owners(self._graph, object_id), Page)
        return {owner.id for owner in page.value}

    async def search(self, text: str, limit: int) -> list[ApplicationView]:
        page = await self._get(lambda: requests.search(self._graph, text, limit), Page)
        return page.value

    async def add_password(self, object_id: str, display_name: str, end: datetime) -> NewSecret:
        """Add a secret. It is sent once more only after an answer that says that nothing was done."""
        made = await self._send(
            lambda: requests.add_password(self._graph, object_id, display_name, end),
            PasswordCredential,
            Outcome.UNKNOWN,
        )
        if not made.secret_text or made.key_id is None:
            raise not_microsoft(self._address, None, Outcome.UNKNOWN)
        return NewSecret(str(made.key_id), made.end_date_time or end, made.secret_text)

    async def remove_password(self, object_id: str, key_id: str) -> None:
        """Remove a secret; it is fine when it, or the application, is gone already."""
        try:
            await self.probe_removal(object_id, key_id)
        except NotThere:
            return
        except BadRequest:
            if any(str(secret.key_id) == key_id for secret in (await self.application(object_id)).secrets):
                raise

    async def probe_removal(self, object_id: str, key_id: str) -> None:
        """Ask for the removal of a secret. Raises BadRequest when it is not there."""
        await self._send(lambda: requests.remove_password(self._graph, object_id, key_id), None, Outcome.UNKNOWN)

    async def claims(self) -> dict[str, Any]:
        """What the token says about Keyturn's application, empty where it can't be read."""
        token = await self._token()
        with contextlib.suppress(ValueError, IndexError):
            payload = token.split(".")[1]
            found = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            return found if isinstance(found, dict) else {}
        return {}

    async def sign_in(self, client_id: str, secret: str) -> None:
        """Get a fresh token as another application, on a connection of its own.

        Raises CredentialRefused, TargetRefused, TargetUnavailable.
        """
        tenant = self.credentials.tenant_id
        asking = Asking(client_id, tenant, self._authority, verifying=True)
        async with _bounded(self._authority):
            with _translating_entra(asking):
                async with ClientSecretCredential(tenant, client_id, secret, **self._options()) as credential:
                    await credential.get_token(self.credentials.scope)

    async def _token(self, deadline: float | None = None) -> str:
        asking = Asking(self.credentials.client_id, self.credentials.tenant_id, self._authority)
        async with _bounded(self._authority, deadline=deadline):
            with _translating_entra(asking):
                return (await self._credential.get_token(self.credentials.scope, enable_cae=True)).token

    async def _get(self, request: Callable[[], RequestInformation], view: type[T]) -> T:
        found: T = await self._send(request, view, Outcome.UNCHANGED)
        return found

    async def _send(self, request: Callable[[], RequestInformation], view: Any, unclear: Outcome) -> Any:
        """Send until Graph has time for it, within bounds. `unclear`: what no answer leaves behind."""
        clock = asyncio.get_running_loop().time
        deadline, pause = clock() + CALL_SECONDS, _FIRST_PAUSE
        # What goes wrong here has not reached Graph; the request finds this token in the cache.
        await self._token(deadline)
        async with _bounded(self._address, unclear, deadline):
            while True:
                try:
                    return await self._send_once(request(), view, unclear)
                except TryAgain as error:
                    wait = max(pause, error.after)
                    if clock() + wait > deadline - _READ_SECONDS / 2 or wait > LONGEST_RETRY_AFTER:
                        raise
                await asyncio.sleep(wait)
                pause *= 2

    async def _send_once(self, request: RequestInformation, view: Any, unclear: Outcome) -> Any:
        try:
            if view is None:
                return await self._adapter.send_no_response_content_async(request, _ERRORS)
            found = await self._adapter.send_async(request, view, _ERRORS)
        except APIError as error:
            main = error.error if isinstance(error, ODataError) else None
            code, said = (main.code or "", main.message or "") if main else ("", "")
            headers: Any = error.response_headers or {}
            raise graph_failure(error.response_status_code or 0, code, said, headers, unclear) from None
        except _Foreign as error:
            raise not_microsoft(self._address, error.status, unclear) from None
        except httpx.HTTPError as error:
            outcome = Outcome.UNCHANGED if isinstance(error, _UNSENT) else unclear
            raise unreachable(self._address, error, outcome) from None
        except AzureError as error:  # a token that was revoked just now
            raise unreachable(self._authority, error) from None
        except (ValueError, TypeError, AttributeError):  # no JSON, though it says so
            raise not_microsoft(self._address, None, unclear) from None
        if found is None:
            raise not_microsoft(self._address, None, unclear)
        return found

    async def _look_at(self, response: httpx.Response) -> None:
        with contextlib.suppress(ValueError, TypeError):
            self.server_time = parsedate_to_datetime(response.headers["date"]) if "date" in response.headers else None
        kind = response.headers.get("content-type", "json")
        if response.is_redirect or "json" not in kind:
            raise _Foreign(response.status_code)

    def _make_credential(self) -> ClientSecretCredential | CertificateCredential:
        given, options = self.credentials, self._options()
        if isinstance(given, AzureSecretCredentials):
            secret = given.client_secret.get_secret_value()
            return ClientSecretCredential(given.tenant_id, given.client_id, secret, **options)
        pem = f"{given.private_key.get_secret_value()}\n{given.certificate_body}".encode()
        return CertificateCredential(given.tenant_id, given.client_id, certificate_data=pem, **options)

    def _options(self) -> dict[str, Any]:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._context),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=True,
        )
        transport = AioHttpTransport(session=session, connection_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS)
        return {
            "authority": self.credentials.authority_url,
            "disable_instance_discovery": True,
            "transport": transport,
            "retry_total": 0,
        }

    @property
    def _address(self) -> str:
        return self.credentials.graph_host

    @property
    def _authority(self) -> str:
        return urlsplit(self.credentials.authority_url).hostname or ""


@contextlib.asynccontextmanager
async def _bounded(
    address: str, outcome: Outcome = Outcome.UNCHANGED, deadline: float | None = None
) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout_at(deadline or asyncio.get_running_loop().time() + CALL_SECONDS):
            yield
    except TimeoutError as error:
        raise unreachable(address, error, outcome) from None


@contextlib.contextmanager
def _translating_entra(asking: Asking) -> Iterator[None]:
    """Turn whatever azure-identity raises into a TargetError. Its own texts may hold a whole answer."""
    try:
        yield
    except (ClientAuthenticationError, HttpResponseError) as error:
        status = error.response.status_code if error.response is not None else None
        raise entra_failure(str(error.message), status, asking) from None
    except (ServiceRequestError, ServiceResponseError) as error:
        raise unreachable(asking.authority, error) from None
    except AzureError:
        raise not_microsoft(asking.authority, None) from None
    except (ValueError, TypeError, KeyError, AttributeError):  # a page where the SDK expects JSON
        raise not_microsoft(asking.authority, None) from None
