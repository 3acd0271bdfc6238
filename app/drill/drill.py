"""The whole drill of one rotation type: a rehearsal of every scenario, then every point that it came by."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.drill.child import PROGRAM
from app.drill.ground import make_template
from app.drill.play import Point, Result, Stage, play
from app.drill.scenarios import Scenario
from app.drill.scratch import LOGIN, Scratch
from app.errors import UsageError
from providers.base import TargetError


@dataclass
class Drill:
    """`leftovers` is what a person can do about what could not be removed, when it ended; look at it whatever happened.

    `scratches`: a part of the target for each of the workers. `only` is a text that the name of a point must hold.
    `told` hears of every result, and how many are still to come (None as long as that is not known). `pause`: between
    two logins of the application, in seconds.
    """

    scratches: Sequence[Scratch]
    scenarios: Sequence[Scenario]
    told: Callable[[Result, int | None], None]
    only: str = ""
    pause: float = 0.0
    argv: Sequence[str] = PROGRAM
    leftovers: list[str] = field(default_factory=list, init=False)

    async def run(self) -> list[Result]:
        """Raises TargetError when its part of the target cannot be made, UsageError when there is no such point."""
        with _folder() as folder:
            async with self._stages(folder) as stages:
                rehearsals = [Point(scenario) for scenario in self._named()]
                results = await self._share(rehearsals, stages, known=False)
                points = [p for r in results for p in points_of(r) if self.only in p.title]
                found = any(self.only in point.title for point in (*rehearsals, *points))
                if not found and all(result.good for result in results):
                    raise UsageError(f"No point of the drill has {self.only!r} in its name.")
                return [*results, *await self._share(points, stages, known=True)]

    def _named(self) -> Sequence[Scenario]:
        """Those that `only` names; all when it speaks of points alone."""
        titles = {scenario: f"{scenario.name}: " for scenario in self.scenarios}
        return [s for s, text in titles.items() if self.only in text or self.only.startswith(text)] or self.scenarios

    async def _share(self, points: Sequence[Point], stages: Sequence[Stage], *, known: bool) -> list[Result]:
        """In the order of the points, whoever of the workers takes which."""
        waiting, results = deque(enumerate(points)), dict[int, Result]()

        async def work(stage: Stage) -> None:
            while waiting:
                number, point = waiting.popleft()
                results[number] = await play(stage, point)
                self.told(results[number], len(points) - len(results) if known else None)

        async with asyncio.TaskGroup() as group:
            for stage in stages:
                group.create_task(work(stage))
        return [results[number] for number in sorted(results)]

    @contextlib.asynccontextmanager
    async def _stages(self, folder: Path) -> AsyncIterator[list[Stage]]:
        stages = []
        try:
            for number, scratch in enumerate(self.scratches):
                await scratch.make()
                stages.append(Stage(folder / f"template-{number}", folder, scratch, self.argv, self.pause))
                await make_template(stages[-1].template, scratch)
            yield stages
        finally:
            await self._tidy()

    async def _tidy(self) -> None:
        """What is to be said comes first: this may be broken off as well."""
        self.leftovers = self._left()
        for scratch in self.scratches:
            with contextlib.suppress(TargetError):
                await scratch.remove()
            self.leftovers = self._left()

    def _left(self) -> list[str]:
        return [scratch.removal for scratch in self.scratches if scratch.removal]


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="keyturn-drill-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def points_of(rehearsal: Result) -> list[Point]:
    """Where the process is killed, and where it is suspended; none when the rehearsal failed."""
    scenario, points = rehearsal.point.scenario, list[Point]()
    if not rehearsal.good:
        return points
    begun = not scenario.intent
    for name in rehearsal.reached:
        begun = begun or name == scenario.intent
        if "." not in name:  # no failpoint: a call at the target
            points += _points_inside(scenario, name, begun=begun)
            continue
        if scenario.only and name not in scenario.only and begun:
            continue
        points += [Point(scenario, name)] if begun else [Point(scenario, name, again=True)]
        points += [Point(scenario, name, again=True)] if begun and name in scenario.again else []
    points += [Point(scenario, name, inside=str(user)) for name, user in scenario.inside]
    return [*points, *(Point(scenario, name, asleep=True) for name in scenario.asleep)]


def _points_inside(scenario: Scenario, call: str, *, begun: bool) -> list[Point]:
    """A login is tried three times in a row, and one of them is like the other."""
    if call.partition("#")[0] not in scenario.calls or call.startswith(f"{LOGIN}#"):
        return []
    return [Point(scenario, again=not begun, inside=call, answered=answered) for answered in (False, True)]
