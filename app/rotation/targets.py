"""Opened targets, kept for reuse: one admin access per connection for as long as its credentials stay the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from providers.base import Target
from providers.registry import connection_app
from store.soundness import nonsense
from store.tables import Connection


def credentials_model(app: str, method: str, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> BaseModel:
    """The app's credentials model, put together again from its public and its sealed part."""
    try:
        return connection_app(app).methods[method].model_validate({**settings, **secrets})
    except (KeyError, ValidationError):
        raise nonsense(f"credentials that are none for {app}") from None


class Targets:
    """Opened targets by connection. Close it before its event loop ends."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[object, Target]] = {}

    def check(self, connection: Connection, secrets: Mapping[str, str]) -> None:
        """Raises what would keep `get` from opening it. May be called from any thread."""
        if self._known(connection) is None:
            credentials_model(connection.app, connection.method, connection.settings, secrets)

    async def get(self, connection: Connection, secrets: Mapping[str, str]) -> Target:
        """The open target of a connection; an edited connection gets a new one."""
        if (open_one := self._known(connection)) is not None:
            return open_one
        version, known = _version(connection), self._open.get(connection.id)
        model = credentials_model(connection.app, connection.method, connection.settings, secrets)
        target = connection_app(connection.app).open(connection.method, model)
        self._open[connection.id] = (version, target)
        if known:
            await known[1].close()
        return target

    def _known(self, connection: Connection) -> Target | None:
        version, target = self._open.get(connection.id, (None, None))
        return target if version == _version(connection) else None

    async def close(self) -> None:
        targets, self._open = self._open, {}
        for _, target in targets.values():
            await target.close()


def _version(connection: Connection) -> object:
    return connection.updated_at, connection.method
