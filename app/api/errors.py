"""Errors as HTTP answers: one table from our hierarchy to status codes, and the documented form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.errors import (
    Busy,
    InUse,
    InvalidInput,
    KeyturnError,
    NotFound,
    Postponed,
    PreflightFailed,
    RotationFailed,
    UsageError,
)
from app.operations.logins import NotLoggedIn
from providers.base import Problem, TargetError
from providers.registry import UnknownType
from store.errors import Conflict, LeaseBusy, LeaseLost, StoreError, StoreInUse, StoreUnavailable

TRY_AGAIN = 5
"""Seconds after which it is worth while, where nothing better is known."""


class Forbidden(KeyturnError):
    """The identity lacks a right; the message names it."""


class TooMany(KeyturnError):
    """Too many of its kind; `retry_after` in seconds."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooLarge(KeyturnError):
    """The body has more bytes than are read."""


class TooSlow(KeyturnError):
    """The body did not come in time."""


class Ambiguous(KeyturnError):
    """The request tells two lengths: whoever stands in front of us may read another one than we do."""


class NotServing(KeyturnError):
    """The server is about to end."""


@dataclass(frozen=True)
class Answer:
    """`error` is the documented name of its kind."""

    status: int
    error: str
    message: str
    details: tuple[Problem, ...] = ()
    headers: Mapping[str, str] | None = None


_SOON = {"Retry-After": str(TRY_AGAIN)}
_BEARER = {"WWW-Authenticate": "Bearer"}

# The first row that fits counts. What a store says names files and addresses of ours: that goes to the log alone.
_TABLE: Sequence[tuple[tuple[type[Exception], ...], int, str, Mapping[str, str] | None]] = (
    ((InvalidInput,), 422, "ValidationFailure", None),
    ((NotLoggedIn,), 401, "UnauthorizedError", _BEARER),
    ((Forbidden,), 403, "PermissionDenied", None),
    ((NotFound, UnknownType), 404, "NotFound", None),
    ((Busy, LeaseBusy, LeaseLost, StoreInUse), 409, "Conflict", _SOON),
    ((Postponed, Conflict), 409, "Conflict", None),
    ((Ambiguous,), 400, "BadRequest", {"Connection": "close"}),
    ((TooLarge,), 413, "PayloadTooLarge", {"Connection": "close"}),
    ((TooSlow,), 408, "RequestTimeout", {"Connection": "close"}),
    ((TooMany,), 429, "RateLimitExceeded", None),
    ((NotServing,), 503, "ServiceUnavailable", {**_SOON, "Connection": "close"}),
    ((UsageError, InUse, PreflightFailed), 400, "BadRequest", None),
    ((TargetError, RotationFailed), 502, "BadGateway", None),
)
_STORE_DOWN = Answer(503, "ServiceUnavailable", "The server's store cannot be used at the moment.", headers=_SOON)
_DEFECT = Answer(500, "InternalServerError", "Something went wrong inside the server; its log tells more.")
_REMEDIES = (Busy, LeaseBusy, InUse, PreflightFailed, RotationFailed, Postponed, TargetError, NotLoggedIn)
"""Whose remedies are for callers, too; those of others name commands, or what else there is."""


def answer_to(error: Exception) -> Answer:
    """What a caller is told; a defect and what is wrong with the server itself are told of without details."""
    if isinstance(error, HTTPException):
        return _of_framework(error)
    if isinstance(error, RequestValidationError):
        return _invalid(_problems(error))
    for kinds, status, name, headers in _TABLE:
        if isinstance(error, kinds):
            if isinstance(error, InvalidInput):
                return _invalid(error.problems)
            when = {"Retry-After": str(error.retry_after)} if isinstance(error, TooMany) else headers
            return Answer(status, name, _message(error), headers=when)
    if isinstance(error, StoreUnavailable):
        return _STORE_DOWN
    return _DEFECT


def is_ours(error: Exception) -> bool:
    """Whether the server itself is at fault, which its log has to tell."""
    return answer_to(error) is _DEFECT or (isinstance(error, StoreError) and answer_to(error) is _STORE_DOWN)


def response(answer: Answer, request_id: str) -> Response:
    body: dict[str, Any] = {
        "reqId": request_id,
        "statusCode": answer.status,
        "message": answer.message,
        "error": answer.error,
    }
    if answer.details:
        body["details"] = [{"field": problem.field, "message": problem.message} for problem in answer.details]
    # As ASCII: what was sent may be quoted, and need not be valid Unicode.
    headers = {**_PRIVATE, **(answer.headers or {})}
    return Response(json.dumps(body), answer.status, headers, media_type="application/json")


_PRIVATE = {"Cache-Control": "no-store"}


def _message(error: Exception) -> str:
    message = getattr(error, "message", None) or str(error)
    remedy = getattr(error, "remedy", "") if isinstance(error, _REMEDIES) else ""
    return f"{message}\n{remedy}" if remedy else message


def _invalid(problems: Sequence[Problem]) -> Answer:
    text = "; ".join(f"{problem.field}: {problem.message.removesuffix('.')}" for problem in problems)
    return Answer(422, "ValidationFailure", text, tuple(problems))


def _problems(error: RequestValidationError) -> list[Problem]:
    """Of query and path parameters, without what was sent."""
    phrases = {"missing": "is required", "bool_parsing": 'must be "true" or "false"'}
    return [
        Problem(".".join(str(part) for part in item["loc"][1:]), phrases.get(item["type"], item["msg"]))
        for item in error.errors()
    ]


def _of_framework(error: HTTPException) -> Answer:
    """No such route; a method that a route does not have is none either."""
    if error.status_code in (404, 405):
        return Answer(404, "NotFound", "There is nothing at this address.")
    return Answer(error.status_code, "BadRequest", "The request cannot be understood.")
