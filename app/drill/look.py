"""The throw-away store of a point, and all that can be seen in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from app.service import Service, open_service
from app.settings import load_settings
from store import events, jobs, rekey, rotations, secrets
from store.database import Tx
from store.jobs import Job
from store.tables import Attempt, Rotation

_PUBLISHED = ("create-secret-rotation", "secret-rotation-rotate-secrets")
_MANY = 1000


def open_at(home: Path, clock: Callable[[], datetime] | None = None) -> Service:
    """A view of the store there, as a further process would have it."""
    return open_service(load_settings({"KEYTURN_HOME": str(home)}), "drill", clock=clock)


@dataclass(frozen=True)
class Look:
    """The store at one moment. `job` is None when there is no rotation (any more)."""

    job: Job | None
    attempts: tuple[Attempt, ...]
    published: Mapping[str, str] = field(repr=False)
    """What the mapped secrets hold, by credential field."""
    publications: int
    """How often anything was published so far."""
    unreadable: tuple[str, ...]
    """Sealed values that do not open."""
    remains: int
    """Rows of the rotation that was there, when it is gone."""

    @property
    def row(self) -> Rotation:
        assert self.job is not None
        return self.job.rotation

    @property
    def leased(self) -> bool:
        return self.job is not None and self.row.lease_until > time.time()

    @property
    def settled(self) -> bool:
        """Whether nothing is left for anybody to do now."""
        if self.job is None:
            return True
        unfinished = self.job.open or self.row.succession is not None or self.row.deletion is not None
        return not self.leased and not unfinished and (self.row.due_at is None or self.row.due_at > datetime.now(UTC))

    @property
    def credentials(self) -> list[dict[str, str]]:
        """Everything that may log in at the target, as far as the store knows."""
        if self.job is None:
            return []
        pending = [*self.job.retiring, *([self.job.open] if self.job.open else [])]
        parts = [part for attempt in pending for part in (attempt.candidate, attempt.issued, attempt.previous) if part]
        return [dict(part.values) for part in (*self.job.credentials.values(), *parts)]


def look(tx: Tx, former: str = "") -> Look:
    """`former` is the id of the rotation that may be gone."""
    found = next(iter(rotations.list_all(tx)), None)
    rotation_id = found.id if found else former
    written = events.recent(tx, _MANY)
    publications = sum(e.action in _PUBLISHED and e.result == "success" for e in written)
    attempts, mapped = rotations.attempts(tx, rotation_id, _MANY), secrets.of_rotation(tx, rotation_id)
    values = {s.field: secrets.value(tx, s.folder_id, s.name) for s in mapped}
    return Look(
        job=jobs.load(tx, rotation_id) if found else None,
        attempts=tuple(attempts),
        published={name: value for name, value in values.items() if name and value is not None},
        publications=publications,
        unreadable=tuple(rekey.unreadable(tx)),
        remains=0 if found else len(attempts) + len(mapped) + len(rotations.credentials(tx, rotation_id)),
    )
