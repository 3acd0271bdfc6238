"""Changing a rotation: its settings, whom it rotates, and where its secrets live. All under the rotation's lease."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from app.contract import SecretRotation, UpdateRotation
from app.errors import Busy, InvalidInput, PreflightFailed
from app.operations import edit_outlook, moves
from app.operations.context import Context, rotation_by
from app.operations.creation import dump_parameters
from app.operations.documents import document_of
from app.operations.holders import held_elsewhere
from app.rotation import agenda, expiry, schedule
from app.rotation.attempt import time_of_day
from app.rotation.engine import nobody
from app.rotation.failpoints import reached
from app.rotation.lease import claiming
from app.rotation.redact import redact
from app.rotation.surroundings import Listener
from app.validation import known_part, parse_mapping, validated
from app.views import Outlook
from providers.base import CheckResult, Problem, Provider
from providers.registry import provider as provider_of
from store import connections, events, jobs, journal, leases, lifecycle, projects, rotations, secrets
from store.database import Tx
from store.errors import Conflict, LeaseBusy
from store.jobs import Job
from store.leases import Lease
from store.tables import Rotation

_SCHEDULE = {"rotation_interval", "rotate_at_utc", "is_auto_rotation_enabled"}


@dataclass(frozen=True)
class _Change:
    body: UpdateRotation
    given: frozenset[str]
    parameters: BaseModel | None
    mapping: Mapping[str, str] | None


@dataclass(frozen=True)
class Edited:
    rotation: SecretRotation
    ignored: tuple[str, ...]


@dataclass(frozen=True)
class Edits:
    """All raise NotFound, Busy while an attempt runs, InvalidInput."""

    context: Context

    async def edit(self, ref: str, data: Any, listener: Listener = nobody) -> Edited:
        """Replace what `data` gives. When that changes who is rotated, the new users get credentials, those are
        published, and the former users' die when they would have died anyway. Raises PreflightFailed, RotationFailed.
        """
        row = await self.context.store.aread(lambda tx: rotation_by(tx, ref))
        kind, ignored = provider_of(row.type), list[str]()
        change = _parse(kind, data, ignored)
        await self._preflight(row, kind, change)
        lease = await self._applied(row.id, kind, change)
        reached("edit.recorded")
        if lease is not None:
            await self.context.engine.carry_out(lease, agenda.EDIT, self.context.actor, listener)
        document = await self.context.store.aread(lambda tx: document_of(tx, rotation_by(tx, row.id)))
        return Edited(document, tuple(ignored))

    async def problems(self, ref: str, data: Any) -> list[Problem]:
        """Everything that `edit` would refuse without asking the target. Nothing is changed."""
        try:
            await self.context.store.aread(lambda tx: _prepared(tx, ref, data))
        except InvalidInput as error:
            return list(error.problems)
        return []

    async def outlook(self, ref: str, data: Any) -> Outlook:
        """What `edit` would do, and when the rotation would then run. Raises InvalidInput."""

        def look(tx: Tx) -> Outlook:
            row, kind, change = _prepared(tx, ref, data)
            return edit_outlook.outlook(kind, row, change.body, change.parameters, change.mapping)

        return await self.context.store.aread(look)

    async def move_problems(self, ref: str, data: Any, *, after: Mapping[str, Any] | None = None) -> list[Problem]:
        """Everything that `move` would refuse; `after`: the body of an edit that comes first. Nothing is changed."""
        return await moves.problems(self.context, ref, data, after)

    async def move(self, ref: str, data: Any) -> SecretRotation:
        """To another environment or folder, with its secrets and their history. The target is not touched."""
        return await moves.move(self.context, ref, data)

    async def _preflight(self, row: Rotation, kind: Provider, change: _Change) -> None:
        """New users are tried before anything is stored. Raises PreflightFailed."""
        if change.parameters is None or not _changes_principal(kind, row, change.parameters):
            return
        if not kind.restores and not _differ(kind, row.parameters, change.parameters):
            return  # an edit under way is taken back: what this rotation holds there would look like a stranger's

        job = await self.context.store.aread(lambda tx: jobs.load(tx, row.id))
        if not kind.restores and _retires_there(job, kind, change.parameters):
            return
        hidden = job.connection_secrets
        target = await self.context.targets.get(job.connection, hidden)
        checks = await kind.preflight(target, change.parameters)
        if any(check.result is CheckResult.FAILED for check in checks):
            raise PreflightFailed(
                [
                    type(c)(c.title, c.result, redact(c.detail, hidden.values()), redact(c.remedy, hidden.values()))
                    for c in checks
                ]
            )

    async def _applied(self, rotation_id: str, kind: Provider, change: _Change) -> Lease | None:
        """Store the edit, in one transaction; the lease when it is also to be carried out at the target."""
        engine = self.context.engine

        def work(tx: Tx) -> Lease | None:
            lease = engine.claim_in(tx, rotation_id)
            if self._apply(tx, lease, kind, change):
                return lease
            leases.release(tx, lease)
            return None

        try:
            return await claiming(self.context.store, work, lambda lease: [lease] if lease else [])
        except LeaseBusy as error:
            raise Busy(error.message, remedy=error.remedy) from None

    def _apply(self, tx: Tx, lease: Lease, kind: Provider, change: _Change) -> bool:
        """Whether the edit is to be carried out at the target, too."""
        now, row = self.context.clock(), leases.hold(tx, lease)
        _refuse(tx, kind, row, change)
        body, given = change.body, change.given
        if "name" in given and body.name:
            row.name = body.name
        if "description" in given:
            row.description = body.description or None
        if body.guard is not None:
            row.guard, row.guard_wait_hours = body.guard.policy, body.guard.wait_hours
        if change.mapping is not None:
            self._rename(tx, row, change.mapping)
        _reschedule(tx, row, body, now)
        self._warn_of_expiry(tx, row, body)
        succeeds = change.parameters is not None and self._take_parameters(tx, row, kind, change.parameters)
        row.updated_at = now
        self._event(tx, row, f"changed: {', '.join(sorted(given))}")
        reached("edit.uncommitted")
        return succeeds

    def _warn_of_expiry(self, tx: Tx, row: Rotation, body: UpdateRotation) -> None:
        """Into the history, too, who let the published credential expire."""
        message = expiry.warning(row, rotations.expiry(tx, row))
        if message and body.model_fields_set & _SCHEDULE and row.last_rotated_at is not None:
            expiry.append(tx, row, message, self.context.clock(), self.context.actor)

    def _rename(self, tx: Tx, row: Rotation, mapping: Mapping[str, str]) -> None:
        try:
            secrets.rename(tx, row.id, mapping, now=self.context.clock())
        except Conflict as error:
            raise InvalidInput([Problem("secretsMapping", error.message)]) from None
        row.secrets_mapping = dict(mapping)

    def _take_parameters(self, tx: Tx, row: Rotation, kind: Provider, parameters: BaseModel) -> bool:
        now = self.context.clock()
        if row.succession is None and not _changes_principal(kind, row, parameters):
            row.parameters = dump_parameters(parameters)
            return False
        row.succession, row.due_at = dump_parameters(parameters), now
        pending = rotations.open_attempt(tx, row.id)
        if pending is not None:
            former = kind.parameters.model_validate(pending.parameters)
            if kind.identity(former, pending.slot) != kind.identity(parameters, pending.slot):
                journal.abandon(tx, pending.id, now)
                row.guard_since = None
        return True

    def _event(self, tx: Tx, row: Rotation, message: str) -> None:
        events.append(
            tx,
            at=self.context.clock(),
            actor=self.context.actor,
            action="update-secret-rotation",
            result="success",
            subject=row.name,
            rotation_id=row.id,
            message=message,
        )


def _prepared(tx: Tx, ref: str, data: Any) -> tuple[Rotation, Provider, _Change]:
    """Raises InvalidInput for what is wrong by our own rules."""
    row = rotation_by(tx, ref)
    kind = provider_of(row.type)
    change = _parse(kind, data, [])
    _refuse(tx, kind, row, change)
    return row, kind, change


def _parse(kind: Provider, data: Any, ignored: list[str]) -> _Change:
    if not isinstance(data, Mapping):
        raise InvalidInput([Problem("body", "must be a JSON object")])
    problems: list[Problem] = []
    known = known_part(UpdateRotation, data, ignored)
    body = validated(UpdateRotation, known, "", problems)
    parameters = mapping = None
    if body is not None and body.parameters is not None:
        given = known_part(kind.parameters, body.parameters, ignored, "parameters.")
        parameters = validated(kind.parameters, given, "parameters", problems)
    if body is not None and body.secrets_mapping is not None:
        given = known_part(kind.mapping, body.secrets_mapping, ignored, "secretsMapping.")
        mapping = parse_mapping(kind, given, problems)
    if body is not None and body.name and len(body.name) > kind.name_max_length:
        problems.append(Problem("name", f"must have at most {kind.name_max_length} characters"))
    if problems or body is None:
        raise InvalidInput(problems)
    return _Change(body, frozenset(body.model_fields_set), parameters, mapping)


def _refuse(tx: Tx, kind: Provider, row: Rotation, change: _Change) -> None:
    """The rules that need our own data. Raises InvalidInput."""
    problems: list[Problem] = []
    if row.deletion is not None:
        problems.append(Problem("name", f"{row.name} is being deleted"))
    name = change.body.name
    if name and name != row.name and rotations.find(tx, row.folder_id, name):
        problems.append(Problem("name", f"a rotation named {name} exists already in this folder"))
    if change.mapping is not None:
        taken = secrets.taken(tx, row.folder_id, change.mapping.values(), row.id)
        problems += [
            Problem(f"secretsMapping.{key}", f"a secret named {secret} exists already in this folder")
            for key, secret in change.mapping.items()
            if secret in taken
        ]
    if change.parameters is not None:
        connection = connections.get(tx, row.connection_id)
        problems += kind.check_parameters(change.parameters, connection.settings if connection else {})
        if connection and _changes_principal(kind, row, change.parameters):
            project_id = projects.place_of(tx, row.folder_id).project.id
            problems += held_elsewhere(
                tx, kind, change.parameters, connection, project_id=project_id, except_rotation=row.id
            )
        problems += _crossed(kind, row, change.parameters)
        if row.last_rotated_at is None and _changes_principal(kind, row, change.parameters):
            problems.append(Problem("parameters", f"{row.name} is not created yet: finish that first, or delete it"))
        if row.emergency_since is not None and _changes_principal(kind, row, change.parameters):
            problems.append(Problem("parameters", f"an emergency of {row.name} is under way: let it end first"))
    if problems:
        raise InvalidInput(problems)


def _crossed(kind: Provider, row: Rotation, parameters: BaseModel) -> list[Problem]:
    """A user may not change slots: giving it a new password would break what is published or promised."""
    former = kind.parameters.model_validate(row.parameters)
    crossed = [
        kind.identity(parameters, slot)
        for slot in (0, 1)
        if kind.identity(parameters, slot) != kind.identity(former, slot)
        and kind.identity(parameters, slot) == kind.identity(former, 1 - slot)
    ]
    return [
        Problem("parameters", f"{identity} cannot change places: its present password is still in use")
        for identity in crossed
    ]


def _retires_there(job: Job, kind: Provider, parameters: BaseModel) -> bool:
    """An earlier edit is taken back: the credentials that are still to be retired there make room when it is needed,
    and to a preflight they would look like a stranger's.
    """
    heirs = {kind.identity(parameters, slot) for slot in (0, 1)}
    return any(agenda.former_principal(attempt, kind) in heirs for attempt in job.retiring)


def _changes_principal(kind: Provider, row: Rotation, parameters: BaseModel) -> bool:
    return _differ(kind, row.succession or row.parameters, parameters)


def _differ(kind: Provider, stored: Mapping[str, Any], parameters: BaseModel) -> bool:
    former = kind.parameters.model_validate(stored)
    return any(kind.identity(former, slot) != kind.identity(parameters, slot) for slot in (0, 1))


def _reschedule(tx: Tx, row: Rotation, body: UpdateRotation, now: datetime) -> None:
    """Recompute the next run when the schedule was edited; what became due meanwhile runs at once."""
    if body.rotation_interval is not None:
        row.rotation_interval = body.rotation_interval
    if body.rotate_at_utc is not None:
        row.rotate_at_hours, row.rotate_at_minutes = body.rotate_at_utc.hours, body.rotate_at_utc.minutes
    if body.is_auto_rotation_enabled is not None:
        row.is_auto_rotation_enabled = body.is_auto_rotation_enabled
    if not body.model_fields_set & _SCHEDULE:
        return
    row.next_rotation_at = row.retry_at = None
    if row.is_auto_rotation_enabled and row.last_rotated_at is not None:
        row.next_rotation_at = schedule.next_when_enabled(
            row.last_rotated_at, row.is_last_rotation_manual, row.rotation_interval, time_of_day(row)
        )
    lifecycle.settle_due(tx, row)
    if row.due_at is None and row.is_auto_rotation_enabled:
        row.due_at = now  # what was given up is tried once more
