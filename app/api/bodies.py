"""Request bodies: JSON objects of a bounded size, within a bounded time."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import ClientDisconnect, Request

from app.api.errors import TooLarge, TooSlow
from app.errors import InvalidInput, UsageError
from app.strict_json import parsed
from providers.base import Problem

LARGEST = 1024 * 1024
LARGEST_OF_STRANGERS = 16 * 1024
"""Bytes of a login: thousands at once must not fill the memory, nor keep us busy."""
PATIENCE = 30.0
"""Seconds for a whole body."""
_SWALLOWED = 64 * LARGEST
"""So much is read without being kept, so that who sends too much gets to read why."""


async def read_object(request: Request) -> dict[str, Any]:
    """Raises InvalidInput for a body that is no object, UsageError, TooLarge, TooSlow."""
    return await _read(request, LARGEST)


async def read_login(request: Request) -> dict[str, Any]:
    """The same for a request without a token."""
    return await _read(request, LARGEST_OF_STRANGERS)


JsonBody = Annotated[dict[str, Any], Depends(read_object)]
LoginBody = Annotated[dict[str, Any], Depends(read_login)]


async def _read(request: Request, largest: int) -> dict[str, Any]:
    try:
        async with asyncio.timeout(PATIENCE):
            data = await _bytes_of(request, largest)
    except TimeoutError:
        raise TooSlow(f"The body did not come within {PATIENCE:.0f} s.") from None
    except ClientDisconnect:
        raise UsageError("The body ended too early.") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"The body is not UTF-8 (byte {error.start + 1}).") from None
    found = parsed(text, "The body")
    if not isinstance(found, dict):
        raise InvalidInput([Problem("body", "must be a JSON object")])
    return found


async def _bytes_of(request: Request, largest: int) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size <= largest:
            parts.append(part)
        elif size > _SWALLOWED:
            break
    if size > largest:
        raise TooLarge(f"The body is too large: it may have {largest // 1024} KiB.")
    return b"".join(parts)
