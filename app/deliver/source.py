"""What a file is made of: plain values, read from the store in one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Source:
    """`values`: name to value of the published secrets. The rest is empty for a folder.

    `credentials`: both that work, by field, the active one first. `server`: the connection's public fields.
    `coming`: what the target was given already and is published next. `former`: what an edit replaced and still works.
    """

    values: Mapping[str, str] = field(repr=False)
    credentials: tuple[Mapping[str, str], ...] = field(default=(), repr=False)
    server: Mapping[str, Any] = field(default_factory=dict)
    coming: tuple[Mapping[str, str], ...] = field(default=(), repr=False)
    former: tuple[Mapping[str, str], ...] = field(default=(), repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not show up in a text."""
        held = (
            value for credential in (*self.credentials, *self.coming, *self.former) for value in credential.values()
        )
        return (*self.values.values(), *held)
