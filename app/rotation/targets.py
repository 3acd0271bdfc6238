"""Opened targets, kept for reuse: one admin access per connection for as long as its credentials stay the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from providers.base import Target
from providers.registry import connection_app
from store.tables import Connection


def credentials_model(app: str, method: str, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> BaseModel:
    """The app's credentials model, put together again from its public and its sealed part."""
    return connection_app(app).methods[method].model_validate({**settings, **secrets})


def check_credentials(connection: Connection, secrets: Mapping[str, str]) -> None:
    """Raises what would keep the connection's target from being opened."""
    credentials_model(connection.app, connection.method, connection.settings, secrets)


class Targets:
    """Opened targets by connection. Close it before its event loop ends."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[object, Target]] = {}

    async def get(self, connection: Connection, secrets: Mapping[str, str]) -> Target:
        """The open target of a connection; an edited connection gets a new one."""
        version = (connection.updated_at, connection.method)
        known = self._open.get(connection.id)
        if known and known[0] == version:
            return known[1]
        model = credentials_model(connection.app, connection.method, connection.settings, secrets)
        target = connection_app(connection.app).open(connection.method, model)
        self._open[connection.id] = (version, target)
        if known:
            await known[1].close()
        return target

    async def close(self) -> None:
        targets, self._open = self._open, {}
        for _, target in targets.values():
            await target.close()
