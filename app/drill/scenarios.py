"""What dies: the commands of the program, each from a state that is prepared for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from app.drill.child import Stuck
from app.drill.ground import NAME, RENAMED, THERE, Ground

ONCE = ("--run-scheduler", "--once")

Setup = Callable[[Ground], Awaitable[None]]
Words = Callable[[Ground], Sequence[str]]


@dataclass(frozen=True)
class Scenario:
    """`words` are what is called; it is killed wherever a rehearsal found that it comes by, or at `only` these points.

    From the point `intent` on the background loop brings it to its end; before that, and as well at the points `again`,
    the same command does. At the points `asleep` it is suspended instead, until a successor has done its work.
    """

    name: str
    setup: Setup
    words: Words
    intent: str = ""
    only: frozenset[str] = frozenset()
    again: frozenset[str] = frozenset()
    asleep: tuple[str, ...] = ()
    inside: tuple[tuple[str, int], ...] = ()
    """Calls of the target inside which it is killed: the point before, and the number of the user they are about."""
    calls: frozenset[str] = frozenset()
    """Calls inside which it is killed whenever it comes by: before they arrive, and before their answers do."""
    loops: bool = False
    """It runs until it is told to stop."""
    terminal: bool = False
    publications: int = 1
    scheduled: bool = False
    """It is a run that is due, and must be the only one for its time."""
    deletes: bool = False
    served: frozenset[str] = frozenset()
    """Points and calls of a deletion at which what is published must still log in."""
    slots: int = 2
    """How many of the slots are filled at the end."""
    heirs: bool = False
    """At the end the other two users have it."""
    former: int = 0
    """How many credentials of users who were edited away still live at the end, for that was promised."""
    renamed: bool = False
    moved: bool = False


async def nothing(ground: Ground) -> None:
    """The connection alone."""


async def created(ground: Ground) -> None:
    await ground.create()


async def overdue(ground: Ground) -> None:
    await ground.create(hours_ago=72)


async def handed_over(ground: Ground) -> None:
    """Long enough ago for the former users' credentials to be due as well."""
    await ground.create(hours_ago=72)
    await ground.hand_over(ground.heirs, hours_ago=60)


async def returned(ground: Ground) -> None:
    """Before anybody's time had come, which now has come for all four."""
    await handed_over(ground)
    await ground.hand_over(ground.users, hours_ago=59)


def half(words: Words) -> Setup:
    """Another process has died already, with the target's answer in its hands."""

    async def setup(ground: Ground) -> None:
        if words is not create:
            await ground.create()
        child = ground.program.start(words(ground), "issue.called")
        try:
            if await child.ended() != -9:
                raise Stuck(f"the first process did not die: {child.tail()}")
        finally:
            await child.dispose()
        await ground.free()

    return setup


def create(ground: Ground) -> Sequence[str]:
    return ("rotations", "create", ground.scratch.type, "--json", "--file", ground.file(ground.creation))


def rotate(_: Ground) -> Sequence[str]:
    return ("rotations", "rotate", NAME, "--json")


def delete(_: Ground) -> Sequence[str]:
    return ("rotations", "delete", NAME, "--revoke", "--delete-secrets", "--yes")


def rename(ground: Ground) -> Sequence[str]:
    return _edit(ground, {"name": RENAMED, "secretsMapping": ground.new_mapping})


def hand_over(ground: Ground) -> Sequence[str]:
    return _edit(ground, {"parameters": ground.heirs})


def hand_back(ground: Ground) -> Sequence[str]:
    return _edit(ground, {"parameters": ground.users})


def _edit(ground: Ground, change: dict[str, object]) -> Sequence[str]:
    return ("rotations", "edit", NAME, "--json", "--file", ground.file(change))


def move(_: Ground) -> Sequence[str]:
    return ("rotations", "move", NAME, "--env", THERE.environment, "--path", THERE.path)


def loop(_: Ground) -> Sequence[str]:
    return ("--run-scheduler",)


def once(_: Ground) -> Sequence[str]:
    return ONCE


def terminal(_: Ground) -> Sequence[str]:
    return ()
