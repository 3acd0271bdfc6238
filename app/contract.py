"""The documented request and response bodies, once: camelCase outside, snake_case inside.

Field names, ranges and defaults are those of the documented create endpoints of the three rotation types. What the
documents leave open is decided by what the store and the scheduler can hold (whole days, whole hours and minutes).
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StrictBool
from pydantic.alias_generators import to_camel

from app.rotation.schedule import MAX_INTERVAL_DAYS, TimeOfDay

SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
PATH = re.compile(r"/|(?:/[A-Za-z0-9_.-]+)+")

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
    if not PATH.fullmatch(value) or {".", ".."} & {*value.split("/")}:
        raise ValueError("must be a folder path such as / or /billing/eu (letters, digits, - _ .; no folder . or ..)")
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
    is_auto_rotation_enabled: StrictBool = True
    rotation_interval: Whole = Field(ge=1, le=MAX_INTERVAL_DAYS)
    rotate_at_utc: RotateAtUtc = Field(default_factory=RotateAtUtc)
    parameters: dict[str, Any]
    secrets_mapping: dict[str, Any]
    guard: Guard = Field(default_factory=Guard)


class UpdateRotation(Body):
    """Body of `PATCH /api/v2/secret-rotations/{type}/{id}`: what is given replaces, what is left out stays."""

    name: Slug | None = Field(default=None, min_length=1)
    description: Annotated[str | None, BeforeValidator(_trimmed)] = Field(default=None, max_length=DESCRIPTION_MAX)
    is_auto_rotation_enabled: StrictBool | None = None
    rotation_interval: Whole | None = Field(default=None, ge=1, le=MAX_INTERVAL_DAYS)
    rotate_at_utc: RotateAtUtc | None = None
    parameters: dict[str, Any] | None = None
    secrets_mapping: dict[str, Any] | None = None
    guard: Guard | None = None


class MoveRotation(Body):
    """Body of `POST .../{id}/move`."""

    destination_environment: Slug = Field(max_length=SLUG_MAX)
    destination_secret_path: FolderPath = Field(max_length=PATH_MAX)
    overwrite_destination: StrictBool = False


class CreateConnection(Body):
    """Body of `POST /api/v1/app-connections/{app}`; credentials are validated by the app's model for the method."""

    name: Slug = Field(min_length=1, max_length=32)
    description: Annotated[str | None, BeforeValidator(_trimmed)] = Field(default=None, max_length=DESCRIPTION_MAX)
    method: Trimmed = Field(min_length=1)
    credentials: dict[str, Any] = Field(repr=False)
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
