"""Notices that values at a place have changed, for as long as somebody wants to know."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from app.deliver import quick
from app.settings import load_settings
from app.views import Place

if TYPE_CHECKING:
    from app.service import Service

Look = Callable[[], dict[str, str] | None]
"""The values as they are now. None: nothing was written since the last look, or the store is away for the moment."""

_LONGEST = 5.0
"""Seconds; two writes within one tick of the file system's clock may look like one."""


@contextlib.contextmanager
def following(place: Place, actor: str, trouble: Callable[[str], None]) -> Iterator[Look]:
    """`trouble` is told once why the store cannot be read, and "" when it can be read again."""
    with contextlib.ExitStack() as stack:
        if quick.stamp() is not None:
            yield _by_file(place, trouble)
        else:
            yield _by_service(place, stack, actor, trouble)


def _by_file(place: Place, trouble: Callable[[str], None]) -> Look:
    seen: object = None
    looked = 0.0
    tell = _once(trouble)

    def look() -> dict[str, str] | None:
        nonlocal seen, looked
        stamp = quick.stamp()  # before the values: what is written after it is seen at the next look
        if stamp == seen and time.monotonic() < looked + _LONGEST:
            return None
        values = quick.values(place)
        seen, looked = (stamp if values is not None else None), time.monotonic()
        there = "" if values is not None else f"{place.project}/{place.environment} {place.path} cannot be read."
        tell(there)
        return values

    return look


def _by_service(place: Place, stack: contextlib.ExitStack, actor: str, trouble: Callable[[str], None]) -> Look:
    opened: list[Service] = []
    tell = _once(trouble)

    def look() -> dict[str, str] | None:
        from app.errors import explain
        from app.service import open_service

        try:
            if not opened:
                service = open_service(load_settings(os.environ), actor, as_it_is=True)
                stack.callback(lambda: asyncio.run(service.aclose()))
                opened.append(service)
            values = asyncio.run(opened[0].secrets.values(place))
        except Exception as error:
            known = explain(error)
            if known is None:
                raise
            tell(known.message)
            return None
        tell("")
        return values

    return look


def _once(trouble: Callable[[str], None]) -> Callable[[str], None]:
    """Tells what is new alone."""
    told = ""

    def tell(text: str) -> None:
        nonlocal told
        if bool(text) != bool(told):
            trouble(text)
        told = text

    return tell
