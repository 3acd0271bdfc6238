"""What an edit of a rotation will do, in words, for people to read before they say yes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from pydantic import BaseModel

from app.contract import UpdateRotation
from app.operations.outlook import RUNS_SHOWN
from app.rotation import schedule
from app.rotation.schedule import TimeOfDay
from app.views import Outlook
from providers.base import Provider
from store.tables import Rotation

_SCHEDULE = {"rotation_interval", "rotate_at_utc", "is_auto_rotation_enabled"}


def outlook(
    kind: Provider,
    row: Rotation,
    body: UpdateRotation,
    parameters: BaseModel | None,
    mapping: Mapping[str, str] | None,
) -> Outlook:
    """As far as it differs from what is."""
    said = [*_people(kind, row, parameters), *_names(row, mapping), *_when(row, body)]
    if "name" in body.model_fields_set and body.name != row.name:
        said.append(f"It is called {body.name} from then on: scripts that say {row.name} no longer find it.")
    if not said:
        said.append("Nothing changes at the target, and nothing that programs read.")
    return Outlook(tuple(said), tuple(_runs(row, body)))


def _people(kind: Provider, row: Rotation, parameters: BaseModel | None) -> Iterator[str]:
    """An edit of who is rotated is carried out at the target at once."""
    if parameters is None:
        return
    former = kind.parameters.model_validate(row.succession or row.parameters)
    changed = [slot for slot in (0, 1) if kind.identity(former, slot) != kind.identity(parameters, slot)]
    if not changed:
        yield "The next credential is made by the new parameters; those that are there stay as they are."
        return
    new = " and ".join(dict.fromkeys(kind.identity(parameters, slot) for slot in changed))
    old = " and ".join(dict.fromkeys(kind.identity(former, slot) for slot in changed))
    get = "get" if " and " in new else "gets"
    yield f"{new} {get} a new credential at once, which is tried before anything else happens."
    if row.active_index in changed:
        heir = kind.identity(parameters, row.active_index)
        yield f"{heir} becomes active: {', '.join(row.secrets_mapping.values())} hold its credential from then on."
    keep = "keep" if " and " in old else "keeps"
    yield f"{old} {keep} working for as long as promised, then what Keyturn set for it is revoked."


def _names(row: Rotation, mapping: Mapping[str, str] | None) -> Iterator[str]:
    for key, name in (mapping or {}).items():
        if (before := row.secrets_mapping.get(key)) not in (None, name):
            yield f"The secret {before} is renamed to {name}: programs that ask for {before} find nothing there."


def _when(row: Rotation, body: UpdateRotation) -> Iterator[str]:
    if body.is_auto_rotation_enabled is False and row.is_auto_rotation_enabled:
        yield "It is paused: it rotates by hand alone until auto-rotation is switched on."
    elif body.model_fields_set & _SCHEDULE:
        yield "Its schedule counts from the last rotation; what is overdue by it runs at once."


def _runs(row: Rotation, body: UpdateRotation) -> list[datetime]:
    enabled = row.is_auto_rotation_enabled if body.is_auto_rotation_enabled is None else body.is_auto_rotation_enabled
    if not enabled or row.last_rotated_at is None:
        return []
    interval = body.rotation_interval or row.rotation_interval
    first = row.next_rotation_at
    if body.model_fields_set & _SCHEDULE:
        at = (
            body.rotate_at_utc.time_of_day
            if body.rotate_at_utc
            else TimeOfDay(row.rotate_at_hours, row.rotate_at_minutes)
        )
        first = schedule.next_when_enabled(row.last_rotated_at, row.is_last_rotation_manual, interval, at)
    return schedule.upcoming(first, interval, RUNS_SHOWN) if first is not None else []
