"""The documented bodies of secrets, beside those of rotations (app/contract.py): what is written, and the one object
that every client can read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, StrictBool

from app.contract import PATH_MAX, Body, FolderPath, Whole
from app.errors import InvalidInput
from app.validation import known_part, secret_name_problem, validated
from providers.base import Problem

B = TypeVar("B", bound=Body)

VALUE_MAX = 64 * 1024
"""Bytes; a program's environment takes no variable of 128 KiB."""
COMMENT_MAX = 1024
METADATA_MAX = 50
SEVERAL_MAX = 500
HIDDEN = "<hidden-by-keyturn>"
"""What stands in the place of a value that was not asked for."""


def _value(value: Any) -> Any:
    """Kept as it is: blanks and line ends belong to it."""
    if not isinstance(value, str):
        return value
    if "\0" in value:
        raise ValueError("must not contain the character NUL: no program could be given it")
    if any("\ud800" <= c <= "\udfff" for c in value):
        raise ValueError("must be valid Unicode")
    if len(value.encode()) > VALUE_MAX:
        raise ValueError(f"must have at most {VALUE_MAX // 1024} KiB")
    return value


def _name(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if problem := secret_name_problem(value.strip()):
        raise ValueError(problem)
    return value.strip()


def no_tags(value: Any) -> Any:
    """Clients send the key all the same."""
    if value:
        raise ValueError("must be left out or empty: secrets have no tags here")
    return value


Value = Annotated[str, BeforeValidator(_value)]
Name = Annotated[str, BeforeValidator(_name)]


class Metadata(Body):
    key: Value = Field(min_length=1, max_length=255)
    value: Value = Field(default="", max_length=1020)


class SecretDetails(Body):
    """What is told about a secret beside its value; what is left out stays as it is."""

    secret_comment: Value | None = Field(default=None, max_length=COMMENT_MAX)
    skip_multiline_encoding: StrictBool | None = None
    secret_reminder_note: Value | None = Field(default=None, max_length=COMMENT_MAX)
    secret_reminder_repeat_days: Whole | None = Field(default=None, ge=0, le=365)
    secret_metadata: list[Metadata] | None = Field(default=None, max_length=METADATA_MAX)
    tag_ids: Annotated[list[str] | None, BeforeValidator(no_tags)] = None
    type: Annotated[Literal["shared"], BeforeValidator(lambda value: value or "shared")] = "shared"


class CreateSecret(SecretDetails):
    """Body of `POST /api/v3/secrets/raw/{name}`; the place and the name come beside it."""

    secret_value: Value = Field(repr=False)


class UpdateSecret(SecretDetails):
    """Body of `PATCH /api/v3/secrets/raw/{name}`: what is given replaces, what is left out stays."""

    secret_value: Value | None = Field(default=None, repr=False)
    new_secret_name: Annotated[Name | None, BeforeValidator(lambda value: value or None)] = None


class CreateNamed(CreateSecret):
    """One of the `secrets` in the body of `POST /api/v3/secrets/batch/raw`."""

    secret_key: Name


class CreateSeveral(Body):
    """All of them, or none."""

    secrets: list[CreateNamed] = Field(min_length=1, max_length=SEVERAL_MAX)


class SecretPlace(Body):
    """Where a secret is to be written: the path makes a folder, so it must be one."""

    secret_path: FolderPath = Field(default="/", max_length=PATH_MAX)
    secret_name: Name


class SecretObject(Body):
    """The documented `secret`; some clients read one name of a field, some the other."""

    id: str
    underscored_id: str = Field(alias="_id")
    workspace: str
    workspace_id: str
    environment: str
    version: int
    type: str = "shared"
    secret_key: str
    secret_value: str = Field(repr=False)
    secret_value_hidden: bool
    secret_comment: str = ""
    secret_path: str
    created_at: str
    updated_at: str
    skip_multiline_encoding: bool = False
    secret_reminder_note: str | None = None
    secret_reminder_repeat_days: int | None = None
    tags: list[dict[str, str]] = Field(default_factory=list)
    secret_metadata: list[Metadata] = Field(default_factory=list)
    is_rotated_secret: bool
    rotation_id: str | None


class SecretReply(Body):
    secret: SecretObject


class SecretsReply(Body):
    """`imports` is always empty: a folder here imports none."""

    secrets: list[SecretObject]
    imports: list[dict[str, str]] = Field(default_factory=list)


_DETAILS = frozenset(SecretDetails.model_fields) - {"tag_ids", "type"}


def parse_place(path: str, name: str) -> SecretPlace:
    """Raises InvalidInput naming both."""
    problems: list[Problem] = []
    place = validated(SecretPlace, {"secret_path": path, "secret_name": name}, "", problems)
    if place is None:
        raise InvalidInput(problems)
    return place


def parse_create(data: Any) -> CreateSecret:
    """Raises InvalidInput with every problem at once."""
    return _parsed(CreateSecret, data)


def parse_several(data: Any) -> list[CreateNamed]:
    """Raises InvalidInput with every problem at once."""
    return _parsed(CreateSeveral, data).secrets


def parse_update(data: Any) -> UpdateSecret:
    """Raises InvalidInput with every problem at once."""
    return _parsed(UpdateSecret, data)


def details_of(body: SecretDetails) -> dict[str, Any]:
    """Those that were given, under their documented names."""
    return body.model_dump(mode="json", by_alias=True, exclude_none=True, include=set(_DETAILS))


def _parsed(model: type[B], data: Any) -> B:
    if not isinstance(data, Mapping):
        raise InvalidInput([Problem("body", "must be a JSON object")])
    problems: list[Problem] = []
    body = validated(model, known_part(model, data, []), "", problems)
    if body is None:
        raise InvalidInput(problems)
    return body
