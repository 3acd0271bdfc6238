"""What a rotation needs next: which slots are to be filled, in which order, and which of them gets published. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from providers.base import Provider
from store import jobs
from store.jobs import Job, OpenAttempt, StoredCredential

SCHEDULE, MANUAL, CREATE, EDIT, HEAL = "schedule", "manual", "create", "edit", "heal"
EMERGENCY = jobs.EMERGENCY
RESUME = "resume"
"""An open attempt was just brought to its end: that was the work, but for a creation or an edit to be finished."""


@dataclass(frozen=True)
class Fill:
    """One slot to be issued. `last`: it ends the work; `active`: it becomes the published one."""

    slot: int
    trigger: str
    parameters: Mapping[str, Any]
    last: bool
    active: bool


def creating(job: Job) -> bool:
    return job.rotation.last_rotated_at is None


def fills(job: Job, provider: Provider, trigger: str, now: datetime) -> list[Fill]:
    """The rest of a creation, the rest of an edit that changed who is rotated, or the inactive slot when it is time."""
    rotation = job.rotation
    if creating(job):
        slots, active, why = _unfilled(job, provider), provider.initial_slots[-1], CREATE
    elif rotation.succession is not None:
        slots, active, why = _inherited(job, provider), rotation.active_index, EDIT
    elif trigger == RESUME:
        return []
    elif trigger == MANUAL or (rotation.next_rotation_at is not None and rotation.next_rotation_at <= now):
        slots, why = [1 - rotation.active_index], trigger
        active = slots[0]
    else:
        return []
    parameters = rotation.succession or rotation.parameters
    return [Fill(slot, why, parameters, slot == slots[-1], slot == active) for slot in slots]


def fills_at_once(job: Job, provider: Provider, trigger: str, now: datetime) -> list[Fill]:
    """The same, but nothing while something else comes first: a deletion, an emergency, a resumption, a retirement."""
    rotation = job.rotation
    asked = rotation.deletion is not None or rotation.emergency_since is not None
    retiring = any(a.row.retire_after is None or a.row.retire_after <= now for a in job.retiring)
    if asked or job.open or retiring or dropped_slot(job, provider) is not None:
        return []
    return fills(job, provider, trigger, now)


def emergency_fills(job: Job) -> list[Fill]:
    """What an emergency has left to renew: the inactive slot, which gets published, then the one that was active."""
    active = job.rotation.active_index
    if active in job.renewed:
        left = [slot for slot in (1 - active,) if slot not in job.renewed]
    else:
        left = [1 - active, active]
    return [
        Fill(slot, EMERGENCY, job.rotation.parameters, last=False, active=_is_first(job) and slot == left[0])
        for slot in left
    ]


def _is_first(job: Job) -> bool:
    """Whether nothing was published in the emergency under way."""
    return job.rotation.active_index not in job.renewed


def resumption(job: Job, provider: Provider) -> Fill:
    """The open attempt, as what it is in the work that is left."""
    assert job.open is not None
    row = job.open.row
    if row.trigger == EMERGENCY:
        return Fill(row.slot, EMERGENCY, row.parameters, last=False, active=_is_first(job))
    slots: list[int] = []
    active = row.slot
    if creating(job):
        slots, active = _unfilled(job, provider), provider.initial_slots[-1]
    elif job.rotation.succession is not None:
        slots = _inherited(job, provider)
        active = job.rotation.active_index if row.trigger == EDIT else row.slot
    left = [slot for slot in slots if slot != row.slot or row.trigger not in (CREATE, EDIT)]
    becomes_active = row.slot == active and row.trigger != HEAL
    last = not left and job.rotation.emergency_since is None
    return Fill(row.slot, row.trigger, row.parameters, last=last, active=becomes_active)


def principals(job: Job, provider: Provider) -> set[str]:
    """Everybody whose credential is kept, or will be when an edit under way is finished."""
    parameters = provider.parameters.model_validate
    heir = parameters(job.rotation.succession or job.rotation.parameters)
    holders = {provider.identity(parameters(p), slot) for slot, p in job.credential_parameters.items()}
    return holders | {provider.identity(heir, slot) for slot in (0, 1)}


def still_promised(job: Job, provider: Provider, fill: Fill) -> StoredCredential | None:
    """Of a user whom an edit brings back, what applications were promised when he was edited away: issued once more
    as it is, it goes on working for them.
    """
    if fill.trigger != EDIT or not provider.restores:
        return None
    identity = provider.identity(provider.parameters.model_validate(fill.parameters), fill.slot)
    promised = [a.previous for a in job.retiring if former_principal(a, provider) == identity]
    return promised[-1] if promised else None


def former_principal(attempt: OpenAttempt, provider: Provider) -> str | None:
    """Whose credential it is to retire, where that is not the slot's own user."""
    former = attempt.row.previous_parameters
    return provider.identity(provider.parameters.model_validate(former), attempt.row.slot) if former else None


def dropped_slot(job: Job, provider: Provider) -> int | None:
    """The slot that an edit leaves empty, where the target gives one credential at a time."""
    other = 1 - job.rotation.active_index
    if job.rotation.succession is None or len(provider.initial_slots) > 1 or other not in job.credentials:
        return None
    return other if other in _changed(job, provider) else None


def _unfilled(job: Job, provider: Provider) -> list[int]:
    return [slot for slot in provider.initial_slots if slot not in job.credentials]


def _inherited(job: Job, provider: Provider) -> list[int]:
    """The slots whose principal changes, the published one last; none when an edit was taken back in time."""
    active = job.rotation.active_index
    changed = _changed(job, provider)
    if len(provider.initial_slots) == 1:
        return [active] if active in changed else []
    return sorted(changed, key=lambda slot: slot == active)


def _changed(job: Job, provider: Provider) -> list[int]:
    heir = provider.parameters.model_validate(job.rotation.succession)
    return [
        slot
        for slot, parameters in job.credential_parameters.items()
        if provider.identity(provider.parameters.model_validate(parameters), slot) != provider.identity(heir, slot)
    ]
