"""`keyturn rotations emergency`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from app.cli import output
from app.cli.questions import confirm_emergency
from app.cli.rotations import listener_for
from app.cli.running import use
from app.errors import EXIT_FAILED
from app.operations.emergency import EmergencyReport
from app.rotation.guard import listed
from app.service import Service


def renew(args: Namespace) -> int:
    if not args.yes:
        # Asked between two sessions: inside one, ctrl+c could not end the waiting.
        detail = use(lambda service: service.rotations.detail(args.name))
        if not confirm_emergency(detail):
            output.note("Nothing was renewed.")
            return EXIT_FAILED

    async def work(service: Service) -> int:
        report = await service.emergencies.renew(args.name, listener_for(args))
        if args.json:
            output.json_line({"emergency": output.view_json(report)})
        else:
            output.out("".join(f"{output.clean(line)}\n" for line in lines(report)))
        return EXIT_FAILED if report.trouble else 0

    return use(work)


def lines(report: EmergencyReport) -> Iterator[str]:
    """As people read it, in a pipe as well."""
    yield f"Both credentials of {report.name} are new, after {report.ms:.0f} ms. Active: {report.active}."
    yield ""
    yield "Step by step"
    for step in report.steps:
        tries = f" ({step.tries} tries)" if step.tries > 1 else ""
        note = f"  {step.note}" if step.note else ""
        yield f"  {output.utc_text(step.at)}  {step.step:<8} {step.identity}  {step.ms:.0f} ms{tries}{note}"
    if report.dead:
        yield ""
        yield "Dead"
    for dead in report.dead:
        public = ", ".join(f"{name} {value}" for name, value in dead.public.items() if value != dead.identity)
        yield (
            f"  the former credential of {dead.identity}{f' ({public})' if public else ''}, "
            f"since {output.utc_text(dead.since)}"
        )
    if report.ended or report.left:
        yield ""
        yield "Sessions"
    yield from (f"  ended: {listed([each])}" for each in report.ended)
    yield from (f"  STILL OPEN: {listed([each])}" for each in report.left)
    yield from (f"  {text}" for text in report.trouble)
    yield ""
    yield "What to do now"
    yield from (f"  {text}" for text in report.advice)
