"""Secrets, as documented: /api/v3/secrets/raw, which the SDKs call, and /api/v4/secrets, one handler behind both."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar, cast

from fastapi import APIRouter, Depends, Path
from fastapi.routing import APIRoute
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from app.api.authorising import Caller, CallerOf, caller
from app.api.bodies import read_object
from app.api.documenting import READING, WRITING, Responses, body_of
from app.api.secret_queries import LISTED, NAME, NAMED, Asked, asked, documented, queried
from app.contract import PATH_MAX, SLUG_MAX, Body, FolderPath, Slug, Trimmed
from app.operations.identities import MANAGE, READ
from app.operations.plain_secrets import Written
from app.operations.reads import Reads
from app.operations.secret_documents import no_such_id
from app.secret_bodies import CreateSecret, CreateSeveral, SecretReply, SecretsReply, UpdateSecret
from app.views import Place
from store.events import Line
from store.served_secrets import Served

Route = TypeVar("Route", bound=Callable[..., Any])

router = APIRouter(tags=["secrets"])
_V3, _V4 = "/api/v3/secrets/raw", "/api/v4/secrets"
_READING: Responses = {**READING, 304: {"description": "What If-None-Match names is what there is."}}
_LISTED, _NAMED = {"parameters": documented(LISTED)}, {"parameters": [NAME, *documented(NAMED)]}


async def _body(request: Request) -> dict[str, Any]:
    """A client that deletes may say where in the query instead."""
    headers = request.headers
    if request.method == "DELETE" and headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return {}
    return await read_object(request)


JsonBody = Annotated[dict[str, Any], Depends(_body)]


class SecretPlaceBody(Body):
    """Where. projectId, projectSlug and workspaceSlug do as well as workspaceId."""

    workspace_id: Trimmed = Field(min_length=1, max_length=SLUG_MAX)
    environment: Slug = Field(max_length=SLUG_MAX)
    secret_path: FolderPath = Field(default="/", max_length=PATH_MAX)


# For the OpenAPI document alone: where and what stand in one body, and are read one after the other.
class CreateBody(CreateSecret, SecretPlaceBody):
    pass


class SeveralBody(CreateSeveral, SecretPlaceBody):
    pass


class UpdateBody(UpdateSecret, SecretPlaceBody):
    pass


class _Direct(APIRoute):
    """Its handler answers the request itself: having its parameters resolved takes as long as reading a secret."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        return cast("Callable[[Request], Coroutine[Any, Any, Response]]", self.endpoint)


def _both(method: str, path: str, model: type[Body], **options: Any) -> Callable[[Route], Route]:
    """The same route below either version."""
    options |= {"methods": [method], "response_model": model, "responses": _READING if method == "GET" else WRITING}

    def declare(handler: Route) -> Route:
        for base in (_V3, _V4):
            router.add_api_route(base + path, handler, **options)
        return handler

    return declare


@_both("GET", "/id/{secretId}", SecretReply, summary="One secret, by its id")
async def by_id(request: Request, who: CallerOf, secret_id: Annotated[str, Path(alias="secretId")]) -> Response:
    who.require(READ)
    row = await who.asked.secrets.documents.by_id(secret_id)
    if row.project_id != who.bearer.project_id:
        raise no_such_id(secret_id)
    who.require_found(READ, row.environment, row.path)
    there = {"projectId": row.project_id, "environment": row.environment, "secretPath": row.path}
    place = Place(row.project_id, row.environment, row.path)
    return await _answered(request, who, asked({**request.query_params, **there}), place, [row], "get-secret")


@_both("GET", "", SecretsReply, summary="The secrets of a folder", openapi_extra=_LISTED, route_class_override=_Direct)
async def list_all(request: Request) -> Response:
    who = await caller(request)
    who.require(READ)
    wanted = queried(request)
    place = _place(who, READ, wanted)
    rows = await who.asked.secrets.documents.at(place, recursive=wanted.recursive)
    rows = [row for row in rows if who.bearer.reaches(row.environment, row.path)]
    return await _answered(request, who, wanted, place, rows, "get-secrets")


@_both("GET", "/{name:path}", SecretReply, summary="One secret", openapi_extra=_NAMED, route_class_override=_Direct)
async def get(request: Request) -> Response:
    who = await caller(request)
    who.require(READ)
    wanted = queried(request)
    place = _place(who, READ, wanted)
    row = await who.asked.secrets.documents.named(place, request.path_params["name"], wanted.version)
    return await _answered(request, who, wanted, place, [row], "get-secret")


_SEVERAL: dict[str, Any] = {
    "response_model": SecretsReply,
    "responses": WRITING,
    "openapi_extra": body_of(SeveralBody),
    "summary": "Create plain secrets: all of them, or none",
}


@router.post("/api/v4/secrets/batch", **_SEVERAL)
@router.post("/api/v3/secrets/batch/raw", **_SEVERAL)
async def create_several(who: CallerOf, body: JsonBody) -> Response:
    place = _writable(who, body)
    written = await who.service.secrets.create_several(place, body)
    documents = who.asked.secrets.documents
    found = [documents.document(await documents.written(one)) for one in written]
    return _json(SecretsReply(secrets=found))


@_both("POST", "/{name:path}", SecretReply, summary="Create a plain secret", openapi_extra=body_of(CreateBody))
async def create(who: CallerOf, name: str, body: JsonBody) -> Response:
    place = _writable(who, body)
    return await _written(who, await who.service.secrets.create(place, name, body), body)


@_both("PATCH", "/{name:path}", SecretReply, summary="Change a plain secret", openapi_extra=body_of(UpdateBody))
async def update(who: CallerOf, name: str, body: JsonBody) -> Response:
    """A secret that a rotation writes refuses."""
    place = _writable(who, body)
    return await _written(who, await who.service.secrets.update(place, name, body), body)


@_both("DELETE", "/{name:path}", SecretReply, summary="Delete a plain secret", openapi_extra=body_of(SecretPlaceBody))
async def remove(request: Request, who: CallerOf, name: str, body: JsonBody) -> Response:
    """With all its versions. A secret that a rotation writes refuses."""
    place = _writable(who, {**request.query_params, **body})
    documents = who.service.secrets.documents
    before = documents.document(await documents.named(place, name), show=False, told=_told(who, {}))
    await who.service.secrets.remove(place, name)
    return _json(SecretReply(secret=before))


def _place(who: Caller, right: str, wanted: Asked) -> Place:
    """Raises NotFound for another project, Forbidden."""
    return who.place(right, wanted.project_id, wanted.environment, wanted.secret_path)


def _writable(who: Caller, given: Mapping[str, Any]) -> Place:
    """Raises Forbidden before it looks at what is given, InvalidInput, NotFound for another project."""
    who.require(MANAGE)
    return _place(who, MANAGE, asked(given))


async def _answered(
    request: Request, who: Caller, wanted: Asked, place: Place, rows: Sequence[Served], action: str
) -> Response:
    """The values, once the history tells who reads them; nothing is told where none is sent."""
    tag = _tag(rows, wanted.view_secret_value)
    if _has(request, tag):
        return Response(status_code=304, headers={"ETag": tag, **_PRIVATE})
    documents = who.asked.secrets.documents
    found = [documents.document(row, show=wanted.view_secret_value) for row in rows]
    if found and wanted.view_secret_value:
        reads: Reads = request.app.state.reads
        await reads.tell(_line(who, place, rows, action))
        request.state.told = True
    if action == "get-secrets":
        return _json(SecretsReply.model_construct(secrets=found, imports=[]), tag)
    return _json(SecretReply.model_construct(secret=found[0]), tag)


async def _written(who: Caller, made: Written, body: Mapping[str, Any]) -> Response:
    """With the value only where the caller has just sent it: who may write need not be one who may read."""
    documents = who.asked.secrets.documents
    row, sent = await documents.written(made), isinstance(body.get("secretValue"), str)
    return _json(SecretReply(secret=documents.document(row, show=sent, told=_told(who, body))))


def _told(who: Caller, body: Mapping[str, Any]) -> Container[str] | None:
    """Which details of a secret it is answered with: all (None), or those that it has just sent."""
    return None if READ in who.bearer.allowed else body.keys()


def _line(who: Caller, place: Place, rows: Sequence[Served], action: str) -> Line:
    names = (row.name if row.path == place.path else f"{row.path.rstrip('/')}/{row.name}" for row in rows)
    at: datetime = who.asked.context.clock()
    return Line(at, who.actor, action, "success", f"{place.environment} {place.path}", None, ", ".join(names))


def _has(request: Request, tag: str) -> bool:
    """Whether the client says that it has what it would get."""
    held = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
    return tag in held or "*" in held


def _tag(rows: Sequence[Served], shown: bool) -> str:
    """Of which versions these are, not of what they hold: it may stand in logs."""
    held = [(row.value_id, row.path, row.name, row.updated_at, row.rotation_id) for row in rows]
    return f'"{hashlib.sha256(repr((shown, held)).encode()).hexdigest()[:32]}"'


_PRIVATE = {"Cache-Control": "no-store"}


def _json(reply: SecretReply | SecretsReply, tag: str = "") -> Response:
    headers = {**_PRIVATE, "ETag": tag} if tag else _PRIVATE
    return Response(reply.model_dump_json(by_alias=True), 200, headers, media_type="application/json")
