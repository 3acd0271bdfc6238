"""Which rotations are shown, in which order, under which headings. Pure: it may run in any thread."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.views import RotationRow, Status
from screens.widgets.line_table import Heading

_URGENT = {Status.FAILING: 0, Status.EXPIRING: 1, Status.OVERDUE: 2}
_OTHERS = len(_URGENT)
_LAST = datetime.max.replace(tzinfo=UTC)


class Order(enum.StrEnum):
    URGENCY = "urgency"
    NAME = "name"
    NEXT = "next run"
    LAST = "last rotated"


class Grouping(enum.StrEnum):
    NONE = "nothing"
    ENVIRONMENT = "environment"
    PROJECT = "project"


@dataclass(frozen=True)
class Arrangement:
    """What a person chose. `query`: words that must all be found."""

    query: str = ""
    order: Order = Order.URGENCY
    grouping: Grouping = Grouping.NONE


@dataclass(frozen=True)
class Arranged:
    lines: tuple[RotationRow | Heading, ...]
    shown: int
    """How many rotations are among them."""


_KEYS: dict[Order, Callable[[RotationRow], Any]] = {
    Order.URGENCY: lambda row: _URGENT.get(row.status, _OTHERS),
    Order.NAME: lambda row: row.name.casefold(),
    Order.NEXT: lambda row: row.next_at or _LAST,
    Order.LAST: lambda row: -row.last_rotated_at.timestamp() if row.last_rotated_at else 0.0,
}
_GROUPS: dict[Grouping, Callable[[RotationRow], tuple[str, ...]]] = {
    Grouping.ENVIRONMENT: lambda row: (row.project, row.environment),
    Grouping.PROJECT: lambda row: (row.project,),
}


def arrange(rows: Sequence[RotationRow], chosen: Arrangement) -> Arranged:
    """`rows` come by name; equal ones keep that order."""
    words = chosen.query.casefold().split()
    found = [row for row in rows if _matches(row, words)] if words else list(rows)
    found.sort(key=_KEYS[chosen.order])
    if chosen.grouping is Grouping.NONE:
        return Arranged(tuple(found), len(found))
    groups: dict[tuple[str, ...], list[RotationRow]] = {}
    name = _GROUPS[chosen.grouping]
    for row in found:
        groups.setdefault(name(row), []).append(row)
    lines: list[RotationRow | Heading] = []
    for key in sorted(groups):
        lines += [Heading(_heading(key, groups[key])), *groups[key]]
    return Arranged(tuple(lines), len(found))


def following(choice: Order | Grouping) -> Any:
    """The next one, round and round."""
    every = list(type(choice))
    return every[(every.index(choice) + 1) % len(every)]


def _matches(row: RotationRow, words: list[str]) -> bool:
    text = "\n".join(
        (
            row.name,
            row.type,
            row.type_title,
            row.connection,
            row.project,
            row.environment,
            row.path,
            row.status.value,
            row.active_identity,
        )
    ).casefold()
    return all(word in text for word in words)


def _heading(key: tuple[str, ...], rows: list[RotationRow]) -> str:
    """ "shop prod: 12 rotations, 1 failing"."""
    counted = Counter(row.status for row in rows)
    troubles = [f"{counted[status]} {status.value}" for status in _URGENT if counted[status]]
    number = f"{len(rows)} rotation{'' if len(rows) == 1 else 's'}"
    return f"{' '.join(key)}: {', '.join([number, *troubles])}"
