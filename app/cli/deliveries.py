"""`keyturn deliveries`: what hooks were told, and what could not be delivered."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from app.cli import output
from app.cli.running import use

if TYPE_CHECKING:
    from app.operations.deliveries import DeliveryView
    from app.service import Service


def show_all(args: Namespace) -> int:
    async def work(service: Service) -> int:
        views = await service.deliveries.recent(args.limit, hook=args.hook, failed=args.failed)
        if args.json:
            output.json_line({"deliveries": output.view_json(views)})
            return 0
        output.table(
            ("ID", "STATE", "HOOK", "EVENT", "ROTATION", "AT", "TRIES", "NEXT", "ANSWER"),
            [_cells(view) for view in views],
            empty="No delivery failed." if args.failed else "Nothing was to be delivered yet.",
        )
        return 0

    return use(work)


def retry(args: Namespace) -> int:
    async def work(service: Service) -> int:
        return _told(args, await service.deliveries.retry(args.id), "is tried again by the next loop")

    return use(work)


def drop(args: Namespace) -> int:
    async def work(service: Service) -> int:
        return _told(args, await service.deliveries.drop(args.id), "is dropped")

    return use(work)


def _told(args: Namespace, view: DeliveryView, what: str) -> int:
    if args.json:
        output.json_line({"delivery": output.view_json(view)})
    else:
        output.line(output.clean(f"Delivery {view.id} ({view.event} of {view.rotation} to {view.hook}) {what}."))
    return 0


def _cells(view: DeliveryView) -> tuple[str, ...]:
    return (
        str(view.id),
        view.state,
        view.hook,
        view.event if view.count == 1 else f"{view.event} x{view.count}",
        view.rotation,
        output.when(view.at),
        str(view.attempts),
        output.distance(view.next_at),
        view.answer,
    )
