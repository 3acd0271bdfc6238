"""The whole drill: users of its own at the target, a rehearsal of every scenario, then every point that it came by."""

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
from app.drill.gate import Access
from app.drill.ground import make_template
from app.drill.play import Point, Result, Stage, play
from app.drill.scenarios import SCENARIOS, Scenario
from app.drill.scratch import Scratch, scratch
from app.errors import UsageError
from providers.base import TargetError
from providers.postgres import PostgresTarget


@dataclass
class Drill:
    """`leftovers` is the SQL for what could not be removed, when it ended; look at it whatever happened.

    `only` is a text that the name of a point must hold. `told` hears of every result, and how many are still to come
    (None as long as that is not known).
    """

    access: Access
    told: Callable[[Result, int | None], None]
    workers: int = 1
    only: str = ""
    argv: Sequence[str] = PROGRAM
    leftovers: list[str] = field(default_factory=list, init=False)

    async def run(self) -> list[Result]:
        """Raises TargetError when the users cannot be made, UsageError when there is no such point."""
        with _folder() as folder:
            async with self._stages(folder) as stages:
                rehearsals = [Point(scenario) for scenario in self._scenarios()]
                results = await self._share(rehearsals, stages, known=False)
                points = [p for r in results for p in points_of(r) if self.only in p.title]
                found = any(self.only in point.title for point in (*rehearsals, *points))
                if not found and all(result.good for result in results):
                    raise UsageError(f"No point of the drill has {self.only!r} in its name.")
                return [*results, *await self._share(points, stages, known=True)]

    def _scenarios(self) -> Sequence[Scenario]:
        """Those that `only` names; all when it speaks of points alone."""
        titles = {scenario: f"{scenario.name}: " for scenario in SCENARIOS}
        return [s for s, text in titles.items() if self.only in text or self.only.startswith(text)] or SCENARIOS

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
        target = self.access.open()
        assert isinstance(target, PostgresTarget)
        makers = [scratch(target) for _ in range(self.workers)]
        try:
            await make_template(folder / "template", self.access)
            for maker in makers:
                await maker.make()
            yield [Stage(folder / "template", folder, self.access, maker.users, self.argv) for maker in makers]
        finally:
            await self._tidy(makers)
            await target.close()

    async def _tidy(self, makers: Sequence[Scratch]) -> None:
        """What is to be said comes first: this may be broken off as well."""
        self.leftovers = [maker.removal for maker in makers if maker.present]
        for maker in makers:
            with contextlib.suppress(TargetError):
                await maker.remove()
            self.leftovers = [maker.removal for maker in makers if maker.present]


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
        if scenario.only and name not in scenario.only and begun:
            continue
        points += [Point(scenario, name)] if begun else [Point(scenario, name, again=True)]
        points += [Point(scenario, name, again=True)] if begun and name in scenario.again else []
    points += [Point(scenario, name, inside=user) for name, user in scenario.inside]
    return [*points, *(Point(scenario, name, asleep=True) for name in scenario.asleep)]
