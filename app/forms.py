"""Fields for people, derived from the Pydantic models that providers declare: one declaration for wizard, command
line and JSON schema."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined


class Kind(enum.StrEnum):
    TEXT = "text"
    NUMBER = "number"
    SWITCH = "switch"
    SECRET = "secret"  # noqa: S105 - the name of a kind of field
    MULTILINE = "multiline"


@dataclass(frozen=True)
class FormField:
    """`key` is the dotted documented name below the object that the form fills in ("passwordRequirements.length").

    `default` is text as a person would type it ("true"/"false" for switches). `advanced`: not required.
    """

    key: str
    title: str
    help: str
    kind: Kind
    default: str
    required: bool
    advanced: bool
    placeholder: str = ""
    multiline: bool = False
    """Lines of text, a secret's too: on the command line a file is named that holds them."""


def fields_of(model: type[BaseModel], prefix: str = "", *, advanced: bool = False) -> Iterator[FormField]:
    """Nested objects are flattened into dotted keys, and are advanced as a whole."""
    for name, info in model.model_fields.items():
        key = f"{prefix}{info.alias or name}"
        kind = _core_type(info.annotation)
        if (inner := model_inside(kind)) is not None:
            yield from fields_of(inner, f"{key}.", advanced=True)
            continue
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, Mapping) else {}
        multiline = bool(extra.get("multiline"))
        yield FormField(
            key=key,
            title=info.title or name.replace("_", " ").capitalize(),
            help=info.description or "",
            kind=_kind(kind, multiline),
            default=_default(info),
            required=info.is_required(),
            advanced=advanced or bool(extra.get("advanced", False)),
            placeholder=str(info.examples[0]) if info.examples else "",
            multiline=multiline,
        )


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys back to nested objects; empty texts are left out, as if they had not been given."""
    result: dict[str, Any] = {}
    for key, value in values.items():
        if value == "" or value is None:
            continue
        *parents, last = key.split(".")
        inner = result
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = value
    return result


_SWITCHED = {"true": True, "yes": True, "y": True, "on": True, "false": False, "no": False, "n": False, "off": False}


def value_of(field: FormField | None, text: str) -> object:
    """What a typed text stands for; what does not fit its kind stays text, for the service to complain about."""
    kind, word = (Kind.TEXT, "") if field is None else (field.kind, text.strip())
    if kind is Kind.SWITCH:
        return _SWITCHED.get(word.lower(), text)
    if kind is Kind.NUMBER and word.isascii() and word.isdigit() and len(word) <= 12:
        return int(word)
    return text


def model_inside(annotation: Any) -> type[BaseModel] | None:
    """The nested model that a field holds, if it does."""
    kind = _core_type(annotation)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _core_type(annotation: Any) -> Any:
    """`X` of `X | None` and of Annotated[X, ...]."""
    while typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        inner = [a for a in typing.get_args(annotation) if a is not type(None)]
        return _core_type(inner[0]) if len(inner) == 1 else annotation
    return annotation


def _kind(kind: Any, multiline: bool) -> Kind:
    if kind is bool:
        return Kind.SWITCH
    if kind is int:
        return Kind.NUMBER
    if kind is SecretStr:
        return Kind.SECRET
    return Kind.MULTILINE if multiline else Kind.TEXT


def _default(info: FieldInfo) -> str:
    value = info.get_default(call_default_factory=True) if not info.is_required() else None
    if value is None or value is PydanticUndefined or isinstance(value, SecretStr):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
