"""`keyturn events`."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from argparse import Namespace
from collections.abc import Iterable

from app.cli import output
from app.cli.endings import OutputClosed
from app.cli.running import use
from app.service import Service
from app.views import EventView

_SHOWN, _SHOWN_BEFORE_FOLLOWING = 100, 10


def show(args: Namespace) -> int:
    if args.follow:
        return use(lambda service: _follow(service, args))

    async def work(service: Service) -> int:
        events = await service.history.recent(args.limit or _SHOWN, args.rotation, matching=args.filter)
        if args.json:
            output.json_line({"events": output.view_json(events)})
            return 0
        output.table(
            ("WHEN", "WHO", "WHAT", "RESULT", "SUBJECT", "MESSAGE"),
            [_cells(event) for event in events],
            empty="Nothing has happened yet." if not args.filter else f"No event holds {args.filter}.",
        )
        return 0

    return use(work)


async def _follow(service: Service, args: Namespace) -> int:
    """Until a signal comes or nobody reads any more: that is how following is meant to end."""
    output.out("")  # raises when there is no output at all
    newest = await service.history.recent(1)
    after_id = newest[0].id if newest else 0
    limit = args.limit or _SHOWN_BEFORE_FOLLOWING
    before = await service.history.recent(limit, args.rotation, before_id=after_id + 1, matching=args.filter)
    following = asyncio.ensure_future(_tell(service, args, list(reversed(before)), after_id))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, and jobs in the background
            loop.add_signal_handler(number, following.cancel)
    out = sys.stdout.fileno()
    if stat.S_ISFIFO(os.fstat(out).st_mode):  # nobody reads any more: else the next event would tell, however late
        loop.add_reader(out, following.cancel)
    try:
        await following
    except (asyncio.CancelledError, OutputClosed):
        return 0
    finally:
        loop.remove_reader(out)
    raise AssertionError("following ends by being stopped")


async def _tell(service: Service, args: Namespace, before: list[EventView], after_id: int) -> None:
    _print(before, as_json=args.json)
    async for events in service.history.follow(after_id, args.rotation, matching=args.filter):
        _print(events, as_json=args.json)


def _print(events: Iterable[EventView], *, as_json: bool) -> None:
    for event in events:
        if as_json:
            output.out(f"{output.json_text(output.view_json(event), indent=None)}\n")
        elif output.for_people():
            at, *rest = _cells(event)
            output.line(output.clean("  ".join([at, *(cell for cell in rest if cell)])))
        else:
            output.line("\t".join(output.clean(cell) for cell in _cells(event)))


def _cells(event: EventView) -> tuple[str, ...]:
    return (output.when(event.at), event.actor, event.action, event.result, event.subject, event.message)
