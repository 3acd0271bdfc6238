"""Whether given values make sense, and what to say of those that don't."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from app.errors import UsageError
from app.preferences import TABLE
from app.settings.address import parse_address
from app.settings.file import SettingsFile, unknown
from app.settings.loading import Given
from app.settings.model import Declared

TABLES = (TABLE,)
_KINDS: Mapping[type, str] = {
    bool: "true or false",
    str: "text",
    int: "a whole number",
    float: "a number",
    dict: "a table",
    list: "a list",
}


def check(given: Mapping[str, Given | None]) -> Declared:
    """The settings with their right types. Raises UsageError that names each value that makes no sense."""
    values, wrong = {}, []
    for name, one in given.items():
        if one is None:
            continue
        try:
            values[name] = _value(name, one)
        except ValueError:
            wrong.append(_complaint(name, one))
    if wrong:
        raise UsageError(
            "\n".join(wrong), remedy="docs/settings.md lists what can be set; so does keyturn config show."
        )
    return Declared.model_validate(values)


def warnings(file: SettingsFile) -> list[str]:
    """A sentence for each key that is not known, and one for a password that others may read."""
    known = [*Declared.model_fields, *TABLES]
    found = [unknown(file, key, known) for key in file.values if key not in known]
    if _readable_password(file):
        found.append(f"{file.path} holds a password and others may read it. Run: chmod 600 {file.path}")
    return found


def allowed(name: str) -> str:
    """What a setting takes, in words: "a number from 0.5 to 3600"."""
    about = Declared.model_fields[name]
    if get_origin(about.annotation) is Literal:
        return "one of " + ", ".join(get_args(about.annotation))
    if name == "metrics_address":
        return "HOST:PORT, such as 127.0.0.1:9187 or [::1]:9187"
    assert isinstance(about.annotation, type)
    kind = _KINDS[about.annotation]
    limits = _limits(about)
    return f"{kind} from {limits[0]:g} to {limits[1]:g}" if limits else kind


def _limits(about: FieldInfo) -> tuple[float, float] | None:
    least = [float(str(one.ge)) for one in about.metadata if isinstance(one, Ge)]
    most = [float(str(one.le)) for one in about.metadata if isinstance(one, Le)]
    return (least[0], most[0]) if least and most else None


def _value(name: str, given: Given) -> Any:
    """Raises ValueError. The file has types of its own; from text, a number is read."""
    about = Declared.model_fields[name]
    kind: Any = Annotated[about.annotation, *about.metadata] if about.metadata else about.annotation
    try:
        value = TypeAdapter(kind).validate_python(given.value, strict=not given.text)
    except ValidationError:
        raise ValueError(name) from None
    if name == "metrics_address" and value:
        parse_address(value)
    return value


def _complaint(name: str, given: Given) -> str:
    # A table or a list may be long; an address of a store may hold a password.
    short = isinstance(given.value, str | int | float) and name != "database_url"
    if given.text:
        return f"{given.origin} is {repr(given.value) if short else 'nonsense'}; it must be {allowed(name)}."
    kind = next((word for kind, word in _KINDS.items() if type(given.value) is kind), type(given.value).__name__)
    quoted = f" ({json.dumps(given.value, ensure_ascii=False)})" if short else ""
    return f"{name} in {given.origin} is {kind}{quoted}; it must be {allowed(name)}."


def _readable_password(file: SettingsFile) -> bool:
    from app.settings.listing import masked

    url = file.values.get("database_url")
    if not isinstance(url, str) or masked(url) == url:
        return False
    try:
        return bool(file.path.stat().st_mode & 0o077)
    except OSError:
        return False
