"""`keyturn rotations plan`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from app.cli import output
from app.cli.running import use
from app.errors import EXIT_FAILED
from app.operations.plan import Plan
from app.service import Service

_MARKS = {"passed": "ok  ", "warning": "warn", "failed": "FAIL"}


def show(args: Namespace) -> int:
    async def work(service: Service) -> int:
        plan = await service.plans.plan(args.name)
        if args.json:
            output.json_line({"plan": output.view_json(plan)})
        else:
            output.out("".join(f"{line}\n" for line in lines(plan)))
        return 0 if plan.ready else EXIT_FAILED

    return use(work)


def lines(plan: Plan) -> Iterator[str]:
    """As people read it, in a pipe as well."""
    clean = output.clean
    yield clean(f"The next rotation of {plan.name} ({plan.type}, connection {plan.connection}, {plan.place})")
    on_schedule = f"on schedule at {output.when(plan.scheduled_at)}" if plan.scheduled_at else "never by itself"
    yield clean(f"It runs {on_schedule}, and when asked. Active now: {plan.active or 'nothing yet'}.")
    yield from _part("First", plan.first)
    if plan.steps:
        yield from ("", "Step by step")
    for step in plan.steps:
        yield clean(f"  {step.step:<8} {step.text}")
        for call in step.calls:
            first, *more = call.text.splitlines() or [""]
            yield clean(f"           > {first}")
            yield from (clean(f"             {line}") for line in more)
            if call.note:
                yield clean(f"             {call.note}")
    names = [f"{name} gets the {field}, in {plan.place}" for name, field in plan.publishes.items()]
    yield from _part("What is published", names if plan.steps else ())
    yield from _part("What dies, and when", [death.text for death in plan.deaths])
    yield from _part("Who still uses it", [plan.use] if plan.use else ())
    if plan.checks:
        yield from ("", "What it needs")
    for check in plan.checks:
        detail = f": {check.detail}" if check.detail else ""
        yield clean(f"  {_MARKS[check.result]} {check.title}{detail}")
        yield from (clean(f"         {line}") for line in check.remedy.splitlines() if check.result != "passed")
    yield from ("", "Nothing was changed. " + ("It can run." if plan.ready else "It cannot run as things are."))


def _part(title: str, said: tuple[str, ...] | list[str]) -> Iterator[str]:
    if said:
        yield from ("", title)
        yield from (output.clean(f"  {line}") for line in said)
