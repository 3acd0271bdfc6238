"""The HTTP API as an application, made from an open service."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.api import connections, errors, folders, login, rotations, secrets
from app.api.documenting import openapi_of
from app.api.gate import Gate, Scope
from app.api.throttle import Throttle
from app.errors import KeyturnError
from app.operations.identities import ACTOR
from app.operations.reads import Reads
from app.service import Service
from providers.base import TargetError
from providers.registry import UnknownType
from store.errors import StoreError
from store.events import Line

log = logging.getLogger("keyturn")


def make_application(service: Service) -> Gate:
    """Close the service afterwards."""
    api = make_api(service)
    return Gate(api, partial(_tell_use, api.state.reads, service.context.clock))


async def _tell_use(reads: Reads, clock: Callable[[], datetime], scope: Scope, status: int) -> None:
    """What a token only looked at, or was refused. Values that are read, and changes, are told where they happen."""
    state = scope["state"]
    looked = scope["method"] in ("GET", "HEAD")
    if "caller" not in state or "told" in state or status == HTTPStatus.NOT_MODIFIED or not (looked or status >= 400):
        return
    result = "success" if 0 < status < 400 else "refused" if 400 <= status < 500 else "failed"
    asked = f"{scope['method']} {scope['path']}"
    with contextlib.suppress(StoreError):  # nothing was given that the history must hold
        await reads.tell(Line(clock(), f"{ACTOR}:{state['caller']}", "api-request", result, asked, None, str(status)))


def make_api(service: Service) -> FastAPI:
    api = FastAPI(openapi_url=None, redirect_slashes=False)
    api.state.service = service
    api.state.throttle = Throttle(time.monotonic)
    api.state.reads = Reads(service.store)
    # As include_router does, but found in a tenth of the time. What is asked for most stands first.
    for subject in (secrets, login, connections, rotations, folders):
        api.router.routes.extend(subject.router.routes)
    api.add_api_route("/api/status", _status, summary="Whether the server answers", tags=["status"])
    api.add_api_route("/api/status", _status, methods=["HEAD"], include_in_schema=False)
    api.add_api_route("/api/docs/json", _document, include_in_schema=False)
    for kind in (HTTPException, RequestValidationError, KeyturnError, StoreError, TargetError, UnknownType, Exception):
        api.add_exception_handler(kind, _in_documented_form)
    return api


async def _status() -> dict[str, str]:
    return {"message": "Ok", "date": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")}


async def _document(request: Request) -> Response:
    """Made when somebody asks for it first."""
    state = request.app.state
    if not hasattr(state, "document"):
        document = await asyncio.to_thread(openapi_of, request.app)
        state.document = json.dumps(document, ensure_ascii=False).encode()
    return Response(state.document, media_type="application/json")


async def _in_documented_form(request: Request, error: Exception) -> Response:
    if errors.is_ours(error):
        log.error("%s", "defect", extra={"fields": {"request": request.state.request_id}}, exc_info=error)
    return errors.response(errors.answer_to(error), request.state.request_id)
