"""Whether a stored credential still works."""

from __future__ import annotations

from typing import Any

from providers.base import Credential, Inspectable, Provider, Target


async def try_out(provider: Provider, target: Target, parameters: Any, credential: Credential, *, active: bool) -> str:
    """Log in with it; with one that is not published, only where that does not look like somebody's use. How it went.

    Raises what the provider's `verify` raises.
    """
    if not active and isinstance(provider, Inspectable):
        await provider.inspect(target, parameters, credential)
        return "is there and active"
    await provider.verify(target, parameters, credential)
    return "logs in"
