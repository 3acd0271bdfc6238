"""`keyturn events verify`."""

from __future__ import annotations

from argparse import Namespace

from app.cli import output
from app.cli.running import use
from app.errors import EXIT_FAILED
from app.operations.audit import head_of
from app.operations.audit import verify as walk
from app.service import Service


def verify(args: Namespace) -> int:
    async def work(service: Service) -> int:
        verdict = await walk(service.context, args.known)
        head = head_of(verdict)
        if args.json:
            told = {
                "intact": not verdict.broken,
                "events": verdict.count,
                "head": head,
                "broken": verdict.broken or None,
            }
            output.json_line({"history": told})
        elif not verdict.broken:
            output.line(f"All {verdict.count} events are as they were written. Head: {head}")
        if verdict.broken:
            output.complain(
                f"The history is intact up to event {verdict.count}; then {verdict.broken}.",
                "Somebody changed the database past Keyturn. Compare it with a backup, and see who may write to it.",
            )
        return EXIT_FAILED if verdict.broken else 0

    return use(work, as_it_is=True)
