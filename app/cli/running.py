"""Opening the service for one command, and closing it again whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

from app import logs
from app.cli.endings import Terminated
from app.cli.output import note
from app.service import Service, open_service
from app.settings import load_settings

T = TypeVar("T")


def use(work: Callable[[Service], Awaitable[T]], *, as_it_is: bool = False) -> T:
    """Run `work` with the service. SIGINT and SIGTERM cancel it, which parks a running attempt.

    `as_it_is`: for a look; the store is neither created nor migrated.
    """
    settings = load_settings(os.environ)
    with logs.kept(settings.log_file) as log:
        try:
            service = open_service(settings, actor(), as_it_is=as_it_is)
            return asyncio.run(_session(service, work))
        except asyncio.CancelledError:
            raise Terminated from None
        except Exception as error:
            if log.written:
                error.add_note(f"Details are in {log.path}")
            raise


async def _session(service: Service, work: Callable[[Service], Awaitable[T]]) -> T:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        if notice := service.first_start_notice:
            note(notice)
        return await work(service)
    finally:
        await service.aclose()


def actor() -> str:
    """Who acts, in the history."""
    return f"cli:{_user()}"


def _user() -> str:
    with contextlib.suppress(OSError, KeyError, ImportError):
        return getpass.getuser()
    return str(os.getuid())  # a container whose user has no name
