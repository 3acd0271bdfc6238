"""What screens and the command line show: plain frozen values, no secret among them unless the name says so."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


class Status(enum.StrEnum):
    """A rotation's state, the most urgent first."""

    DELETING = "deleting"
    CREATING = "creating"
    ROTATING = "rotating"
    FAILING = "failing"
    EXPIRING = "expiring"
    OVERDUE = "overdue"
    PAUSED = "paused"
    DUE_SOON = "due soon"
    HEALTHY = "healthy"


@dataclass(frozen=True)
class RotationRow:
    """One line of the dashboard."""

    id: str
    name: str
    type: str
    type_title: str
    project: str
    environment: str
    path: str
    connection: str
    status: Status
    active_identity: str
    """Who is published now ("app_user_1"); empty before the first publication."""
    next_at: datetime | None
    """When the loop acts next on it: the schedule, or a retry. None: never by itself."""
    auto_rotation: bool
    """Off: paused, though what is unfinished is gone on with."""
    scheduled_at: datetime | None
    """The next run by schedule; None while auto-rotation is off."""
    interval_days: int
    last_rotated_at: datetime | None
    last_result: str
    """"success", "failed" or empty."""
    last_message: str
    failures: int


@dataclass(frozen=True)
class Snapshot:
    """All rotations at one moment, by name. What did not change is the very same object as before."""

    at: datetime
    rows: tuple[RotationRow, ...]
    read: Mapping[str, tuple[object, RotationRow]] = field(default_factory=dict, repr=False, compare=False)
    """What each row was made of, by its id: for the next snapshot."""


@dataclass(frozen=True)
class SlotView:
    slot: int
    identity: str
    active: bool
    known: bool
    """False: nothing issued yet."""
    issued_at: datetime | None
    expires_at: datetime | None
    dies_at: datetime | None
    """When the next run replaces it (inactive slot, auto-rotation on)."""


@dataclass(frozen=True)
class SecretView:
    """A secret without its value; `rotation` owns it, None for a plain one."""

    name: str
    version: int
    updated_at: datetime
    rotation: str | None
    field: str | None
    secret: bool
    """False for public fields such as a username."""


@dataclass(frozen=True)
class StepView:
    step: str
    ms: float
    tries: int
    note: str = ""


@dataclass(frozen=True)
class AttemptView:
    id: str
    slot: int
    identity: str
    trigger: str
    actor: str
    state: str
    step: str
    started_at: datetime
    finished_at: datetime | None
    scheduled_for: datetime | None
    steps: tuple[StepView, ...]
    message: str


@dataclass(frozen=True)
class RotationDetail:
    """The page of one rotation."""

    row: RotationRow
    description: str
    parameters: Mapping[str, object]
    mapping: Mapping[str, str]
    interval_days: int
    rotate_at: tuple[int, int]
    """UTC hours and minutes."""
    auto_rotation: bool
    restorable: bool
    """Whether a credential that somebody changed can be set back: passwords can, what the target makes up can't."""
    guard: str
    """"warn", "wait" or "off": what is done while the credential about to die is still in use."""
    guard_wait_hours: int
    next_rotation_at: datetime | None
    created_at: datetime
    slots: tuple[SlotView, ...]
    secrets: tuple[SecretView, ...]
    attempts: tuple[AttemptView, ...]
    emergency_since: datetime | None = None
    """Set while both credentials are being renewed at once: when that was asked for."""


@dataclass(frozen=True)
class ConnectionView:
    id: str
    name: str
    app: str
    app_title: str
    method: str
    description: str
    settings: Mapping[str, object]
    summary: str
    """One line: "keyturn_admin@db.example:5432/app"."""
    used_by: tuple[str, ...]


@dataclass(frozen=True)
class ConnectionTest:
    ok: bool
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class SlotCheck:
    """Whether the stored credential of one slot logs in. `ok` None: could not be found out."""

    slot: int
    identity: str
    active: bool
    ok: bool | None
    text: str


@dataclass(frozen=True)
class Place:
    """Where secrets live."""

    project: str
    environment: str
    path: str


@dataclass(frozen=True)
class PlacedSecret:
    """A published secret and where it is, without its value. `rotation_id` owns it, None for a plain one."""

    place: Place
    name: str
    version: int
    updated_at: datetime
    rotation_id: str | None
    secret: bool
    """False for public fields such as a username."""


@dataclass(frozen=True)
class EventView:
    id: int
    at: datetime
    actor: str
    action: str
    result: str
    subject: str
    message: str
    rotation_id: str | None = None
    """Of the rotation it speaks of, which may be gone by now."""


@dataclass(frozen=True)
class DraftView:
    step: int
    data: Mapping[str, object] = field(repr=False)
    updated_at: datetime | None = None


@dataclass(frozen=True)
class Outlook:
    """What creating a rotation would do: its effects in words, in their order, and its first runs by schedule."""

    effects: tuple[str, ...]
    runs: tuple[datetime, ...]


@dataclass(frozen=True)
class Progress:
    """One step of a running attempt, as it happens. `state`: "started", "done" or "failed"."""

    rotation_id: str
    rotation: str
    attempt_id: str
    slot: int
    identity: str
    step: str
    state: str
    at: datetime
    ms: float = 0.0
    message: str = ""


@dataclass(frozen=True)
class Pick:
    """Something at a target that may be rotated. `fills`: the parameters it stands for, by their documented names."""

    title: str
    detail: str
    fills: Mapping[str, str]
