"""One point of the drill: a process dies, or sleeps, and what a second one makes of it is put to the test."""

from __future__ import annotations

import contextlib
import shutil
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.drill.application import Application, Tally
from app.drill.audit import Story, complaints
from app.drill.child import PATIENCE, PROGRAM, Child, Stuck
from app.drill.ground import NAME, Ground
from app.drill.look import Look
from app.drill.scenarios import ONCE, Scenario
from app.drill.scratch import Scratch
from app.errors import explain
from app.logs import frames_of

_TRIES = 5
_CALL_SECONDS = 4.0
"""Shorter than the time-out with which the program itself gives a call up that has to wait."""
_ROUNDS = 3
"""Logins before and after everything, so that neither end goes unwatched."""


@dataclass(frozen=True)
class Point:
    """`failpoint` is where it happens; none in a rehearsal, where nothing does.

    `inside` is a call at the target: it dies while that is under way. Where there is a failpoint as well, it goes on
    to the call from there. `answered`: the target has carried the call out, and nobody has heard of it.
    """

    scenario: Scenario
    failpoint: str = ""
    asleep: bool = False
    again: bool = False
    inside: str = ""
    answered: bool = False

    @property
    def fate(self) -> str:
        if self.rehearsal:
            return "not disturbed"
        if not self.failpoint:
            return f"killed {'after' if self.answered else 'before'} {self.inside}"
        if self.inside:
            return f"killed inside {self.failpoint.replace('.before', '')}"
        return f"{'suspended' if self.asleep else 'killed'} at {self.failpoint}"

    @property
    def rehearsal(self) -> bool:
        return not self.failpoint and not self.inside

    @property
    def title(self) -> str:
        return f"{self.scenario.name}: {self.fate}{', command again' if self.again else ''}"


@dataclass(frozen=True)
class Result:
    """`reached` are the failpoints that a rehearsal came by."""

    point: Point
    complaints: tuple[str, ...]
    tally: Tally
    seconds: float
    reached: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        return not self.complaints


@dataclass(frozen=True)
class Stage:
    """What the points of one worker share: a template of a home, a folder for their homes, a part of the target."""

    template: Path
    folder: Path
    scratch: Scratch
    argv: Sequence[str] = PROGRAM
    pause: float = 0.0
    """Between two logins of the application, in seconds."""


class Unlucky(Exception):
    """The process was not suspended where it makes a point, which is no fault of anybody's: try again.

    Another of its threads may have been writing, and then nobody else can until it wakes; or the machine was so busy
    that it lost its lease, which is short here.
    """


async def play(stage: Stage, point: Point) -> Result:
    """Whatever goes wrong is a complaint of the result; nothing is left of its processes and files."""
    for _ in range(_TRIES):
        with contextlib.suppress(Unlucky):
            return await _played(stage, point)
    text = f"the process could not be caught in {_TRIES} tries: is this machine too busy?"
    return Result(point, (text,), Tally(), 0.0)


async def _played(stage: Stage, point: Point) -> Result:
    started, home = time.monotonic(), stage.folder / f"point-{time.monotonic_ns()}"
    run = None
    try:
        await stage.scratch.clear()
        ground = Ground(stage.template, home, scratch=stage.scratch, argv=stage.argv, pause=stage.pause)
        run = _Run(ground, point, ground.application(cached=not point.asleep))
        try:
            await run.carry_out()
        finally:
            await run.aclose()
        found = run.found
    except Exception as error:
        if isinstance(error, Unlucky) and not (run and run.application.tally.failed):
            raise
        found = [*(run.found if run else []), _words(error)]
    finally:
        shutil.rmtree(home, ignore_errors=True)
    tally = run.application.tally if run else Tally()
    reached = tuple(run.reached) if run else ()
    return Result(point, (*tally.complaints, *found), tally, time.monotonic() - started, reached)


@dataclass
class _Run:
    ground: Ground
    point: Point
    application: Application
    found: list[str] = field(default_factory=list)
    reached: list[str] = field(default_factory=list)
    children: list[Child] = field(default_factory=list)

    async def aclose(self) -> None:
        for child in self.children:
            await child.dispose()
        await self.application.stop()
        await self.ground.aclose()

    async def carry_out(self) -> None:
        scenario, ground = self.point.scenario, self.ground
        await scenario.setup(ground)
        before = await ground.look()
        self.application.start()
        if before.published:
            await self.application.rounds(_ROUNDS)
        if scenario.deletes:
            await self.application.stop()
        await self._strike()
        at_death = await ground.look()
        if (self.point.inside or self.point.failpoint) in scenario.served and not await ground.gate.opens(
            at_death.published
        ):
            self.found.append("what was published died before it was its turn")
        extra = await self._succeed()
        if not scenario.deletes:
            await self.application.rounds(_ROUNDS)
        story = Story(scenario, before, at_death, await ground.look(), extra)
        self.found += await complaints(ground, story)
        await self.application.stop()
        if story.end.job is not None:
            await self._go_on(story.end)

    def _start(self, words: Sequence[str], failpoint: str = "", *, terminal: bool = False) -> Child:
        child = self.ground.program.start(words, failpoint, terminal=terminal)
        self.children.append(child)
        return child

    async def _strike(self) -> None:
        """Let the process come to its point. Raises Stuck when it doesn't."""
        scenario, point = self.point.scenario, self.point
        words = scenario.words(self.ground)
        if point.rehearsal:
            await self._rehearse(words)
            return
        if not point.failpoint:
            await self._strike_inside(words)
            return
        stops = point.asleep or bool(point.inside)
        child = self._start(words, f"{point.failpoint}{'=stop' if stops else ''}", terminal=scenario.terminal)
        if not (await child.suspended() if stops else await child.ended() == -signal.SIGKILL):
            raise _ended(child, f"the process never came to {point.failpoint}")
        if stops and not self.ground.writable():
            raise Unlucky
        if point.inside:
            await self._strike_late(child)

    async def _strike_late(self, child: Child) -> None:
        """What it sent takes effect after its death."""
        async with self.ground.scratch.holding(self.point.inside, answered=False) as hold:
            child.wake()
            give_up_at = time.monotonic() + _CALL_SECONDS
            while not await hold.waited_for():
                if child.code is not None or time.monotonic() > give_up_at:
                    raise Unlucky
                await self.ground.pause()
            await child.dispose()

    async def _strike_inside(self, words: Sequence[str]) -> None:
        point = self.point
        async with self.ground.scratch.holding(point.inside, answered=point.answered) as hold:
            child = self._start(words, terminal=point.scenario.terminal)
            give_up_at = time.monotonic() + PATIENCE
            while not await hold.waited_for():
                if child.code is not None or time.monotonic() > give_up_at:
                    raise _ended(child, f"the process never came to {point.inside}")
                await self.ground.pause()
            await child.dispose()

    async def _rehearse(self, words: Sequence[str]) -> None:
        scenario, notes = self.point.scenario, self.ground.home / "reached"
        self.ground.scratch.note(notes)
        try:
            child = self._start(words, f"*={notes}", terminal=scenario.terminal)
            if scenario.loops:
                await self._until_settled(child)
                child.terminate()
            code = await child.ended()
        finally:
            self.ground.scratch.note(None)
        if code != (128 + signal.SIGTERM if scenario.terminal else 0):
            raise _ended(child, "the process failed without being disturbed")
        seen: Counter[str] = Counter()
        for name in notes.read_text().split() if notes.exists() else ():
            seen[name] += 1
            self.reached.append(name if seen[name] == 1 else f"{name}#{seen[name]}")

    async def _until_settled(self, child: Child) -> None:
        give_up_at = time.monotonic() + PATIENCE
        while not (await self.ground.look()).settled:
            if child.code is not None or time.monotonic() > give_up_at:
                raise _ended(child, "the process did not do its work without being disturbed")
            await self.ground.pause()

    async def _succeed(self) -> int:
        """Let other processes take over, and wake a sleeper afterwards. How often the drill itself rotated."""
        await self.ground.free()
        if self.point.again:
            child = self._start(self.point.scenario.words(self.ground))
            if await child.ended():
                raise _ended(child, "the same command again failed")
        await self._converge()
        return await self._wake() if self.point.asleep else 0

    async def _converge(self) -> None:
        """The loop must find nothing wrong, and nothing to do twice."""
        give_up_at = time.monotonic() + PATIENCE
        while True:
            child = self._start(ONCE)
            await child.ended()
            seen = await self.ground.look()
            if seen.settled:
                return
            if time.monotonic() > give_up_at:
                message = seen.row.last_rotation_message or child.tail()
                raise Stuck(f"other processes did not bring it to an end within {PATIENCE:.0f} s: {message}")

    async def _wake(self) -> int:
        """The sleeper's slot is in use again by then: whatever it still did to it would be noticed."""
        sleeper, rotations = self.children[0], self.ground.service.rotations
        for _ in range(2):
            await rotations.rotate(NAME)
        before = await self.ground.look()
        sleeper.wake()
        if self.point.scenario.loops:
            await self.application.rounds(10 * _ROUNDS)
            sleeper.terminate()
        await sleeper.ended()
        after = await self.ground.look()
        if (after.credentials, after.publications) != (before.credentials, before.publications):
            self.found.append("the sleeper changed what its successor had done")
        return 2

    async def _go_on(self, last: Look) -> None:
        """One more rotation goes as it always does."""
        await self.ground.service.rotations.rotate(last.row.id)
        now = await self.ground.look()
        if now.row.active_index == last.row.active_index:
            self.found.append("the next rotation published the same slot")
        for credential in (now.published, last.published):
            if not await self.ground.gate.opens(credential):
                self.found.append(f"after the next rotation {self.ground.who(credential)} did not log in")


def _words(error: Exception) -> str:
    if isinstance(error, Stuck):
        return str(error)
    known = explain(error)
    return known.message if known else f"unexpected {type(error).__name__}, {frames_of(error).splitlines()[-1].strip()}"


def _ended(child: Child, complaint: str) -> Exception:
    said = child.tail()
    return Unlucky() if "lease" in said else Stuck(f"{complaint}: it ended with {child.code}: {said}")
