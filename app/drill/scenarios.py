"""What dies: the commands of the program, each from a state that is prepared for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from app.drill.child import Stuck
from app.drill.gate import TYPE
from app.drill.ground import NAME, NEW_MAPPING, RENAMED, THERE, Ground

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
    loops: bool = False
    """It runs until it is told to stop."""
    terminal: bool = False
    publications: int = 1
    scheduled: bool = False
    """It is a run that is due, and must be the only one for its time."""
    deletes: bool = False
    served: frozenset[str] = frozenset()
    """Points of a deletion at which what is published must still log in."""
    heirs: bool = False
    """At the end the other two users have it."""
    former: int = 0
    """How many credentials of users who were edited away still live at the end, for that was promised."""
    renamed: bool = False
    moved: bool = False


async def _nothing(ground: Ground) -> None:
    """The connection alone."""


async def _created(ground: Ground) -> None:
    await ground.create()


async def _overdue(ground: Ground) -> None:
    await ground.create(hours_ago=72)


async def _handed_over(ground: Ground) -> None:
    """Long enough ago for the former users' credentials to be due as well."""
    await ground.create(hours_ago=72)
    await ground.hand_over(ground.heirs, hours_ago=60)


async def _returned(ground: Ground) -> None:
    """Before anybody's time had come, which now has come for all four."""
    await _handed_over(ground)
    await ground.hand_over(ground.users, hours_ago=59)


def _half(words: Words) -> Setup:
    """Another process has died already, with the target's answer in its hands."""

    async def setup(ground: Ground) -> None:
        if words is not _create:
            await ground.create()
        child = ground.program.start(words(ground), "issue.called")
        try:
            if await child.ended() != -9:
                raise Stuck(f"the first process did not die: {child.tail()}")
        finally:
            await child.dispose()
        await ground.free()

    return setup


def _create(ground: Ground) -> Sequence[str]:
    return ("rotations", "create", TYPE, "--json", "--file", ground.file(ground.creation))


def _rotate(_: Ground) -> Sequence[str]:
    return ("rotations", "rotate", NAME, "--json")


def _delete(_: Ground) -> Sequence[str]:
    return ("rotations", "delete", NAME, "--revoke", "--delete-secrets", "--yes")


def _rename(ground: Ground) -> Sequence[str]:
    return _edit(ground, {"name": RENAMED, "secretsMapping": NEW_MAPPING})


def _hand_over(ground: Ground) -> Sequence[str]:
    return _edit(ground, {"parameters": ground.heirs})


def _hand_back(ground: Ground) -> Sequence[str]:
    return _edit(ground, {"parameters": ground.users})


def _edit(ground: Ground, change: dict[str, object]) -> Sequence[str]:
    return ("rotations", "edit", NAME, "--json", "--file", ground.file(change))


def _move(_: Ground) -> Sequence[str]:
    return ("rotations", "move", NAME, "--env", THERE.environment, "--path", THERE.path)


def _loop(_: Ground) -> Sequence[str]:
    return ("--run-scheduler",)


def _once(_: Ground) -> Sequence[str]:
    return ONCE


def _terminal(_: Ground) -> Sequence[str]:
    return ()


_EDITED = frozenset({"edit.recorded", "plan.recorded", "issue.called", "publish.uncommitted", "publish.recorded"})
_TWICE = frozenset({"plan.recorded#2", "issue.called#2", "publish.uncommitted#2", "publish.recorded#2"})

SCENARIOS = (
    Scenario(
        "create",
        _nothing,
        _create,
        intent="create.begun",
        again=frozenset({"create.begun", "issue.called", "publish.recorded", "publish.uncommitted#2"}),
        asleep=("issue.before", "issue.called#2"),
        inside=(("issue.before", 1), ("issue.before#2", 0)),
    ),
    Scenario(
        "scheduled run",
        _overdue,
        _loop,
        scheduled=True,
        loops=True,
        asleep=("issue.before", "issue.called"),
        inside=(("issue.before", 1),),
    ),
    Scenario(
        "run by hand",
        _created,
        _rotate,
        intent="plan.recorded",
        again=frozenset({"plan.recorded", "issue.called", "publish.uncommitted"}),
        asleep=("issue.before", "issue.called", "verify.called", "publish.before"),
        inside=(("issue.before", 1),),
    ),
    Scenario("resumed run", _half(_rotate), _once, inside=(("issue.before", 1),)),
    Scenario(
        "run in the TUI",
        _overdue,
        _terminal,
        scheduled=True,
        loops=True,
        terminal=True,
        only=frozenset({"claim.recorded", "plan.recorded", "issue.called", "publish.uncommitted", "publish.recorded"}),
        asleep=("issue.called",),
    ),
    Scenario("rename", _created, _rename, intent="edit.recorded", publications=0, renamed=True),
    Scenario(
        "edit to other users",
        _created,
        _hand_over,
        intent="edit.recorded",
        again=_EDITED,
        inside=(("issue.before", 3), ("issue.before#2", 2)),
        heirs=True,
        former=2,
    ),
    Scenario(
        "end of former users",
        _handed_over,
        _loop,
        scheduled=True,
        loops=True,
        heirs=True,
        only=frozenset(f"retire.{part}{time}" for part in ("before", "called", "recorded") for time in ("", "#2")),
        inside=(("retire.before", 1), ("retire.before#2", 0)),
    ),
    Scenario("edit back to them", _handed_over, _hand_back, intent="edit.recorded", only=_EDITED | _TWICE, former=1),
    Scenario(
        "end of the others",
        _returned,
        _loop,
        scheduled=True,
        loops=True,
        only=frozenset(f"retire.called{time}" for time in ("", "#2", "#3", "#4")),
    ),
    Scenario("move", _created, _move, intent="move.recorded", publications=0, moved=True),
    Scenario(
        "delete",
        _created,
        _delete,
        intent="delete.asked",
        again=frozenset({"revoke.called", "revoke.called#2"}),
        inside=(("revoke.before", 1), ("revoke.before#2", 0)),
        publications=0,
        deletes=True,
        served=frozenset({"delete.asked", "claim.recorded", "revoke.before", "revoke.called", "revoke.before#2"}),
    ),
    Scenario("delete half created", _half(_create), _delete, intent="delete.asked", publications=0, deletes=True),
)
