"""`keyturn connections`."""

from __future__ import annotations

from argparse import Namespace

from app.cli import connection_flags, output
from app.cli.asking import Left
from app.cli.body import read_body
from app.cli.running import use
from app.errors import EXIT_FAILED, UsageError
from app.operations import connection_texts
from app.service import Service


def add(args: Namespace) -> int:
    if args.file is None:
        from app.cli import creating

        return creating.connection(args)
    body = read_body(args.file)

    async def work(service: Service) -> int:
        added = await service.connections.add(args.app, body)
        output.ignored(added.ignored)
        if args.json:
            output.json_line({"appConnection": output.model_json(added.connection)})
        else:
            output.line(output.clean(f"Added {added.connection.name}: {added.tested}"))
        return 0

    return use(work)


def edit(args: Namespace) -> int:
    given = connection_flags.given(args)
    if bool(given) is (args.file is not None):
        what = "Flags and --file exclude each other." if given else "There is nothing to change."
        raise UsageError(what, remedy="Give either flags, such as --host db2.example.com, or --file body.json.")
    try:
        body = None if args.file is None else read_body(args.file)
        texts = connection_flags.texts(given)
    except Left:
        output.note("Nothing was changed.")
        return EXIT_FAILED

    async def work(service: Service) -> int:
        changes = body if args.file is not None else await connection_texts.body_of(service.context, args.name, texts)
        edited = await service.connections.edit(args.name, changes)
        output.ignored(edited.ignored)
        if args.json:
            output.json_line({"appConnection": output.model_json(edited.connection)})
        else:
            tested = f": {edited.tested}" if edited.tested else ". How it logs in is as before."
            output.line(output.clean(f"Changed {edited.connection.name}{tested}"))
        return 0

    return use(work)


def show_all(args: Namespace) -> int:
    async def work(service: Service) -> int:
        if args.json:
            documents = await service.connections.documents()
            output.json_line({"appConnections": [output.model_json(document) for document in documents]})
            return 0
        views = await service.connections.views()
        output.table(
            ("NAME", "APP", "METHOD", "ADDRESS", "USED BY"),
            [(view.name, view.app, view.method, view.summary, ", ".join(view.used_by)) for view in views],
            empty="There are no connections. Add one: keyturn connections add APP, such as postgres",
            yields=("USED BY", "METHOD"),
        )
        return 0

    return use(work)


def show(args: Namespace) -> int:
    async def work(service: Service) -> int:
        if args.json:
            document = await service.connections.document(args.name)
            output.json_line({"appConnection": output.model_json(document)})
            return 0
        view = await service.connections.view(args.name)
        output.pairs(
            [
                ("name", view.name),
                ("id", view.id),
                ("app", view.app_title),
                ("method", view.method),
                ("description", view.description),
                *((name, _text(value)) for name, value in view.settings.items()),
                ("used by", ", ".join(view.used_by)),
            ]
        )
        return 0

    return use(work)


def test(args: Namespace) -> int:
    async def work(service: Service) -> int:
        tested = await service.connections.test(args.name)
        if args.json:
            output.json_line(output.view_json(tested))
        elif tested.ok:
            output.line(output.clean(tested.text))
        if not tested.ok:
            output.complain(tested.text, tested.remedy)
        return 0 if tested.ok else EXIT_FAILED

    return use(work)


def choices(args: Namespace) -> int:
    async def work(service: Service) -> int:
        kind = await _choosable(service, args.name, args.type)
        found = await service.creation.picks(kind, args.name, args.filter, args.limit + 1)
        shown = found[: args.limit]
        if args.json:
            listed = [{"title": pick.title, "detail": pick.detail, "parameters": dict(pick.fills)} for pick in shown]
            output.json_line({"type": kind, "choices": listed})
        else:
            output.table(
                ("NAME", "ABOUT", "PARAMETERS"),
                [(pick.title, pick.detail, " ".join(f"{k}={v}" for k, v in pick.fills.items())) for pick in shown],
                empty="Nothing found.",
                yields=("ABOUT",),
                whole=("PARAMETERS",),
            )
        if len(found) > args.limit:
            output.note(f"There are more than {args.limit}. --filter narrows it down.")
        return 0

    return use(work)


async def _choosable(service: Service, connection: str, asked: str | None) -> str:
    """The rotation type whose choices are meant. Raises NotFound, UsageError."""
    view = await service.connections.view(connection)
    types = [kind.type for kind in service.catalog.rotation_types() if kind.app == view.app and kind.choosable]
    if not types:
        raise UsageError(
            f"Connections to {view.app_title} have no list to pick from.", remedy="Type the names in the body."
        )
    if asked is not None and asked not in types:
        raise UsageError(f"{view.name} has no list for {asked!r}. It has one for: {', '.join(types)}.")
    if asked is None and len(types) > 1:
        raise UsageError(f"{view.name} serves several types. Say which: --type {' or --type '.join(types)}")
    return asked or types[0]


def remove(args: Namespace) -> int:
    async def work(service: Service) -> int:
        document = await service.connections.document(args.name)
        name = await service.connections.remove(document.id)
        if args.json:
            output.json_line({"appConnection": output.model_json(document)})
        else:
            output.line(output.clean(f"Removed {name}."))
        return 0

    return use(work)


def _text(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
