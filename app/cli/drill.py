"""`keyturn drill`."""

from __future__ import annotations

import asyncio
import os
import signal
from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from app import logs
from app.cli import output
from app.cli.questions import confirm_drill
from app.cli.running import use
from app.errors import EXIT_FAILED, KeyturnError, UsageError
from app.settings import load_settings

if TYPE_CHECKING:
    from app.drill.drill import Drill
    from app.drill.gate import Access
    from app.drill.play import Result
    from app.drill.scenarios import Scenario
    from app.drill.scratch import Scratch
    from app.drill.stands import Stand

_WIDTHS = (19, 31, 5, 6, 6, 6)
_HEADING = ("SCENARIO", "WHAT HAPPENS", "THEN", "LOGINS", "CACHED", "RESULT")


def run(args: Namespace) -> int:
    from app.drill.gate import access_of

    if args.connection is None:
        return _ended(args, lambda drills: _on_stands(args, drills))
    access = use(lambda service: access_of(service, args.connection))
    if not args.yes and not confirm_drill(access.where, 4 * args.at_once):
        output.note("Nothing was done.")
        return EXIT_FAILED
    return _ended(args, lambda drills: _at(args, access, drills))


def _on_stands(args: Namespace, drills: _Drills) -> None:
    """Every rotation type, or the one asked for, on a target that is started for it."""
    from app.drill.stands import stands

    unknown: UsageError | None = None
    for stand in stands(args.type, args.only):
        try:
            _on_stand(args, drills, stand)
        except UsageError as error:  # a point that another type may have
            unknown = error
    if unknown is not None and not drills.results:
        raise unknown


def _on_stand(args: Namespace, drills: _Drills, stand: Stand) -> None:
    from app.demo.iam import IamError
    from app.demo.server import ServerError

    try:
        with stand.start(args.at_once) as scratches:
            drills.carry_out(stand.type, scratches, stand.scenarios, pause=stand.pause)
    except (ServerError, IamError) as error:
        raise KeyturnError(str(error)) from None


def _at(args: Namespace, access: Access, drills: _Drills) -> None:
    from app.drill.postgres import postgres_scratch
    from app.drill.scenarios_passwords import PASSWORDS

    scratches = [postgres_scratch(access) for _ in range(args.at_once)]
    drills.carry_out(scratches[0].type, scratches, PASSWORDS)


def _ended(args: Namespace, work: Callable[[_Drills], None]) -> int:
    drills = _Drills(args)
    try:
        with logs.kept(load_settings(os.environ).log_file):
            work(drills)
    except KeyboardInterrupt:
        output.note("Interrupted; what the drill had made is removed.")
        return 128 + signal.SIGINT
    except asyncio.CancelledError:
        output.note("Told to stop; what the drill had made is removed.")
        return 128 + signal.SIGTERM
    finally:
        if drills.leftovers:
            output.complain("These users of the drill could not be removed. Whoever may can do it with:")
            output.note("\n".join(drills.leftovers))
    results = drills.results
    if args.json:
        output.json_line(_document(results))
    else:
        _summary(results)
    return 0 if all(result.good for _, result in results) else EXIT_FAILED


class _Drills:
    """One drill after the other, and their results by rotation type."""

    def __init__(self, args: Namespace) -> None:
        self.results: list[tuple[str, Result]] = []
        self.leftovers: list[str] = []
        self._args, self._table = args, _Table(quiet=args.json)

    def carry_out(
        self, rotation_type: str, scratches: Sequence[Scratch], scenarios: Sequence[Scenario], *, pause: float = 0.0
    ) -> None:
        from app.drill.drill import Drill

        self._table.begin(rotation_type)
        drill = Drill(scratches, scenarios, self._table.add, only=self._args.only, pause=pause)
        try:
            self.results += [(rotation_type, result) for result in asyncio.run(_until_told(drill))]
        finally:
            self.leftovers += drill.leftovers


async def _until_told(drill: Drill) -> list[Result]:
    """A closed terminal and SIGTERM end it as ctrl+c does: with everything removed."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    return await drill.run()


class _Table:
    """A line for each result as it comes, and below it what was wrong."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._type = ""
        self._begun = False

    def begin(self, rotation_type: str) -> None:
        self._type, self._begun = rotation_type, False

    def add(self, result: Result, left: int | None) -> None:
        if self._quiet:
            return
        if not self._begun and output.for_people():
            output.line(self._type)
            _row(_HEADING, "LEFT", "")
        self._begun = True
        point, tally = result.point, result.tally
        verdict = "ok" if result.good else "FAILED"
        then = "again" if point.again else ""
        _row(
            (point.scenario.name, point.fate, then, str(tally.logins), str(tally.cached), verdict),
            "" if left is None else str(left),
            self._type,
        )
        for complaint in result.complaints:
            output.line(output.clean(f"  {complaint}"))


def _row(cells: tuple[str, ...], left: str, rotation_type: str) -> None:
    if not output.for_people():
        output.line("\t".join((*cells, rotation_type)))
        return
    texts, numbers = cells[:3], (*cells[3:], left)
    aligned = [text.ljust(width) for text, width in zip(texts, _WIDTHS, strict=False)]
    aligned += [text.rjust(width) for text, width in zip(numbers, (*_WIDTHS[3:], 4), strict=True)]
    output.line(" ".join(aligned).rstrip())


def _summary(results: Sequence[tuple[str, Result]]) -> None:
    types = list(dict.fromkeys(rotation_type for rotation_type, _ in results))
    for each in types if len(types) > 1 else ():
        _total([result for rotation_type, result in results if rotation_type == each], f"{each}: ")
    _total([result for _, result in results])


def _total(results: Sequence[Result], of: str = "") -> None:
    failed = sum(not result.good for result in results)
    logins, cached = sum(r.tally.logins for r in results), sum(r.tally.cached for r in results)
    refused = sum(result.tally.failed for result in results)
    output.line(
        f"{of}{len(results)} points, {failed} failed. {logins:,} logins with what was published and {cached:,} with"
        f" what was published before, {refused} failed."
    )


def _document(results: Sequence[tuple[str, Result]]) -> dict[str, Any]:
    points = [
        {
            "type": rotation_type,
            "scenario": result.point.scenario.name,
            "whatHappens": result.point.fate,
            "successor": "command" if result.point.again else "loop",
            "logins": result.tally.logins,
            "cachedLogins": result.tally.cached,
            "failedLogins": result.tally.failed,
            "seconds": round(result.seconds, 1),
            "complaints": list(result.complaints),
        }
        for rotation_type, result in results
    ]
    return {"points": points, "failed": sum(not result.good for _, result in results)}
