"""Where clients say which secrets they mean: each spells it in its own way, in the query or in the body."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import unquote_plus

from pydantic import BeforeValidator, ConfigDict, Field
from starlette.requests import Request

from app.api.queries import Flag, checked
from app.contract import PATH_MAX, SLUG_MAX, Body, FolderPath, Slug, Trimmed, Whole
from app.secret_bodies import no_tags

_SPELLINGS = (
    ("projectId", ("projectId", "workspaceId", "projectSlug", "workspaceSlug")),
    ("environment", ("environment",)),
    ("secretPath", ("secretPath", "path", "directory")),
)
"""The first one that is not empty counts."""
_SHORT = 512


class Asked(Body):
    """`project_id`: an id or a slug. References are not expanded and nothing is imported, whatever is asked for."""

    model_config = ConfigDict(frozen=True)

    project_id: Trimmed = Field(min_length=1, max_length=SLUG_MAX)
    environment: Slug = Field(max_length=SLUG_MAX)
    secret_path: FolderPath = Field(default="/", max_length=PATH_MAX)
    recursive: Flag = False
    view_secret_value: Flag = True
    version: Whole | None = Field(default=None, ge=1, le=2_147_483_647)
    type: Literal["shared"] = "shared"
    tag_slugs: Annotated[str | None, BeforeValidator(no_tags)] = None


_NAMES = frozenset(info.alias for info in Asked.model_fields.values())


def queried(request: Request) -> Asked:
    """What a query says. Raises InvalidInput. Programs ask the same again and again: short queries are remembered."""
    query: bytes = request.scope["query_string"]
    return _remembered(query) if len(query) <= _SHORT else _read(query)


def _read(query: bytes) -> Asked:
    """As Starlette reads it, in a fifth of the time: a secret is asked for far more often than anything else."""
    found = {}
    for pair in query.decode("latin-1").split("&"):
        name, _, value = pair.partition("=")
        if "%" in pair or "+" in pair:
            name, value = unquote_plus(name), unquote_plus(value)
        found[name] = value
    return asked(found)


_remembered = functools.lru_cache(maxsize=256)(_read)


def asked(given: Mapping[str, Any]) -> Asked:
    """What a query or a body says, under its documented names alone. Raises InvalidInput."""
    found = {name: value for name, value in given.items() if name in _NAMES}
    for name, spellings in _SPELLINGS:
        found[name] = next((value for one in spellings if (value := given.get(one)) not in (None, "")), None)
    return checked(Asked, found)


_ABOUT = {
    "projectId": "The project's id or slug; also workspaceId, workspaceSlug, projectSlug. Required under one name.",
    "workspaceId": "As projectId.",
    "workspaceSlug": "As projectId.",
    "environment": "The environment's slug.",
    "secretPath": "The folder; / unless given.",
    "path": "The folder; / unless given.",
    "recursive": "The folders below, too.",
    "viewSecretValue": '"false" hides the value.',
    "version": "An older version; the newest unless given.",
    "type": 'Only "shared".',
    "tagSlugs": "Must be empty: secrets have no tags.",
    "expandSecretReferences": "Read and ignored: values are given as they are.",
    "include_imports": "Read and ignored: no folder imports another.",
    "includeImports": "Read and ignored: no folder imports another.",
}
NAME = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
LISTED = tuple(name for name in _ABOUT if name not in ("version", "path"))
NAMED = tuple(name for name in _ABOUT if name not in ("recursive", "tagSlugs", "path"))
FOLDERS = ("projectId", "workspaceId", "environment", "path", "recursive")


def documented(names: Iterable[str]) -> list[dict[str, Any]]:
    """The query parameters for `openapi_extra`."""
    return [
        {
            "name": name,
            "in": "query",
            "required": name == "environment",
            "description": _ABOUT[name],
            "schema": {"type": "integer", "minimum": 1} if name == "version" else {"type": "string"},
        }
        for name in names
    ]
