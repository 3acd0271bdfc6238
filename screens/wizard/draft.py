"""What a person has entered so far, as text under the documented names, and the request body made from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from app.forms import Kind, nested
from screens import guarding
from screens.widgets.form import given
from screens.wizard import clock

if TYPE_CHECKING:
    from app.operations.catalog import RotationType

KIND = "rotation"
_DIGITS = 12
ROTATE_AT = "rotateAt"
"""The one field that isn't documented: the local time, kept as it was typed."""
GUARD, GUARD_HOURS = "guard.policy", "guard.waitHours"


@dataclass
class Draft:
    """`values` holds what was touched; everything else is as in `defaults`. Never a secret."""

    type: str = ""
    values: dict[str, str] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)
    revision: int = 0
    """Counts changes, so that an answer about an older state can be told."""

    def text(self, key: str) -> str:
        return self.values.get(key, self.defaults.get(key, ""))

    def put(self, key: str, text: str) -> bool:
        """Whether that changed anything."""
        if text == self.text(key):
            return False
        self.values[key] = text
        self.revision += 1
        return True

    def choose(self, type_name: str) -> bool:
        if type_name == self.type:
            return False
        self.type = type_name
        self.revision += 1
        return True

    @property
    def touched(self) -> bool:
        return bool(self.values)

    def document(self) -> dict[str, Any]:
        return {"type": self.type, "values": dict(self.values)}

    @classmethod
    def restored(cls, data: Mapping[str, Any]) -> Draft:
        values = data.get("values")
        texts = {str(k): str(v) for k, v in values.items()} if isinstance(values, Mapping) else {}
        return cls(type=str(data.get("type", "")), values=texts)


def body_of(draft: Draft, kind: RotationType, now: datetime) -> dict[str, Any]:
    """The documented create body, as far as it goes. What nobody touched among the parameters isn't sent."""
    body: dict[str, Any] = {
        "name": draft.text("name"),
        "projectId": draft.text("projectId"),
        "description": draft.text("description").strip(),
        "connectionId": draft.text("connectionId"),
        "environment": draft.text("environment"),
        "secretPath": draft.text("secretPath"),
        "isAutoRotationEnabled": draft.text("isAutoRotationEnabled") == "true",
        "rotationInterval": _number(draft.text("rotationInterval")),
    }
    body = {key: value for key, value in body.items() if value != ""}
    if (utc := clock.to_utc(draft.text(ROTATE_AT), now)) is not None:
        body["rotateAtUtc"] = {"hours": utc[0], "minutes": utc[1]}
    if policy := draft.text(GUARD):
        waiting = {"waitHours": _number(draft.text(GUARD_HOURS))} if policy == guarding.WAIT else {}
        body["guard"] = {"policy": policy, **waiting}
    body["parameters"] = nested(given(kind.parameters, draft.values, prefix="parameters."))
    body["secretsMapping"] = {f.key: draft.text(f"secretsMapping.{f.key}").strip() for f in kind.mapping}
    return body


def _number(text: str) -> int | str:
    """What is none goes to the service as it is, which then says so."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else text


def mistakes(draft: Draft, now: datetime) -> list[tuple[str, str]]:
    """What cannot even be put into a body."""
    if clock.to_utc(draft.text(ROTATE_AT), now) is None:
        return [(ROTATE_AT, "Enter a time of day from 00:00 to 23:59, such as 03:30.")]
    return []


def command_of(kind: RotationType, body: Mapping[str, Any]) -> str:
    """The same creation without the wizard."""
    text = json.dumps(body, indent=2, ensure_ascii=False)
    return f"keyturn rotations create {kind.type} --file - <<'JSON'\n{text}\nJSON"


def differs(kind: RotationType, draft: Draft) -> list[tuple[str, str]]:
    """Title and text of each parameter that is required or was changed from its default."""
    shown = []
    for parameter in kind.parameters:
        text = draft.values.get(f"parameters.{parameter.key}")
        if parameter.required or (text and text != parameter.default):
            words = {"true": "yes", "false": "no"} if parameter.kind is Kind.SWITCH else {}
            shown.append((parameter.title, words.get(text or "", text or "")))
    return shown
