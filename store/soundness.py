"""What a row may hold. One that another program changed is refused where it is read, before anything follows from it:
an interval below a day, say, would rotate in a circle."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event
from sqlmodel import SQLModel

from store.errors import StoreUnavailable
from store.tables import Connection, Rotation

RANGES = {
    "rotation_interval": range(1, 3651),
    "rotate_at_hours": range(24),
    "rotate_at_minutes": range(60),
    "active_index": range(2),
    "guard_wait_hours": range(1, 24 * 30 + 1),
}
"""Whole numbers of a rotation, by column."""
_OBJECTS: dict[type[SQLModel], tuple[str, ...]] = {
    Rotation: ("parameters", "secrets_mapping"),
    Connection: ("settings",),
}
_REMEDY = "Another program changed the store. Restore it from a backup: keyturn restore FILE. Then check its disk."


def nonsense(what: str) -> StoreUnavailable:
    return StoreUnavailable(f"The store holds what Keyturn did not write: {what}.", remedy=_REMEDY)


def check(row: Any, *_: object) -> None:
    """Raises StoreUnavailable. The ORM calls it for each rotation and connection that it reads."""
    values = row.__dict__  # an expired one would be read once more
    wrong = [name for name in _OBJECTS[type(row)] if not isinstance(values.get(name, {}), dict)]
    if isinstance(row, Rotation):
        wrong += [name for name, allowed in RANGES.items() if values.get(name, allowed[0]) not in allowed]
        wrong += ["guard"] if values.get("guard", "warn") not in ("warn", "wait", "off") else []
        wrong += ["secrets_mapping"] if not all(isinstance(v, str) for v in _values(values)) else []
    if wrong:
        table = type(row).__name__.lower()
        raise nonsense(f"{', '.join(dict.fromkeys(wrong))} of {table} {values.get('name', '')!r}")


def _values(values: dict[str, Any]) -> list[Any]:
    mapping = values.get("secrets_mapping", {})
    return list(mapping.values()) if isinstance(mapping, dict) else []


for _table in _OBJECTS:
    event.listen(_table, "load", check)
    event.listen(_table, "refresh", check)
