"""Reading request bodies: all that is wrong is told at once, by documented names and in words for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel, to_snake

from app.contract import SECRET_NAME_MAX, CreateRotation
from app.errors import InvalidInput
from app.forms import model_inside
from providers.base import Problem, Provider

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class ParsedRotation:
    """A valid create body. `ignored` names the keys that clients sent and nobody reads."""

    body: CreateRotation
    parameters: BaseModel
    mapping: dict[str, str]
    ignored: tuple[str, ...]


_PHRASES = {
    "missing": "is required",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "list_type": "must be a list",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
}


def problems_of(error: ValidationError, prefix: str = "") -> list[Problem]:
    """Pydantic's errors in words for people, under the documented names; never the offending value."""
    problems = []
    for item in error.errors(include_url=False, include_input=False):
        message = _phrase(item["type"], item.get("ctx") or {}) or item["msg"]
        path = [to_camel(part) if isinstance(part, str) else str(part) for part in item["loc"]]
        problems.append(Problem(".".join([*([prefix] if prefix else []), *path]), message))
    return problems


def _phrase(kind: str, context: Mapping[str, Any]) -> str | None:
    """Our words for what Pydantic found. None for other kinds, and for a provider's own words, whatever the kind."""
    if "message" in context:
        return None
    match kind:
        case "greater_than_equal":
            return f"must be at least {context['ge']}"
        case "less_than_equal":
            return f"must be at most {context['le']}"
        case "string_too_long":
            return f"must have at most {context['max_length']} characters"
        case "too_long":
            return f"must have at most {context['max_length']} entries"
        case "literal_error":
            return f"must be one of: {context['expected']}"
        case "value_error":
            return str(context["error"])
    return _PHRASES.get(kind)


def validated(model: type[M], data: Any, prefix: str, problems: list[Problem]) -> M | None:
    """The model, or None with what is wrong appended to `problems`."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems.extend(problems_of(error, prefix))
        return None


def known_part(model: type[BaseModel], data: Mapping[str, Any], ignored: list[str], prefix: str = "") -> dict[str, Any]:
    """What a model reads of `data`; the names of all other keys are appended to `ignored` (clients send extra ones).

    By its documented name alone: whoever judged a body by that must not be passed by under another spelling.
    """
    fields = {info.alias or field: info for field, info in model.model_fields.items()}
    known: dict[str, Any] = {}
    for key, value in data.items():
        if key not in fields:
            ignored.append(f"{prefix}{key}")
            continue
        inner = model_inside(fields[key].annotation)
        if inner is None or not isinstance(value, Mapping):
            known[key] = value
        else:
            known[key] = known_part(inner, value, ignored, f"{prefix}{key}.")
    return known


@dataclass(frozen=True)
class ReadRotation:
    """A create body read as far as it goes. What is missing or wrong is in `problems`, with a stand-in in `body`."""

    body: CreateRotation
    parameters: BaseModel | None
    mapping: dict[str, str] | None
    problems: tuple[Problem, ...]
    ignored: tuple[str, ...]

    def given(self, *fields: str) -> bool:
        """Whether these documented top-level fields are there and valid."""
        return not {problem.field.partition(".")[0] for problem in self.problems}.intersection(fields)


_STAND_INS: Mapping[str, Any] = {
    "name": "x",
    "project_id": "x",
    "connection_id": "x",
    "environment": "x",
    "secret_path": "/",
    "rotation_interval": 1,
    "parameters": {},
    "secrets_mapping": {},
}


def parse_rotation(provider: Provider, data: Any) -> ParsedRotation:
    """Validate a create body as a whole. Raises InvalidInput with every problem at once."""
    read = read_rotation(provider, data)
    if read.problems or read.parameters is None or read.mapping is None:
        raise InvalidInput(read.problems, read.ignored)
    return ParsedRotation(read.body, read.parameters, read.mapping, read.ignored)


def read_rotation(provider: Provider, data: Any) -> ReadRotation:
    """Validate each part of a create body for itself. Raises InvalidInput when it is no object at all."""
    if not isinstance(data, Mapping):
        raise InvalidInput([Problem("body", "must be a JSON object")])
    problems: list[Problem] = []
    ignored: list[str] = []
    raw = {to_snake(key): value for key, value in known_part(CreateRotation, data, ignored).items()}
    body = validated(CreateRotation, raw, "", problems)
    parameters = mapping = None
    if isinstance(raw.get("parameters"), Mapping):
        given = known_part(provider.parameters, raw["parameters"], ignored, "parameters.")
        parameters = validated(provider.parameters, given, "parameters", problems)
    if isinstance(raw.get("secrets_mapping"), Mapping):
        given = known_part(provider.mapping, raw["secrets_mapping"], ignored, "secretsMapping.")
        mapping = parse_mapping(provider, given, problems)
    name = raw.get("name")
    if isinstance(name, str) and len(name.strip()) > provider.name_max_length:
        problems.append(Problem("name", f"must have at most {provider.name_max_length} characters"))
    if body is None:
        wrong = {to_snake(problem.field.partition(".")[0]) for problem in problems}
        usable = {key: value for key, value in raw.items() if key not in wrong}
        body = CreateRotation.model_validate({**_STAND_INS, **usable})
    return ReadRotation(body, parameters, mapping, tuple(problems), tuple(ignored))


def parse_mapping(provider: Provider, data: Mapping[str, Any], problems: list[Problem]) -> dict[str, str] | None:
    """Credential field (camelCase) -> secret name. Every field must be given: a default only fills in a form."""
    mapping: dict[str, str] = {}
    before = len(problems)
    for field, info in provider.mapping.model_fields.items():
        key = info.alias or field
        value = data.get(key, data.get(field))
        path = f"secretsMapping.{key}"
        if value is None:
            problems.append(Problem(path, "is required"))
        elif not isinstance(value, str):
            problems.append(Problem(path, "must be text"))
        elif problem := secret_name_problem(value.strip()):
            problems.append(Problem(path, problem))
        elif value.strip() in mapping.values():
            problems.append(Problem(path, f"{value.strip()} is used twice; each value needs a secret of its own"))
        else:
            mapping[key] = value.strip()
    return mapping if len(problems) == before else None


def secret_name_problem(name: str) -> str | None:
    if not name:
        return "must not be empty"
    if len(name) > SECRET_NAME_MAX:
        return f"must have at most {SECRET_NAME_MAX} characters"
    if ":" in name or "/" in name:
        return 'must not contain ":" or "/"'
    if name in (".", ".."):
        return f"must not be {name}: no URL can end with it"
    if not name.isprintable():
        return "must not contain control characters"
    return None
