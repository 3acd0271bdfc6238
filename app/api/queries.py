"""What clients put into queries: texts where an empty one means that it was not given, and "true" and "false"."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import BeforeValidator

from app.errors import InvalidInput
from app.validation import M, validated
from providers.base import Problem


def _flag(value: Any) -> Any:
    return False if value == "" else value


Flag = Annotated[bool, BeforeValidator(_flag)]
"""Of whatever capitals: Python clients send True."""
ProjectId = Annotated[str, Query(alias="projectId", description="The project's id or slug.")]


def checked(model: type[M], data: dict[str, Any]) -> M:
    """Query parameters or a body as a model of the contract; empty texts count as left out. Raises InvalidInput."""
    problems: list[Problem] = []
    found = validated(model, {key: value for key, value in data.items() if value not in (None, "")}, "", problems)
    if found is None:
        raise InvalidInput(problems)
    return found
