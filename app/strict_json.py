"""JSON as it comes from others: read strictly, so that nobody means one thing and we read another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from app.errors import UsageError

_LONGEST_NUMBER = 40


def parsed(text: str, what: str) -> Any:
    """`what` is read, for people ("The body"). Raises UsageError, which quotes no value.

    Keys that stand twice, NaN, endless numbers and text that is no Unicode are refused, as is what is nested too deep.
    """
    if not text.strip():
        raise UsageError(f"{what} is empty; it must be a JSON object.")
    try:
        value = _read(text, what)
        broken = next((path for path, part in _texts(value, "") if any("\ud800" <= c <= "\udfff" for c in part)), None)
    except RecursionError:
        raise UsageError(f"{what} is nested too deeply.") from None
    if broken is not None:
        raise UsageError(f"{what} holds text that is no valid Unicode: {broken or 'the whole of it'}.")
    return value


def _read(text: str, what: str) -> Any:
    def refuse(why: str) -> UsageError:
        return UsageError(f"{what} is not JSON: {why}.")

    def constant(name: str) -> Any:
        raise refuse(f"{name} is no number there")

    def whole(digits: str) -> int:
        if len(digits) > _LONGEST_NUMBER:
            raise refuse(f"a number has {len(digits)} digits")
        return int(digits)

    def fraction(digits: str) -> float:
        if (number := float(digits)) in {float("inf"), float("-inf")}:
            raise refuse("a number is too large")
        return number

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise refuse(f"the key {key[:64]!r} stands twice in one object")
            found[key] = value
        return found

    try:
        return json.loads(
            text, parse_constant=constant, parse_int=whole, parse_float=fraction, object_pairs_hook=unique
        )
    except json.JSONDecodeError as error:
        raise refuse(f"{error.msg} (line {error.lineno}, column {error.colno})") from None


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """All texts and keys inside, with the dotted path of each."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, part in value.items():
            inner = f"{path}.{key}" if path else key
            yield inner, key
            yield from _texts(part, inner)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _texts(part, f"{path}[{index}]")
