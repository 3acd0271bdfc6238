"""Values in the formats of other programs, right for any value.

dotenv: a value of safe characters stands bare; one without single quote and backslash stands in single quotes, where
nothing is special; any other stands in double quotes, where a backslash takes the meaning from a backslash, a double
quote, a dollar sign or a backtick. Each form is also what sh reads. Dotenv readers differ about the last form; all
known ones agree about the first two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from app.errors import KeyturnError

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BARE = re.compile(r"[A-Za-z0-9@%+:,./_-]+")


def rendered(values: Mapping[str, str], format: str) -> str:  # noqa: A002 - the option's name
    """Raises KeyturnError for names and values that the format cannot hold."""
    match format:
        case "json":
            import json

            return json.dumps(dict(values), indent=2, ensure_ascii=False) + "\n"
        case "yaml":
            import yaml

            # Quoted throughout: as a plain word PyYAML writes U+0085 so that it reads back as a space.
            text = yaml.safe_dump(dict(values), allow_unicode=True, sort_keys=False, width=10**6, default_style='"')
            return str(text)
        case "dotenv":
            refuse_unfit(values, "a dotenv file")
            return "".join(f"{name}={_dotenv(value)}\n" for name, value in values.items())
        case _:
            refuse_unfit(values, "a shell")
            return "".join(f"export {name}={_single(value)}\n" for name, value in values.items())


def refuse_unfit(values: Mapping[str, str], where: str) -> None:
    """Raises KeyturnError naming the secrets that cannot be variables there."""
    if unfit := [name for name in values if not _VARIABLE.fullmatch(name)]:
        raise KeyturnError(
            f"Not usable as a variable in {where}: {_listed(unfit)}.",
            remedy="Names may have letters, digits and _, and begin with no digit. Map the values to such names, or"
            " use keyturn secrets export --format json or yaml.",
        )
    if unfit := [name for name, value in values.items() if "\0" in value]:
        raise KeyturnError(
            f"A value with the character NUL fits in no variable: {_listed(unfit)}.",
            remedy="Use keyturn secrets export --format json or yaml.",
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _single(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


def _dotenv(value: str) -> str:
    if _BARE.fullmatch(value):
        return value
    if "'" not in value and "\\" not in value:
        return f"'{value}'"
    return '"' + re.sub(r'([\\"$`])', r"\\\1", value) + '"'
