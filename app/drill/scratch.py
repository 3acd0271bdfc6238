"""What a drill has at a target for itself: principals that nothing else uses, made, and removed whatever happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from app.drill.gate import Access

LOGIN = "login"
"""The name of the call by which a new credential is tried."""


@dataclass(frozen=True)
class Held:
    """A credential that the journal knows, and whose it is."""

    owner: str
    values: Mapping[str, str] = field(repr=False)


class Hold(Protocol):
    async def waited_for(self) -> bool:
        """Whether a call is under way that does not come back before the hold is left."""


class Scratch(Protocol):
    """The part of one worker. A new rotation type can be drilled when it has one of these."""

    type: str
    fields: tuple[str, ...]
    """The credential's fields that are published; by the first of them it is named to people."""

    @property
    def access(self) -> Access:
        """The program's."""

    @property
    def way_in(self) -> Access:
        """The application's, and that of whoever looks: nobody holds up what goes this way."""

    @property
    def users(self) -> Mapping[str, str]:
        """The rotation's parameters."""

    @property
    def heirs(self) -> Mapping[str, str]:
        """The same after it was edited to somebody else."""

    @property
    def removal(self) -> str:
        """What a person can do to remove what is there; empty when nothing is."""

    async def make(self) -> None:
        """All or nothing. Raises TargetError."""

    async def remove(self) -> None:
        """What is there. Raises TargetError."""

    async def clear(self) -> None:
        """Remove the credentials of an earlier point."""

    def note(self, notes: Path | None) -> None:
        """Write the names of calls down there as they come by, until told otherwise."""

    def holding(self, call: str, *, answered: bool) -> AbstractAsyncContextManager[Hold]:
        """Hold a call up until the block is left."""

    async def complaints(self, known: Sequence[Held]) -> list[str]:
        """What is there that nobody knows, what is not there, and what became of that which is somebody else's."""
