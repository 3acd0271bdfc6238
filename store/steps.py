"""A finished step of an attempt, as it is journaled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class StepDone:
    """One finished step, as the history shows it."""

    step: str
    started_at: datetime
    ms: float
    tries: int = 1
    note: str = ""
    detail: Mapping[str, Any] | None = None
    """What the step found, for reports. Nothing secret."""

    def as_json(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "started_at": self.started_at.isoformat(),
            "ms": round(self.ms, 2),
            "tries": self.tries,
            **({"note": self.note} if self.note else {}),
            **({"detail": dict(self.detail)} if self.detail else {}),
        }
