"""Reading a JSON request body or a text from a file or standard input; what is wrong is said without quoting it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from app.cli.output import note
from app.errors import UsageError
from app.strict_json import parsed

LARGEST = 1024 * 1024


def read_body(name: str) -> Any:
    """The value in a file, or in standard input for "-". Raises UsageError."""
    return parsed(read_text(name, "body"), f"The body in {_where(name)}")


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
