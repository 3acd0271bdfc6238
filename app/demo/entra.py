"""A stand-in for Microsoft Entra and Microsoft Graph on loopback, over TLS: enough of both to rotate client secrets.

It serves from a thread of its own, so that anybody can talk to it. It belongs to the demo and the tests: no part of
the product imports it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import socket
import ssl
import tempfile
import threading
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from app.demo.certificates import Certificates, make_certificates
from app.demo.entra_graph import Graph, Refused
from app.demo.entra_tenant import Application, Fault, Secret, Tenant, written

_TOKEN_SECONDS = 3599


@dataclass(frozen=True)
class Request:
    """What somebody sent; tokens and secrets left out."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Entra:
    """Use it as a context manager, or start and stop it."""

    def __init__(
        self,
        tenant: Tenant | None = None,
        *,
        certificates: Certificates | None = None,
        listener: socket.socket | None = None,
    ) -> None:
        """Certificates and a socket that listens are made unless they are given."""
        self.tenant = tenant or Tenant()
        self.requests: list[Request] = []
        """What Graph was asked, in order."""
        self.logins: list[tuple[str, str]] = []
        """Client id and outcome ("ok" or the AADSTS number) of each token request."""
        self.port = 0
        self._graph = Graph(self.tenant)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if certificates is None:
            self._folder = tempfile.TemporaryDirectory(prefix="keyturn-entra-")
            certificates = make_certificates(Path(self._folder.name))
        self._certificates = certificates
        self._listener = listener
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="entra", daemon=True)
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca_file(self) -> str:
        return str(self._certificates.ca)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(30)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()
        if self._folder is not None:
            self._folder.cleanup()

    async def _serve(self) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._certificates.leaf)
        application = web.Application()
        application.router.add_post("/{tenant}/oauth2/v2.0/token", self._token)
        application.router.add_get("/{tenant}/v2.0/.well-known/openid-configuration", self._discovery)
        application.router.add_route("*", "/v1.0/{rest:.*}", self._ask_graph)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        listener = self._listener or socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        await web.SockSite(self._runner, listener, ssl_context=context).start()

    async def _end(self) -> None:
        assert self._runner is not None
        assert self._runner.server is not None
        for line in self._runner.server.connections:
            if line.transport is not None:
                line.transport.abort()
        await self._runner.cleanup()

    async def _discovery(self, request: web.Request) -> web.StreamResponse:
        base = f"{self.url}/{request.match_info['tenant']}"
        return web.json_response(
            {
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
                "issuer": f"{base}/v2.0",
                "jwks_uri": f"{base}/discovery/v2.0/keys",
            }
        )

    # -- Entra -------------------------------------------------------------------------------------------------------

    async def _token(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        with self.tenant.turn:
            if (fault := self.tenant.fault("token", after=False)) is not None:
                return _befallen(request, fault, _entra_error(fault.status, int(fault.code or 0), fault.message))
            client_id = form.get("client_id", "")
            try:
                caller = self._caller(request.match_info["tenant"], form)
            except _Denied as denied:
                self.logins.append((client_id, str(denied.code)))
                return _entra_error(denied.status, denied.code, denied.message)
            self.logins.append((client_id, "ok"))
            token = self._new_token(caller)
            self.tenant.tokens[token] = caller.id
        answer = {"token_type": "Bearer", "expires_in": _TOKEN_SECONDS, "ext_expires_in": _TOKEN_SECONDS}
        return web.json_response({**answer, "access_token": token})

    def _caller(self, tenant: str, form: dict[str, str]) -> Application:
        client_id = form.get("client_id", "")
        if tenant.lower() not in {self.tenant.id, *self.tenant.domains}:
            raise _Denied(400, 90002, f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant.")
        found = self.tenant.by_client_id(client_id)
        if found is None:
            raise _Denied(400, 700016, f"Application with identifier '{client_id}' was not found in the directory.")
        if found.principal is None:
            raise _Denied(401, 7000229, f"The client application {client_id} is missing service principal.")
        if not form.get("scope", "").endswith("/.default"):
            raise _Denied(400, 70011, "The provided value for the input parameter 'scope' is not valid.")
        if assertion := form.get("client_assertion"):
            self._check_assertion(found, assertion, tenant)
        else:
            self._check_secret(found, form.get("client_secret", ""))
        return found

    def _check_secret(self, application: Application, text: str) -> None:
        now = self.tenant.clock()
        secret = next((secret for secret in application.secrets if secret.text == text), None)
        if secret is None or not _known(secret, self.tenant):
            raise _Denied(
                401,
                7000215,
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
                f"value, not the client secret ID, for a secret added to app '{application.client_id}'.",
            )
        if secret.end <= now:
            raise _Denied(
                401, 7000222, f"The provided client secret keys for app '{application.client_id}' are expired."
            )

    def _check_assertion(self, application: Application, assertion: str, tenant: str) -> None:
        signed, _, signature = assertion.rpartition(".")
        header, claims = (json.loads(_decoded(part)) for part in signed.split("."))
        thumbprint, now = _decoded(header.get("x5t#S256", "")), self.tenant.clock().timestamp()
        for certificate in application.certificates:
            if certificate.thumbprint == thumbprint and certificate.signed(signed.encode(), _decoded(signature)):
                if not claims["nbf"] - 300 <= now <= claims["exp"]:
                    raise _Denied(401, 700024, "Client assertion is not within its valid time range.")
                if claims["aud"] == f"{self.url}/{tenant}/oauth2/v2.0/token":
                    return
        raise _Denied(
            401, 700027, "The certificate with identifier used to sign the client assertion is not registered."
        )

    def _new_token(self, caller: Application) -> str:
        if self.tenant.opaque_tokens:
            return secrets.token_urlsafe(32)
        claims: dict[str, Any] = {
            "appid": caller.client_id,
            "oid": caller.principal,
            "tid": self.tenant.id,
            "exp": int((self.tenant.clock() + timedelta(seconds=_TOKEN_SECONDS)).timestamp()),
        }
        if caller.permissions:
            claims["roles"] = sorted(caller.permissions)
        parts = [_encoded(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "RS256"}, claims)]
        return ".".join([*parts, secrets.token_urlsafe(32)])

    # -- Graph -------------------------------------------------------------------------------------------------------

    async def _ask_graph(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        shown = {name.lower(): value for name, value in request.headers.items() if name.lower() != "authorization"}
        asked = Request(request.method, request.raw_path.partition("?")[0], tuple(request.query.items()), shown, body)
        with self.tenant.turn:
            self.requests.append(asked)
            caller_id = self.tenant.tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "), "")
            caller = self.tenant.applications.get(caller_id)
            call = self._graph.call_of(request.method, request.path)
            if (fault := self.tenant.fault(call, after=False)) is not None:
                return _befallen(request, fault, _graph_error(fault))
            try:
                answer = self._graph.answer(caller, request.method, request.path, dict(request.query), shown, body)
            except Refused as refused:
                return _graph_error(Fault(refused.status, refused.code, refused.message))
            if (fault := self.tenant.fault(call, after=True)) is not None:
                return _befallen(request, fault, _graph_error(fault))
        return web.Response(status=204) if answer is None else web.json_response(answer)


class _Denied(Exception):
    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def _known(secret: Secret, tenant: Tenant) -> bool:
    if secret.refusals > 0:
        secret.refusals -= 1
        return False
    return secret.ready_at is None or secret.ready_at <= tenant.clock()


def _befallen(request: web.Request, fault: Fault, error: web.Response) -> web.StreamResponse:
    if not fault.status:
        assert request.transport is not None
        request.transport.abort()
        return web.Response(status=500)
    if fault.page:
        return web.Response(status=fault.status, text=fault.page, content_type="text/html")
    return error


def _entra_error(status: int, code: int, message: str) -> web.Response:
    kind = "invalid_client" if status == 401 else "invalid_request"
    ids = {name: str(uuid.uuid4()) for name in ("trace_id", "correlation_id")}
    described = f"AADSTS{code}: {message} Trace ID: {ids['trace_id']} Correlation ID: {ids['correlation_id']}"
    body = {"error": kind, "error_description": described, "error_codes": [code], **ids}
    return web.json_response(body, status=status or 500)


def _graph_error(fault: Fault) -> web.Response:
    inner = {"date": written(Tenant().clock()), "request-id": str(uuid.uuid4()), "client-request-id": str(uuid.uuid4())}
    body = {"error": {"code": fault.code, "message": fault.message, "innerError": inner}}
    return web.json_response(body, status=fault.status or 500, headers=dict(fault.headers))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
