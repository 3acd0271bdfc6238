"""What the loop does, as log lines."""

from __future__ import annotations

import contextlib
import logging

from app.views import Progress

_LEVELS = {"started": logging.DEBUG, "failed": logging.WARNING}

log = logging.getLogger("keyturn")


def tell(event: str, *, level: int = logging.INFO, **fields: object) -> None:
    """Where this was called from stands in no line, and finding out would take as long as all the rest."""
    if log.isEnabledFor(level):
        record = log.makeRecord(log.name, level, "", 0, "%s", (event,), None, extra={"fields": fields})
        with contextlib.suppress(OSError):
            log.handle(record)


class Names:
    """Remembers what rotations are called and whether their guard held them back: an outcome tells neither."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._postponed: set[str] = set()

    def step(self, progress: Progress) -> None:
        self._known[progress.rotation_id] = progress.rotation
        if progress.state == "postponed":
            self._postponed.add(progress.rotation_id)
        tell(
            "step",
            level=_LEVELS.get(progress.state, logging.INFO),
            rotation=progress.rotation,
            slot=progress.slot,
            user=progress.identity,
            step=progress.step,
            state=progress.state,
            ms=progress.ms,
            attempt=progress.attempt_id,
            **({"message": progress.message} if progress.message else {}),
        )

    def outcome(self, rotation_id: str, error: str | None) -> str:
        """Tell it, and return what it is: "done", "postponed" or "failed"."""
        name = self._known.pop(rotation_id, rotation_id)
        postponed = rotation_id in self._postponed
        self._postponed.discard(rotation_id)
        if error is not None:
            tell("failed", level=logging.ERROR, rotation=name, message=error)
            return "failed"
        result = "postponed" if postponed else "done"
        tell(result, rotation=name)
        return result
