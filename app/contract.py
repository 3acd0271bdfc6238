"""The documented request and response bodies, once: camelCase outside, snake_case inside.

Field names, ranges and defaults are those of the documented create endpoints of the three rotation types. What the
documents leave open is decided by what the store and the scheduler can hold (whole days, whole hours and minutes).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError
from pydantic.alias_generators import to_camel, to_snake

from app.errors import InvalidInput
from app.forms import model_inside
from app.rotation.schedule import MAX_INTERVAL_DAYS, TimeOfDay
from providers.base import Problem, Provider

SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
PATH = re.compile(r"/|(?:/[A-Za-z0-9_.-]+)+")
M = TypeVar("M", bound=BaseModel)

DESCRIPTION_MAX = 256
SLUG_MAX = 64
PATH_MAX = 512
SECRET_NAME_MAX = 256


def _rfc3339(value: datetime) -> str:
    return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")


UtcTime = Annotated[datetime, PlainSerializer(_rfc3339, return_type=str, when_used="json")]


def _whole(value: Any) -> Any:
    """Numbers come as 30, 30.0 or "30" from clients; 11.5 and true do not pass."""
    if isinstance(value, bool):
        raise ValueError("must be a whole number")
    if isinstance(value, str):
        value = value.strip()
        if not re.fullmatch(r"[+-]?\d{1,12}(\.0*)?", value):
            raise ValueError("must be a whole number")
        return int(value.split(".")[0])
    if isinstance(value, float):
        if not value.is_integer():
            raise ValueError(f"must be a whole number, not {value:g}")
        return int(value)
    return value


def _trimmed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if "\0" in value:
        raise ValueError("must not contain the character NUL")  # no PostgreSQL takes it, a store's neither
    return value.strip()


def _slug(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    value = value.strip().lower()
    if not value:
        raise ValueError("must not be empty")
    if not SLUG.fullmatch(value):
        raise ValueError("must be slug-friendly: small letters, digits and single hyphens between them")
    return value


def _path(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    value = value.strip()
    if not value:
        raise ValueError("must not be empty")
    value = "/" + value.strip("/")
    if not PATH.fullmatch(value) or ".." in value.split("/"):
        raise ValueError("must be a folder path such as / or /billing/eu (letters, digits, - _ .)")
    return value


Whole = Annotated[int, BeforeValidator(_whole)]
Trimmed = Annotated[str, BeforeValidator(_trimmed)]
Slug = Annotated[str, BeforeValidator(_slug)]
FolderPath = Annotated[str, BeforeValidator(_path)]


class Body(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", hide_input_in_errors=True
    )


class RotateAtUtc(Body):
    hours: Whole = Field(default=0, ge=0, le=23)
    minutes: Whole = Field(default=0, ge=0, le=59)

    @property
    def time_of_day(self) -> TimeOfDay:
        return TimeOfDay(self.hours, self.minutes)


class Guard(Body):
    """What to do when the credential about to die is still in use; an addition to the documented bodies."""

    policy: Literal["warn", "wait", "off"] = "warn"
    wait_hours: Whole = Field(default=24, ge=1, le=24 * 30)


class CreateRotation(Body):
    """Body of `POST /api/v2/secret-rotations/{type}`; parameters and mapping are validated by the provider's models."""

    name: Slug = Field(min_length=1)
    project_id: Trimmed = Field(min_length=1)
    description: Annotated[str | None, BeforeValidator(_trimmed)] = Field(default=None, max_length=DESCRIPTION_MAX)
    connection_id: Trimmed = Field(min_length=1)
    environment: Slug = Field(max_length=SLUG_MAX)
    secret_path: FolderPath = Field(max_length=PATH_MAX)
    is_auto_rotation_enabled: bool = True
    rotation_interval: Whole = Field(ge=1, le=MAX_INTERVAL_DAYS)
    rotate_at_utc: RotateAtUtc = Field(default_factory=RotateAtUtc)
    parameters: dict[str, Any]
    secrets_mapping: dict[str, Any]
    guard: Guard = Field(default_factory=Guard)


class UpdateRotation(Body):
    """Body of `PATCH /api/v2/secret-rotations/{type}/{id}`: what is given replaces, what is left out stays."""

    name: Slug | None = Field(default=None, min_length=1)
    description: Annotated[str | None, BeforeValidator(_trimmed)] = Field(default=None, max_length=DESCRIPTION_MAX)
    is_auto_rotation_enabled: bool | None = None
    rotation_interval: Whole | None = Field(default=None, ge=1, le=MAX_INTERVAL_DAYS)
    rotate_at_utc: RotateAtUtc | None = None
    parameters: dict[str, Any] | None = None
    secrets_mapping: dict[str, Any] | None = None
    guard: Guard | None = None


class MoveRotation(Body):
    """Body of `POST .../{id}/move`."""

    destination_environment: Slug = Field(max_length=SLUG_MAX)
    destination_secret_path: FolderPath = Field(max_length=PATH_MAX)
    overwrite_destination: bool = False


class CreateConnection(Body):
    """Body of `POST /api/v1/app-connections/{app}`; credentials are validated by the app's model for the method."""

    name: Slug = Field(min_length=1, max_length=32)
    description: Annotated[str | None, BeforeValidator(_trimmed)] = Field(default=None, max_length=DESCRIPTION_MAX)
    method: Trimmed = Field(min_length=1)
    credentials: dict[str, Any]
    project_id: Trimmed | None = None


class ConnectionRef(Body):
    app: str
    name: str
    id: str


class EnvironmentRef(Body):
    slug: str
    name: str
    id: str


class FolderRef(Body):
    id: str
    path: str


class SecretRotation(Body):
    """The documented `secretRotation` object."""

    id: str
    name: str
    description: str | None
    type: str
    parameters: dict[str, Any]
    secrets_mapping: dict[str, str]
    is_auto_rotation_enabled: bool
    active_index: int
    folder_id: str
    connection_id: str
    created_at: UtcTime
    updated_at: UtcTime
    rotation_interval: int
    rotate_at_utc: RotateAtUtc
    rotation_status: str | None
    last_rotation_attempted_at: UtcTime | None
    last_rotated_at: UtcTime | None
    last_rotation_job_id: str | None
    last_rotation_message: str | None
    next_rotation_at: UtcTime | None
    is_last_rotation_manual: bool
    project_id: str
    connection: ConnectionRef
    environment: EnvironmentRef
    folder: FolderRef
    guard: Guard


class AppConnection(Body):
    """The documented `appConnection` object; `credentials` holds the public fields only.

    `credentials_hash` stays while the credentials do. Without a project it serves all.
    """

    id: str
    name: str
    description: str | None
    app: str
    method: str
    credentials: dict[str, Any]
    credentials_hash: str
    project_id: str | None
    version: int
    created_at: UtcTime
    updated_at: UtcTime


class GeneratedCredentials(Body):
    """Body of `GET .../generated-credentials`: one or two items, by slot."""

    generated_credentials: list[dict[str, str]] = Field(repr=False)
    active_index: int
    rotation_id: str
    type: str


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
}


def problems_of(error: ValidationError, prefix: str = "") -> list[Problem]:
    """Pydantic's errors in words for people, under the documented names; never the offending value."""
    problems = []
    for item in error.errors(include_url=False, include_input=False):
        context: Mapping[str, Any] = item.get("ctx") or {}
        message = _PHRASES.get(item["type"])
        match item["type"]:
            case "greater_than_equal":
                message = f"must be at least {context['ge']}"
            case "less_than_equal":
                message = f"must be at most {context['le']}"
            case "string_too_long":
                message = f"must have at most {context['max_length']} characters"
            case "literal_error":
                message = f"must be one of: {context['expected']}"
            case "value_error":
                message = str(context["error"])
        path = [to_camel(part) if isinstance(part, str) else str(part) for part in item["loc"]]
        problems.append(Problem(".".join([*([prefix] if prefix else []), *path]), message or item["msg"]))
    return problems


def validated(model: type[M], data: Any, prefix: str, problems: list[Problem]) -> M | None:
    """The model, or None with what is wrong appended to `problems`."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems.extend(problems_of(error, prefix))
        return None


def known_part(model: type[BaseModel], data: Mapping[str, Any], ignored: list[str], prefix: str = "") -> dict[str, Any]:
    """What a model reads of `data`; the names of all other keys are appended to `ignored` (clients send extra ones)."""
    fields = {name: info for field, info in model.model_fields.items() for name in (field, info.alias) if name}
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
    if not name.isprintable():
        return "must not contain control characters"
    return None
