"""What the OpenAPI document says beyond what FastAPI finds out: bodies that we read ourselves, and errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from app import __version__
from app.contract import Body


class Detail(Body):
    field: str
    message: str


class Error(Body):
    """The documented form of every error. `details` tells every field of a body that is not valid."""

    req_id: str
    status_code: int
    message: str
    error: str
    details: list[Detail] | None = None


_MEANINGS = {
    400: "It cannot be done as asked: no JSON, something depends on it, or the target is not ready.",
    401: "No access token, or one that is unknown, expired or revoked.",
    403: "The identity lacks a right, which is named.",
    404: "There is no such thing in the identity's project.",
    408: "The body came too slowly.",
    409: "Somebody else is working on it, or the guard holds it back.",
    413: "The body is too large.",
    422: "Not valid; every field is told at once.",
    429: "Too many tries; Retry-After tells when again.",
    502: "The target failed or refused.",
    503: "The server is about to end, or cannot use its store; Retry-After tells when again.",
}

Responses = dict[int | str, dict[str, Any]]


def errors(*statuses: int) -> Responses:
    return {status: {"model": Error, "description": _MEANINGS[status]} for status in statuses}


READING = errors(400, 401, 403, 404, 422, 503)
WRITING = errors(400, 401, 403, 404, 408, 409, 413, 422, 502, 503)
BAD_LOGIN = errors(400, 401, 408, 413, 422, 429, 503)


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """For `openapi_extra`: the JSON body that a route reads."""
    return body_like(schema_of(model))


def body_like(
    schema: Mapping[str, Any], *, required: bool = True, examples: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """`examples`: whole bodies, by what they are for."""
    content: dict[str, Any] = {"schema": dict(schema)}
    if examples:
        content["examples"] = {name: {"value": value} for name, value in examples.items()}
    return {"requestBody": {"required": required, "content": {"application/json": content}}}


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """A schema that stands alone: what it refers to is put in its place."""
    schema = model.model_json_schema(by_alias=True)
    alone: dict[str, Any] = _inlined(schema, schema.pop("$defs", {}))
    return alone


def _inlined(part: Any, known: Mapping[str, Any]) -> Any:
    if isinstance(part, list):
        return [_inlined(one, known) for one in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        rest = {key: value for key, value in part.items() if key != "$ref"}
        return {**_inlined(known[part["$ref"].rpartition("/")[2]], known), **rest}
    return {key: _inlined(value, known) for key, value in part.items()}


_ABOUT = "Rotates credentials without downtime. docs/http-api.md tells of identities, rights and errors."
_PUBLIC = ("/api/status", "/api/v1/auth/")


def openapi_of(api: FastAPI) -> dict[str, Any]:
    """The document. It takes a third of a second."""
    document = get_openapi(
        title="Keyturn", version=__version__, description=_ABOUT, routes=api.routes, separate_input_output_schemas=False
    )
    components = document.setdefault("components", {})
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    for path, methods in document["paths"].items():
        if not path.startswith(_PUBLIC):
            for operation in methods.values():
                operation["security"] = [{"bearer": []}]
    return document
