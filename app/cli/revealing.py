"""`keyturn secrets places` and `reveal`: for a person who looks around, where `list` and `get` are for programs."""

from __future__ import annotations

from argparse import Namespace

from app.cli import output
from app.cli.running import use
from app.cli.secrets import place_of
from app.service import Service


def places(args: Namespace) -> int:
    async def work(service: Service) -> int:
        found = await service.secrets.places()
        if args.json:
            output.json_line({"places": output.view_json(found)})
            return 0
        output.table(
            ("PROJECT", "ENVIRONMENT", "PATH"),
            [(place.project, place.environment, place.path) for place in found],
            empty="There is no folder yet. A rotation makes the one that it publishes to.",
        )
        return 0

    return use(work)


def reveal(args: Namespace) -> int:
    async def work(service: Service) -> int:
        if args.rotation is not None:
            value = await service.secrets.reveal(args.rotation, args.name)
        else:
            value = await service.secrets.reveal_at(place_of(args), args.name)
        if args.json:
            output.json_line({"name": args.name, "value": value})
        else:
            output.line(value)
        return 0

    return use(work)
