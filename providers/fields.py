"""What the declarations of all providers share: how their fields are named, trimmed and complained about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError


class Fields(BaseModel):
    """A documented object: camelCase outside, snake_case inside, unknown keys refused.

    A validation error never shows what was entered: it may be a password.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )


def complaint(kind: str, message: str) -> PydanticCustomError:
    """Return an error for a validator to raise whose message reaches people as it is.

    Pydantic would read braces as places to fill in, so they are passed as such.
    """
    return PydanticCustomError(kind, "{message}", {"message": message})


def _trimmed(value: str) -> str:
    value = value.strip()
    if not value:
        raise complaint("blank", "Fill this in.")
    if "\0" in value:
        raise complaint("nul", "The character NUL can't be used here.")
    return value


Text = Annotated[str, AfterValidator(_trimmed), Field(json_schema_extra={"minLength": 1})]
"""Trimmed, not empty."""


def bytes_at_most(limit: int, what: str) -> Callable[[str], str]:
    """Return a validator for names that a server cuts off, silently, after so many bytes of UTF-8."""

    def check(value: str) -> str:
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            raise complaint("not_unicode", "This is no valid Unicode text.") from None
        if size > limit:
            raise complaint("too_long", f"{what} can't be longer than {limit} bytes; this has {size}.")
        return value

    return check
