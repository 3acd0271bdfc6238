"""`keyturn targets`: files that are kept up with what is published."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli import output
from app.cli.running import use
from app.cli.secrets import place_of
from app.errors import EXIT_FAILED, KeyturnError, UsageError
from app.views import Place

if TYPE_CHECKING:
    from app.deliver.target import TargetView, Wanted
    from app.service import Service


def add(args: Namespace) -> int:
    wanted, of = _wanted(args), _origin(args)

    async def work(service: Service) -> int:
        added = await service.target_files.add(wanted, of, replace=args.replace)
        trouble = await _tried(lambda: service.target_files.render(added.id))
        if trouble is not None:
            trouble.remedy = f"{trouble.remedy}\nThe target {added.name} is kept, and tried again by the loop.".strip()
            raise trouble
        _tell_one(await service.target_files.show(added.id), as_json=args.json)
        return 0

    return use(work)


def show_all(args: Namespace) -> int:
    async def work(service: Service) -> int:
        views = await service.target_files.list()
        if args.json:
            output.json_line({"targets": output.view_json(views)})
            return 0
        output.table(
            ("NAME", "STATE", "KIND", "OF", "FILE", "WRITTEN", "MESSAGE"),
            [(v.name, v.state, v.kind, v.of, v.file, output.when(v.written_at), v.message) for v in views],
            empty="There are no targets. keyturn targets add makes one.",
        )
        return 0

    return use(work)


def show(args: Namespace) -> int:
    async def work(service: Service) -> int:
        _tell_one(await service.target_files.show(args.name), as_json=args.json)
        return 0

    return use(work)


def remove(args: Namespace) -> int:
    async def work(service: Service) -> int:
        view = await service.target_files.remove(args.name)
        if args.json:
            output.json_line({"target": output.view_json(view)})
        else:
            output.line(output.clean(f"{view.name} is removed. {view.file} stays as it is."))
        return 0

    return use(work)


def render(args: Namespace) -> int:
    async def work(service: Service) -> int:
        files = service.target_files
        chosen = [await files.show(args.name)] if args.name else await files.list()
        rows: list[tuple[str, str, str]] = []
        for view in chosen:
            said = "up to date"
            try:
                if args.check:
                    said = said if await files.check(view.id) else "out of date"
                elif await files.render(view.id):
                    said = "written"
            except KeyturnError as error:
                said = f"failed: {error.message}"
            rows.append((view.name, view.file, said))
        if args.json:
            output.json_line({"targets": [{"name": name, "file": file, "result": said} for name, file, said in rows]})
        else:
            output.table(("NAME", "FILE", "RESULT"), rows, empty="There are no targets.")
        return EXIT_FAILED if any(said not in ("up to date", "written") for *_, said in rows) else 0

    return use(work)


async def _tried(work: Callable[[], Awaitable[object]]) -> KeyturnError | None:
    try:
        await work()
    except KeyturnError as error:
        return error
    return None


def _wanted(args: Namespace) -> Wanted:
    from app.deliver.target import Wanted

    if (args.kind == "template") != (args.template is not None):
        raise UsageError("--template FILE and --kind template go together.")
    if (args.kind == "pg-service") != (args.service is not None):
        raise UsageError("--service NAME and --kind pg-service go together.")
    options = {
        "template": str(Path(args.template).expanduser().absolute()) if args.template else None,
        "service": args.service,
        "profile": args.profile,
        "plain": args.plain or None,
    }
    for name in ("service", "profile"):
        if (text := options[name]) and (not str(text).isprintable() or set("[]") & set(str(text))):
            raise UsageError(f"--{name}: a section's name holds no brackets and no line ends.")
    return Wanted(
        name=args.name,
        kind=args.kind,
        file=Path(args.file).expanduser().absolute(),
        mode=args.mode,
        owner=args.owner or "",
        options={name: value for name, value in options.items() if value is not None},
        reload=args.reload or "",
        signal=args.signal or "",
    )


def _origin(args: Namespace) -> str | Place:
    if args.rotation is None:
        return place_of(args)
    return str(args.rotation)


def _tell_one(view: TargetView, *, as_json: bool) -> None:
    if as_json:
        output.json_line({"target": output.view_json(view)})
        return
    output.pairs(
        [
            ("name", view.name),
            ("state", view.state),
            ("message", view.message),
            ("kind", view.kind),
            ("of", view.of),
            ("file", view.file),
            ("mode", view.mode),
            ("owner", view.owner),
            *((name, str(value)) for name, value in view.options.items()),
            ("reload", view.reload),
            ("signal", view.signal),
            ("host", view.host),
            ("written", output.when(view.written_at)),
        ]
    )
