"""A rotation as the wizard's draft, what differs from it, and the request body that changes just that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from screens.wizard import clock
from screens.wizard.draft import GUARD, GUARD_HOURS, ROTATE_AT, Draft, body_of

if TYPE_CHECKING:
    from app.operations.catalog import RotationType
    from app.views import RotationDetail

FIXED = {
    "connectionId": "the connection stays; another one would be another rotation",
    "projectId": "the place changes by a move (m on the rotation's page)",
    "environment": "",
    "secretPath": "",
}
"""Fields that an edit shows and does not ask for, and why."""


def draft_of(detail: RotationDetail, now: datetime) -> Draft:
    """Everything as it is now, as a person would have typed it."""
    row = detail.row
    values = {
        "connectionId": row.connection,
        "rotationInterval": str(detail.interval_days),
        ROTATE_AT: clock.to_local(*detail.rotate_at, now),
        "isAutoRotationEnabled": "true" if detail.auto_rotation else "false",
        GUARD: detail.guard,
        GUARD_HOURS: str(detail.guard_wait_hours),
        "projectId": row.project,
        "environment": row.environment,
        "secretPath": row.path,
        "name": row.name,
        "description": detail.description,
        **{f"parameters.{key}": text for key, text in _texts(detail.parameters)},
        **{f"secretsMapping.{key}": name for key, name in detail.mapping.items()},
    }
    return Draft(type=row.type, values=values)


def _texts(parameters: Mapping[str, object], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in parameters.items():
        if isinstance(value, Mapping):
            found += _texts(value, f"{prefix}{key}.")
        elif isinstance(value, bool):
            found.append((f"{prefix}{key}", "true" if value else "false"))
        else:
            found.append((f"{prefix}{key}", str(value)))
    return found


def changes(former: Draft, draft: Draft, kind: RotationType, now: datetime) -> dict[str, Any]:
    """The documented body of an edit: what differs, and nothing else."""
    before, after = (body_of(each, kind, now) for each in (former, draft))
    for body in (before, after):
        if body["guard"]["policy"] != "wait":
            body["guard"].pop("waitHours", None)
    cleared = dict.fromkeys(before.keys() - after.keys(), "")
    changed = {key: value for key, value in {**after, **cleared}.items() if before.get(key) != value}
    return {key: value for key, value in changed.items() if key not in FIXED}


def command_of(name: str, body: Mapping[str, Any]) -> str:
    """The same edit without the wizard."""
    text = json.dumps(body, indent=2, ensure_ascii=False)
    return f"keyturn rotations edit {name} --file - <<'JSON'\n{text}\nJSON"
