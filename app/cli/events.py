"""`keyturn events`."""

from __future__ import annotations

from argparse import Namespace

from app.cli import output
from app.cli.running import use
from app.service import Service


def show(args: Namespace) -> int:
    async def work(service: Service) -> int:
        events = await service.history.recent(args.limit, args.rotation)
        if args.json:
            output.json_line({"events": output.view_json(events)})
            return 0
        output.table(
            ("WHEN", "WHO", "WHAT", "RESULT", "SUBJECT", "MESSAGE"),
            [(output.when(e.at), e.actor, e.action, e.result, e.subject, e.message) for e in events],
            empty="Nothing has happened yet.",
        )
        return 0

    return use(work)
