"""Schemas of the bodies whose inner parts the providers declare, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from app.api.documenting import schema_of
from app.contract import CreateConnection, CreateRotation, UpdateRotation
from app.forms import fields_of
from providers.registry import connection_app, connection_app_names, provider, providers


def connection_schema(*, partial: bool = False) -> dict[str, Any]:
    """`partial`: what an update takes."""
    apps = [connection_app(name) for name in connection_app_names()]
    methods = {name: model for app in apps for name, model in app.methods.items()}
    schema = schema_of(CreateConnection)
    schema["properties"] |= {
        "method": {"type": "string", "enum": sorted(methods)},
        "credentials": {"anyOf": _schemas(model for app in apps for model in app.methods.values())},
    }
    return _without_required(schema) if partial else schema


def rotation_schema(*, partial: bool = False) -> dict[str, Any]:
    """`partial`: what an update takes."""
    kinds = [provider(name) for name in providers().found]
    schema = schema_of(UpdateRotation if partial else CreateRotation)
    schema["properties"] |= {
        "parameters": {"anyOf": _schemas(kind.parameters for kind in kinds)},
        "secretsMapping": {"anyOf": [_mapping(kind.mapping) for kind in kinds]},
    }
    if partial:
        moved = schema_of(CreateRotation)["properties"]
        schema["properties"] |= {name: moved[name] for name in ("environment", "secretPath")}
    return schema


def rotation_examples() -> dict[str, Any]:
    """A body that creates a rotation, for each type."""
    found = {}
    for name in providers().found:
        kind = provider(name)
        found[name] = {
            "name": "my-rotation",
            "projectId": "default",
            "description": "my database credentials rotation",
            "connectionId": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
            "environment": "dev",
            "secretPath": "/",
            "isAutoRotationEnabled": True,
            "rotationInterval": 30,
            "rotateAtUtc": {"hours": 0, "minutes": 0},
            "parameters": example_of(kind.parameters),
            "secretsMapping": {field.key: field.default for field in fields_of(kind.mapping)},
        }
    return found


def connection_examples() -> dict[str, Any]:
    """A body that creates a connection, for each method of each app."""
    return {
        f"{name}, {method}": {"name": "my-connection", "method": method, "credentials": example_of(model)}
        for name in connection_app_names()
        for method, model in connection_app(name).methods.items()
    }


def example_of(model: type[BaseModel]) -> dict[str, Any]:
    """What has to be given, as it may look."""
    return {
        info.alias or name: info.examples[0] if info.examples else "..."
        for name, info in model.model_fields.items()
        if info.is_required()
    }


def _schemas(models: Iterable[type[BaseModel]]) -> list[dict[str, Any]]:
    """Each once; clients send keys that nobody reads, and may."""
    found: list[dict[str, Any]] = []
    for model in models:
        schema = _open(schema_of(model))
        if schema not in found:
            found.append(schema)
    return found


def _mapping(model: type[BaseModel]) -> dict[str, Any]:
    """Every name has to be given: a default only fills in a form."""
    schema = _open(schema_of(model))
    return {**schema, "required": sorted(schema["properties"])}


def _open(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_open(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _open(part) for key, part in schema.items() if key != "additionalProperties" or part is not False}


def _without_required(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: part for key, part in schema.items() if key != "required"}
