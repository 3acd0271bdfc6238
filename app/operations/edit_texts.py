"""The body of an edit from what flags give: dotted documented names, and texts as people type them."""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Mapping
from typing import Any

from app.errors import InvalidInput
from app.forms import fields_of, value_of
from app.operations.context import Context, rotation_by
from providers.base import Problem, Provider
from providers.registry import provider as provider_of
from store.database import Tx

ROTATE_AT = "rotateAtUtc"
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?: ?(?:Z|UTC))?", re.ASCII | re.IGNORECASE)
_PLAIN = ("name", "description", "isAutoRotationEnabled", "rotationInterval", ROTATE_AT)
_GUARD = ("guard.policy", "guard.waitHours")


async def body_of(context: Context, ref: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """What `Edits.edit` takes. An object that is given in part is given as a whole, since an edit replaces it.

    Raises NotFound, InvalidInput for names that there are none of, with the nearest one.
    """

    def look(tx: Tx) -> tuple[Provider, dict[str, Any]]:
        row = rotation_by(tx, ref)
        guard = {"policy": row.guard, "waitHours": row.guard_wait_hours}
        present = {
            "parameters": row.succession or row.parameters,
            "secretsMapping": row.secrets_mapping,
            "guard": guard,
        }
        return provider_of(row.type), copy.deepcopy(present)

    kind, present = await context.store.aread(look)
    fields = {
        **{f"parameters.{field.key}": field for field in fields_of(kind.parameters)},
        **{f"secretsMapping.{field.key}": field for field in fields_of(kind.mapping)},
    }
    known = [*_PLAIN, *_GUARD, *fields]
    if unknown := [_unknown(key, known, kind) for key in texts if key not in known]:
        raise InvalidInput(unknown)
    body: dict[str, Any] = {}
    for key, text in texts.items():
        top, *below = key.split(".")
        if below:
            body[top] = present[top]
            _put(present[top], below, value_of(fields.get(key), text))
        else:
            body[top] = _plain(key, text)
    return body


def time_of_day(text: str) -> dict[str, int] | None:
    """The documented object for a time such as "03:30", which is UTC; None when it is none."""
    found = _TIME.fullmatch(text.strip())
    if found is None or int(found[1]) > 23 or int(found[2]) > 59:
        return None
    return {"hours": int(found[1]), "minutes": int(found[2])}


def _plain(key: str, text: str) -> object:
    if key == "isAutoRotationEnabled":
        return {"on": True, "off": False}.get(text, text)
    if key == ROTATE_AT:
        at = time_of_day(text)
        if at is None:
            raise InvalidInput([Problem(ROTATE_AT, "must be a time of day from 00:00 to 23:59 in UTC, such as 03:30")])
        return at
    return text


def _put(present: dict[str, Any], below: list[str], value: object) -> None:
    """Set it, or take it out when it is empty."""
    *parents, last = below
    for parent in parents:
        if not isinstance(present.get(parent), dict):
            present[parent] = {}
        present = present[parent]
    if value == "":
        present.pop(last, None)
    else:
        present[last] = value


def _unknown(key: str, known: list[str], kind: Provider) -> Problem:
    near = difflib.get_close_matches(key, known, 1)
    if near:
        return Problem(key, f"is not known. Did you mean {near[0]}?")
    return Problem(key, f"is not known. {kind.title} has: {', '.join(known)}")
