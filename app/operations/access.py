"""The body of a connection: read, and tried out at its target. Nothing here is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.alias_generators import to_camel

from app.contract import CreateConnection
from app.errors import InvalidInput
from app.rotation.redact import redact
from app.validation import known_part, validated
from providers.base import ConnectionApp, Problem, TargetError
from store import connections
from store.database import Tx


@dataclass(frozen=True)
class Parsed:
    body: CreateConnection
    credentials: BaseModel
    ignored: tuple[str, ...]


async def log_in(kind: ConnectionApp, method: str, credentials: BaseModel) -> str:
    target = kind.open(method, credentials)
    hidden = split(credentials)[1].values()
    try:
        return await target.test()
    except TargetError as error:
        error.message, error.remedy = redact(error.message, hidden), redact(error.remedy, hidden)
        raise
    finally:
        await target.close()


def parse(kind: ConnectionApp, data: Any) -> Parsed:
    if not isinstance(data, Mapping):
        raise InvalidInput([Problem("body", "must be a JSON object")])
    problems: list[Problem] = []
    ignored: list[str] = []
    known = known_part(CreateConnection, data, ignored)
    body = validated(CreateConnection, known, "", problems)
    credentials, method, given = None, known.get("method"), known.get("credentials")
    if isinstance(method, str):
        model = kind.methods.get(method.strip())
        if model is None:
            problems.append(Problem("method", f"must be one of: {', '.join(kind.methods)}"))
        elif isinstance(given, Mapping):
            given = known_part(model, given, ignored, "credentials.")
            credentials = validated(model, given, "credentials", problems)
    if problems or body is None or credentials is None:
        raise InvalidInput(problems, ignored)
    return Parsed(body, credentials, tuple(ignored))


def split(credentials: BaseModel) -> tuple[dict[str, Any], dict[str, str]]:
    """The public and the secret fields, under their documented names; secrets that are not given are left out."""
    settings: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    for name, info in type(credentials).model_fields.items():
        value = getattr(credentials, name)
        key = info.alias or to_camel(name)
        if isinstance(value, SecretStr):
            secrets[key] = value.get_secret_value()
        elif value is not None:
            settings[key] = value
    return settings, secrets


def refuse_taken(tx: Tx, name: str) -> None:
    found = connections.find(tx, name)
    if found is not None and found.name == name:
        raise InvalidInput([taken(name)])


def taken(name: str) -> Problem:
    return Problem("name", f"a connection named {name} exists already")
