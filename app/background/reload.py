"""SIGHUP: settings and key ring are read anew; what is wrong with them leaves everything as it was."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from app import logs
from app.background.log_lines import tell
from app.background.notify import reloading
from app.background.watching import Watching
from app.errors import KeyturnError
from app.notify.dispatcher import Dispatcher
from app.rotation.scheduler import Scheduler
from app.settings.check import warnings
from app.settings.file import read_file
from app.settings.listing import masked
from app.settings.loading import load_declared
from app.settings.model import Declared
from store.database import Store
from store.errors import StoreError

AT_START = ("database_url", "key_file", "key_command", "lease_seconds")
"""What a running loop cannot change."""


@dataclass
class Live:
    """What runs, and may be told of other settings. `declared`: the present ones."""

    declared: Declared
    flags: Mapping[str, Any]
    lines: logs.Lines
    store: Store
    scheduler: Scheduler
    watching: Watching


@contextlib.asynccontextmanager
async def reload_on(hung_up: asyncio.Event, live: Live) -> AsyncIterator[None]:
    """Reload whenever the event is set, as long as the block lasts."""
    task = asyncio.create_task(_reload_forever(hung_up, live))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def read_settings(flags: Mapping[str, Any], lines: logs.Lines) -> Declared:
    """The settings of now, after warning of keys that nobody knows. Raises UsageError."""
    file = read_file(os.environ)
    declared = load_declared(os.environ, flags, file)
    lines.choose(declared.log_format, declared.log_level)
    for warning in warnings(file):
        tell("settings", level=logging.WARNING, message=warning)
    return declared


async def _reload_forever(hung_up: asyncio.Event, live: Live) -> None:
    notify = live.watching.pulse.notify
    while True:
        await hung_up.wait()
        hung_up.clear()
        if notify:
            notify(*reloading())
        await _reload_settings(live)
        await _reload_keys(live.store)
        if notify:
            notify("READY=1")


async def _reload_settings(live: Live) -> None:
    try:
        wanted = read_settings(live.flags, live.lines)
        await live.watching.listen(wanted, live.declared)
    except KeyturnError as error:
        live.lines.choose(live.declared.log_format, live.declared.log_level)
        tell("not reloaded", level=logging.ERROR, message=f"{error.message} {error.remedy} Everything stays as it was.")
        return
    before, live.declared = live.declared, wanted
    live.scheduler.concurrency = wanted.concurrency
    live.scheduler.checkup_every = timedelta(hours=wanted.checkup_hours)
    live.scheduler.park_after = wanted.park_seconds
    for one in live.scheduler.beside:
        if isinstance(one, Dispatcher):
            one.keep_for(timedelta(days=wanted.deliveries_days))
    tell("reloaded", changed="; ".join(changes(before, wanted)) or "nothing")


async def _reload_keys(store: Store) -> None:
    try:
        if await asyncio.to_thread(store.reload_keys):
            tell("key ring reloaded", source=store.key_source.text)
    except StoreError as error:
        tell("key ring kept", level=logging.ERROR, message=f"{error.message} {error.remedy}")


def changes(before: Declared, after: Declared) -> list[str]:
    """Each setting that differs, in words without secrets."""
    found = []
    for name, new in after.model_dump().items():
        old = getattr(before, name)
        if new != old:
            later = " (from the next start on)" if name in AT_START else ""
            found.append(f"{name} {_word(name, old)} -> {_word(name, new)}{later}")
    return found


def _word(name: str, value: Any) -> str:
    if value == "":
        return "default"
    return masked(value) if name == "database_url" else f"{value:g}" if isinstance(value, float) else str(value)
