"""What a rotation type declares to be put through the suite: a target to try it on, and how that target misbehaves."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

Values = Mapping[str, str]
"""Of one credential, by their documented field names."""


class Stand(Protocol):
    """A target with something to rotate, as its administrator and its applications see it.

    The suite's own calls go round Keyturn, and may block for a moment.
    """

    @property
    def method(self) -> str:
        """Of the connection."""

    @property
    def credentials(self) -> Mapping[str, Any]:
        """Of the connection, under their documented names. They may do what a rotation needs, and no more."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Of the rotation, under their documented names."""

    async def logs_in(self, published: Values) -> bool:
        """Whether an application gets in that read these values. `published` holds the mapped fields, maybe more."""

    def strays(self, held: Sequence[Values]) -> Collection[str]:
        """What works at the target, was made by the rotation, and is not among what it holds now: by name or id.

        Where each user has one password, which is overwritten, there can be none.
        """

    def intact(self) -> bool:
        """Whether what belongs to others at the target is as it was."""

    def lose_answer(self) -> None:
        """The next issue takes effect at the target, and the answer is lost."""

    def throttle(self) -> None:
        """Issue is told "not now" until `recover`, and nothing is changed by it."""

    def lag(self, published: Values) -> None:
        """What is issued from now on is refused until `recover`. What is published works."""

    def forbid(self) -> None:
        """The connection may change nothing until `recover`. It may still look."""

    def recover(self) -> None:
        """All is well again, whatever was wrong."""

    def spoil(self, credential: Values) -> None:
        """Somebody removes a credential, or changes it, behind Keyturn's back: it does not work any more."""

    def remove(self) -> None:
        """Somebody deletes those who are rotated (the users, the application), with all of their credentials."""


@dataclass(frozen=True)
class Subject:
    """One rotation type. `stand` sets a target up for one test, and takes it down again; it may ask for fixtures."""

    type: str
    stand: Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Stand]]
