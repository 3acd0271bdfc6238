"""The body of a connection's edit from what flags give: documented names, and texts as people type them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from app.errors import InvalidInput
from app.forms import fields_of, value_of
from app.operations.context import Context, connection_by
from providers.base import Problem
from providers.registry import connection_app

CREDENTIALS = "credentials."
_PLAIN = ("name", "description", "method")


async def body_of(context: Context, ref: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """What `Connections.edit` takes. Raises NotFound, InvalidInput for what this method has no use for."""
    row = await context.store.aread(lambda tx: connection_by(tx, ref))
    kind = connection_app(row.app)
    method = texts.get("method", row.method)
    if method not in kind.methods:
        raise InvalidInput([Problem("method", f"must be one of: {', '.join(kind.methods)}")])
    fields = {f"{CREDENTIALS}{field.key}": field for field in fields_of(kind.methods[method])}
    if unknown := [key for key in texts if key not in fields and key not in _PLAIN]:
        known = ", ".join(key.removeprefix(CREDENTIALS) for key in fields)
        what = f"{row.name} has no use for it: it leads to {kind.title} by {method}, which needs: {known}"
        raise InvalidInput([Problem(key, what) for key in unknown])
    body: dict[str, Any] = {key: texts[key] for key in _PLAIN if key in texts}
    credentials: dict[str, Any] = {}
    for key in fields.keys() & texts.keys():
        value = value_of(fields[key], texts[key])
        _put(credentials, key.removeprefix(CREDENTIALS).split("."), None if value == "" else value, row.settings)
    return {**body, "credentials": credentials} if credentials else body


def _put(credentials: dict[str, Any], path: list[str], value: object, kept: Mapping[str, Any]) -> None:
    """An object inside is given as a whole: an edit replaces it."""
    first, *below = path
    if not below:
        credentials[first] = value
        return
    inner = credentials.setdefault(first, copy.deepcopy(dict(kept.get(first) or {})))
    for name in below[:-1]:
        inner = inner.setdefault(name, {})
    inner[below[-1]] = value
