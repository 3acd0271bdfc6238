"""Whether what comes back from a target can be kept."""

from __future__ import annotations

from pathlib import Path

from app.operations.context import Context
from providers.base import Check, CheckResult


async def store_check(context: Context) -> Check:
    """Proves it by an empty write."""
    await context.store.awrite(lambda tx: None)
    return Check("Store writable", CheckResult.PASSED, _homely(context.store.location))


def _homely(location: str) -> str:
    """As a shell would show it; an address of a server stays as it is."""
    home = str(Path.home())
    return f"~{location.removeprefix(home)}" if location.startswith(f"{home}/") else location
