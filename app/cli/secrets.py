"""`keyturn secrets`."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from app.cli import output, reading
from app.errors import UsageError
from app.views import Place

if TYPE_CHECKING:
    from app.service import Service


def place_of(args: Namespace) -> Place:
    return Place(args.project, args.env, args.path)


def show_all(args: Namespace) -> int:
    from app.cli.running import use

    async def work(service: Service) -> int:
        views = await service.secrets.names(place_of(args))
        if args.json:
            output.json_line({"secrets": output.view_json(views)})
            return 0
        output.table(
            ("NAME", "VERSION", "UPDATED", "ROTATION"),
            [(v.name, str(v.version), output.when(v.updated_at), v.rotation or "") for v in views],
            empty=f"There are no secrets at {args.project} {args.env} {args.path}.",
        )
        return 0

    return use(work)


def get(args: Namespace) -> int:
    value = _value_of(args)
    if args.json:
        output.json_line({"name": args.name, "value": value})
    else:
        output.line(value)
    return 0


def _value_of(args: Namespace) -> str:
    if args.version is None:
        return reading.value_at(place_of(args), args.name)
    from app.cli.running import use

    return use(lambda service: service.secrets.value(place_of(args), args.name, args.version))


def export(args: Namespace) -> int:
    from app.deliver.formats import rendered

    chosen = args.format or ("json" if args.json else "dotenv")
    if args.json and chosen != "json":
        raise UsageError(f"--json and --format {chosen} exclude each other.")
    output.out(rendered(reading.values_at(place_of(args)), chosen))
    return 0
