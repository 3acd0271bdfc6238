"""What must hold after every step, looked up in the store and at the target, not asked of the code under test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from providers.registry import provider as provider_of
from store import jobs, rotations, secrets
from store.database import Store, Tx
from store.jobs import Job, OpenAttempt, StoredCredential
from store.tables import Rotation
from tests.property.target import Login, Place


class Run(NamedTuple):
    """One attempt, without what is sealed; times as SQLite holds them."""

    id: str
    state: str
    error: str | None
    scheduled_for: str | None
    finished_at: str | None


_RUNS = "SELECT rotation_id, id, state, error, scheduled_for, finished_at FROM attempt"
_NEW_VERSIONS = "SELECT rowid, id, sealed_value FROM secret_version WHERE rowid > ? ORDER BY rowid"


@dataclass(frozen=True)
class Look:
    """One rotation as the store has it."""

    job: Job
    mapped: Mapping[str, str] = field(repr=False)
    attempts: tuple[Run, ...]

    @property
    def row(self) -> Rotation:
        return self.job.rotation

    @property
    def created(self) -> bool:
        return self.row.last_rotated_at is not None

    @property
    def pending(self) -> bool:
        """Whether something is under way, so that the loop has more to do than to keep the schedule."""
        row = self.row
        return bool(self.job.open or self.job.retiring or row.deletion or row.succession or not self.created)

    @property
    def users(self) -> set[str]:
        kind = provider_of(self.row.type)
        given = [self.row.parameters, *([self.row.succession] if self.row.succession else [])]
        given += [a.row.previous_parameters or a.row.parameters for a in (*self.job.retiring, *self._open)]
        return {kind.identity(kind.parameters.model_validate(one), slot) for one in given for slot in (0, 1)}

    @property
    def _open(self) -> tuple[OpenAttempt, ...]:
        return (self.job.open,) if self.job.open else ()

    def slot(self, number: int) -> Login | None:
        held = self.job.credentials.get(number)
        return login_of(held) if held else None

    @property
    def known(self) -> set[Login]:
        """All logins that the store can still name."""
        parts = list(self.job.credentials.values())
        for attempt in (*self.job.retiring, *self._open):
            parts += [part for part in (attempt.candidate, attempt.issued, attempt.previous) if part]
        return {login_of(part) for part in parts if "password" in part.values}

    @property
    def ending(self) -> set[str]:
        """Users who are about to lose whatever password they have."""
        passwords = provider_of(self.row.type).restores
        return {a.previous.values["username"] for a in self.job.retiring if a.previous and passwords}

    @property
    def markers(self) -> tuple[str, ...]:
        return tuple(a.row.id for a in (*self.job.retiring, *self._open))


def login_of(credential: StoredCredential) -> Login:
    return credential.values["username"], credential.values["password"]


@dataclass
class Truth:
    """`released`: logins whose rotation was deleted without revoking them; `revoked`: those it was asked to revoke."""

    place: Place
    looks: dict[str, Look] = field(default_factory=dict)
    published: dict[str, Login] = field(default_factory=dict)
    promises: dict[Login, tuple[str, datetime]] = field(default_factory=dict)
    """Former users' published logins: whose they were, and until when they must work."""
    released: set[Login] = field(default_factory=set)
    revoked: set[Login] = field(default_factory=set)
    runs: set[tuple[str, str]] = field(default_factory=set)
    """Scheduled runs that published: rotation and due time."""
    _last_version: int = 0
    _finished: set[str] = field(default_factory=set)

    def look(self, store: Store) -> None:
        self.looks = store.read(self._looked)

    def _looked(self, tx: Tx) -> dict[str, Look]:
        # By hand and not by the ORM: this runs after every step.
        run = tx.session.connection().exec_driver_sql
        for row, version_id, sealed in run(_NEW_VERSIONS, (self._last_version,)):
            assert tx.unseal(sealed, "secret_version", version_id, "sealed_value")
            self._last_version = row
        runs: dict[str, list[Run]] = {}
        for rotation_id, *columns in run(_RUNS):
            runs.setdefault(rotation_id, []).append(Run(*columns))
        return {row.id: self._one(tx, row, runs.get(row.id, [])) for row in rotations.list_all(tx)}

    def _one(self, tx: Tx, row: Rotation, runs: list[Run]) -> Look:
        values = secrets.values(tx, row.folder_id)
        mapped = {key: values[name] for key, name in row.secrets_mapping.items() if name in values}
        return Look(jobs.load(tx, row.id), mapped, tuple(runs))

    def check(self, began: datetime, now: datetime, dead: set[str]) -> None:
        """`began`: when the step began; `dead`: who may have left a lease behind."""
        for rotation_id, look in self.looks.items():
            self._check_rows(look, dead)
            self._check_due(look)
            self._check_runs(look)
            if look.created:
                self._check_published(rotation_id, look, began)
        self._check_promises(now)
        self._check_others()
        self.place.verified.clear()
        self.place.struck.clear()

    def _check_rows(self, look: Look, dead: set[str]) -> None:
        row = look.row
        assert row.lease_owner is None or row.lease_owner in dead, "a lease that nobody gave back"
        assert sum(attempt.state == "open" for attempt in look.attempts) <= 1, "two open attempts"
        for attempt in look.attempts:
            assert (attempt.finished_at is None) == (attempt.state in ("open", "retiring"))

    def _check_due(self, look: Look) -> None:
        row = look.row
        given_up = any(run.id == row.last_rotation_job_id and run.error == "permanent" for run in look.attempts)
        if look.pending and not given_up:
            assert row.due_at is not None, "nobody will finish this"
        if look.job.retiring:
            assert row.due_at is not None, "nobody will retire this"
        if row.is_auto_rotation_enabled and not row.deletion:
            assert row.due_at is not None, "a schedule that was lost"
            assert row.next_rotation_at is not None or not look.created
        if not row.is_auto_rotation_enabled and not look.pending and not row.failures:
            assert row.due_at is None, "paused, and yet due"
            assert row.next_rotation_at is None

    def _check_runs(self, look: Look) -> None:
        for attempt in look.attempts:
            if attempt.id in self._finished or attempt.state not in ("done", "retiring"):
                continue
            self._finished.add(attempt.id)
            if attempt.scheduled_for is not None:
                key = (look.row.id, attempt.scheduled_for)
                assert key not in self.runs, "rotated twice for one due time"
                self.runs.add(key)

    def _check_published(self, rotation_id: str, look: Look, began: datetime) -> None:
        row, place = look.row, self.place
        active = look.slot(row.active_index)
        assert active is not None
        assert (look.mapped["username"], look.mapped["password"]) == active, "mapped secrets are not the active slot"
        former = self.published.get(rotation_id)
        if former != active:
            # A sleeper's late call may be what somebody's hand follows: after the successor's publication, in one step.
            assert place.alive(active) or active in place.struck, "published what does not log in"
            if former is not None:
                self._hand_over(look, former, began)
            self.published[rotation_id] = active
        revoking = bool(row.deletion and row.deletion["revoke"])
        assert revoking or place.alive(active) or active in place.broken, "what is published does not log in"
        inactive = look.slot(1 - row.active_index)
        doomed = look.job.open is not None and look.job.open.row.slot != row.active_index
        if inactive is not None and not doomed and inactive not in self.revoked:
            assert place.alive(inactive) or inactive in place.broken, "what was promised for an interval is dead"

    def _hand_over(self, look: Look, former: Login, began: datetime) -> None:
        """What was published works on: in the other slot, or, when its user left, for an interval."""
        if former == look.slot(1 - look.row.active_index):
            return
        kind = provider_of(look.row.type)
        present = kind.parameters.model_validate(look.row.succession or look.row.parameters)
        if former[0] not in {kind.identity(present, slot) for slot in (0, 1)}:
            self.promises[former] = (look.row.id, began + timedelta(days=look.row.rotation_interval))

    def _check_promises(self, now: datetime) -> None:
        for login, (rotation_id, until) in list(self.promises.items()):
            look = self.looks.get(rotation_id)
            if until <= now or look is None or look.row.deletion or login in (look.slot(0), look.slot(1)):
                del self.promises[login]  # of a user who came back, a slot holds it now, and the next run ends it
            else:
                assert self.place.alive(login) or login in self.place.broken, "a former user was cut off early"

    def _check_others(self) -> None:
        place = self.place
        for login in place.others:
            assert place.alive(login) or login in place.broken, "somebody else's login was removed"
        known = {login for look in self.looks.values() for login in look.known}
        markers = tuple(marker for look in self.looks.values() for marker in look.markers)
        ending = {user for look in self.looks.values() for user in look.ending}
        lost = {login for login in place.ours if place.alive(login) and login[0] not in ending} - known - self.released
        lost = {login for login in lost if not (markers and login[1].endswith(markers))}
        assert not lost, "a login that nobody knows of was left behind"

    def release(self, users: set[str]) -> None:
        """A rotation of these users was deleted, and they were to be left alone."""
        self.released |= {login for login in self.place.ours if login[0] in users}

    def time_went_back(self) -> None:
        """What was due once may be due again."""
        self.runs.clear()
