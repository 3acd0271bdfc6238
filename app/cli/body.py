"""Reading a JSON request body or a text from a file or standard input; what is wrong is said without quoting it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.cli.output import note
from app.errors import UsageError

LARGEST = 1024 * 1024
_LONGEST_NUMBER = 40


def read_body(name: str) -> Any:
    """The value in a file, or in standard input for "-". Raises UsageError."""
    where, text = _where(name), read_text(name, "body")
    if not text.strip():
        raise UsageError(f"The body in {where} is empty; it must be a JSON object.")
    try:
        value = _parsed(text, where)
        broken = next((path for path, part in _texts(value, "") if any("\ud800" <= c <= "\udfff" for c in part)), None)
    except RecursionError:
        raise UsageError(f"The body in {where} is nested too deeply.") from None
    if broken is not None:
        raise UsageError(f"The body in {where} holds text that is no valid Unicode: {broken or 'the whole of it'}.")
    return value


def read_text(name: str, what: str) -> str:
    """All of a file, or of standard input for "-". `what` it holds, for people. Raises UsageError."""
    data = _bytes_of(name, what)
    if len(data) > LARGEST:
        raise UsageError(f"The {what} in {_where(name)} is too large: it may have {LARGEST // 1024} KiB.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"The {what} in {_where(name)} is not UTF-8 (byte {error.start + 1}).") from None


def _where(name: str) -> str:
    return "standard input" if name == "-" else name


def _bytes_of(name: str, what: str) -> bytes:
    where = _where(name)
    try:
        if name == "-":
            return _standard_input(what)
        with Path(name).open("rb") as file:
            return file.read(LARGEST + 1)
    except FileNotFoundError:
        raise UsageError(f"There is no file {where}.") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "this can't be a file's name"
        raise UsageError(f"{where} cannot be read: {reason}.") from None


def _standard_input(what: str) -> bytes:
    if sys.stdin is None:
        raise UsageError(f"Standard input is closed, so there is no {what} to read.")
    if sys.stdin.isatty():
        note(f"Reading the {what} from the terminal; end it with Ctrl+D on a line of its own.")
    return sys.stdin.buffer.read(LARGEST + 1)


def _parsed(text: str, where: str) -> Any:
    def refuse(what: str) -> UsageError:
        return UsageError(f"The body in {where} is not JSON: {what}.")

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
