"""`keyturn drill`."""

from __future__ import annotations

import asyncio
import os
import signal
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from app import logs
from app.cli import output
from app.cli.questions import confirm_drill
from app.cli.running import use
from app.errors import EXIT_FAILED, KeyturnError
from app.settings import load_settings

if TYPE_CHECKING:
    from app.drill.drill import Drill
    from app.drill.gate import Access
    from app.drill.play import Result

_WIDTHS = (19, 31, 5, 6, 6, 6)
_HEADING = ("SCENARIO", "WHAT HAPPENS", "THEN", "LOGINS", "CACHED", "RESULT")


def run(args: Namespace) -> int:
    from app.drill.gate import access_of

    if args.connection is None:
        return _private(args)
    access = use(lambda service: access_of(service, args.connection))
    if not args.yes and not confirm_drill(access.where, 4 * args.at_once):
        output.note("Nothing was done.")
        return EXIT_FAILED
    return _carried_out(args, access)


def _private(args: Namespace) -> int:
    from app.demo.server import PrivateServer, ServerError
    from app.drill.gate import Access

    try:
        with PrivateServer(settings={"max_connections": "200"}) as server:
            return _carried_out(args, Access.to(server.host, server.port, server.superuser, server.password))
    except ServerError as error:
        raise KeyturnError(str(error)) from None


def _carried_out(args: Namespace, access: Access) -> int:
    from app.drill.drill import Drill

    table = _Table(quiet=args.json)
    drill = Drill(access, table.add, workers=args.at_once, only=args.only)
    try:
        with logs.kept(load_settings(os.environ).log_file):
            results = asyncio.run(_until_told(drill))
    except KeyboardInterrupt:
        output.note("Interrupted; what the drill had made is removed.")
        return 128 + signal.SIGINT
    except asyncio.CancelledError:
        output.note("Told to stop; what the drill had made is removed.")
        return 128 + signal.SIGTERM
    finally:
        if drill.leftovers:
            output.complain("These users of the drill could not be removed. Whoever may can do it with:")
            output.note("\n".join(drill.leftovers))
    if args.json:
        output.json_line(_document(results))
    else:
        _summary(results)
    return 0 if all(result.good for result in results) else EXIT_FAILED


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
        self._begun = False

    def add(self, result: Result, left: int | None) -> None:
        if self._quiet:
            return
        if not self._begun and output.for_people():
            _row(_HEADING, "LEFT")
        self._begun = True
        point, tally = result.point, result.tally
        verdict = "ok" if result.good else "FAILED"
        then = "again" if point.again else ""
        _row(
            (point.scenario.name, point.fate, then, str(tally.logins), str(tally.cached), verdict),
            "" if left is None else str(left),
        )
        for complaint in result.complaints:
            output.line(output.clean(f"  {complaint}"))


def _row(cells: tuple[str, ...], left: str) -> None:
    if not output.for_people():
        output.line("\t".join(cells))
        return
    texts, numbers = cells[:3], (*cells[3:], left)
    aligned = [text.ljust(width) for text, width in zip(texts, _WIDTHS, strict=False)]
    aligned += [text.rjust(width) for text, width in zip(numbers, (*_WIDTHS[3:], 4), strict=True)]
    output.line(" ".join(aligned).rstrip())


def _summary(results: list[Result]) -> None:
    failed = sum(not result.good for result in results)
    logins, cached = sum(r.tally.logins for r in results), sum(r.tally.cached for r in results)
    refused = sum(result.tally.failed for result in results)
    output.line(
        f"{len(results)} points, {failed} failed. {logins:,} logins with what was published and {cached:,} with what"
        f" was published before, {refused} failed."
    )


def _document(results: list[Result]) -> dict[str, Any]:
    points = [
        {
            "scenario": result.point.scenario.name,
            "whatHappens": result.point.fate,
            "successor": "command" if result.point.again else "loop",
            "logins": result.tally.logins,
            "cachedLogins": result.tally.cached,
            "failedLogins": result.tally.failed,
            "seconds": round(result.seconds, 1),
            "complaints": list(result.complaints),
        }
        for result in results
    ]
    return {"points": points, "failed": sum(not result.good for result in results)}
