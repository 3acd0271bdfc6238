"""`keyturn rotations prepare TYPE`: the script that makes what is to be rotated, to read or to run."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from app.cli import output
from app.cli.questions import confirm_preparation
from app.cli.running import use
from app.errors import EXIT_FAILED, InvalidInput, UsageError
from app.forms import nested, value_of
from app.operations.catalog import Catalog
from app.service import Service
from providers.base import Preparation, Problem

_PREFIX = "parameters."


def prepare(args: Namespace) -> int:
    parameters = _parameters(args)
    # Asked between two sessions: inside one, ctrl+c could not end the waiting.
    script, who = use(lambda service: _script(service, args, parameters))
    if args.run and not args.yes and not confirm_preparation(script, who):
        output.note("Nothing was run.")
        return EXIT_FAILED
    if args.run:
        use(lambda service: service.creation.prepare(args.type, parameters, args.connection))
    if args.json:
        output.json_line({"preparation": {"title": script.title, "text": script.text, "ran": args.run}})
    elif args.run:
        output.line(output.clean(f"Done, as {who}: {script.title}"))
    else:
        output.line(script.text.rstrip("\n"))
    return 0


async def _script(service: Service, args: Namespace, parameters: dict[str, Any]) -> tuple[Preparation, str]:
    """With who would run it."""
    view = await service.connections.view(args.connection)
    kind = service.catalog.rotation_type(args.type)
    if view.app != kind.app:
        raise UsageError(f"{view.name} is a connection to {view.app}, not to {kind.app}.")
    script = service.creation.preparation(args.type, parameters, view.settings)
    assert script is not None  # the type has one: that was looked at first
    return script, view.summary


def _parameters(args: Namespace) -> dict[str, Any]:
    """Raises UsageError, UnknownType."""
    kind = Catalog().rotation_type(args.type)
    if not kind.preparable:
        raise UsageError(f"Nothing has to be prepared for {kind.title}.")
    fields = {field.key: field for field in kind.parameters}
    given: dict[str, object] = {}
    for setting in args.set:
        name, equals, text = setting.partition("=")
        key = name.removeprefix(_PREFIX)
        if not equals:
            raise UsageError("--set takes KEY=VALUE, such as username1=billing_1.")
        if key not in fields:
            raise InvalidInput([Problem(key, f"is not known. {kind.title} has: {', '.join(fields)}")])
        given[key] = value_of(fields[key], text)
    return nested(given)
