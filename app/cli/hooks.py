"""`keyturn hooks`: who is told of what."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from app.cli import output
from app.cli.running import use
from app.errors import EXIT_FAILED, UsageError

if TYPE_CHECKING:
    from app.operations.hooks import HookView
    from app.service import Service

_LONGEST = 8192


def add(args: Namespace) -> int:
    from app.notify.rules import events_of
    from app.operations.hooks import NewHook, Scope

    kind, what = _kind(args)
    scope = Scope(args.rotation, args.project, args.env, args.path)
    wanted = NewHook(args.name, events_of(args.on), kind, what, scope, args.time_out)

    async def work(service: Service) -> int:
        added = await service.hooks.add(wanted)
        if args.json:
            key = {"signingKey": added.signing_key} if added.signing_key else {}
            output.json_line({"hook": output.view_json(added.hook), **key})
            return 0
        _tell_one(added.hook)
        if added.signing_key:
            output.pairs([("signing key", added.signing_key)])
            output.note("The signing key is shown this once. Give it to the receiver, which checks signatures by it.")
        return 0

    return use(work)


def show_all(args: Namespace) -> int:
    async def work(service: Service) -> int:
        views = await service.hooks.list()
        if args.json:
            output.json_line({"hooks": output.view_json(views)})
            return 0
        output.table(
            ("NAME", "STATE", "KIND", "ON", "OF", "TO", "WAITING"),
            [(v.name, v.state, v.kind, ",".join(v.events), v.of, v.to, str(v.waiting)) for v in views],
            empty="There are no hooks. keyturn hooks add makes one.",
        )
        return 0

    return use(work)


def show(args: Namespace) -> int:
    async def work(service: Service) -> int:
        return _told(args, await service.hooks.show(args.name))

    return use(work)


def test(args: Namespace) -> int:
    async def work(service: Service) -> int:
        tested = await service.hooks.test(args.name)
        if args.json:
            output.json_line({"test": output.view_json(tested)})
        else:
            output.line(output.clean(f"{'delivered' if tested.ok else 'failed'}: {tested.answer}"))
        return 0 if tested.ok else EXIT_FAILED

    return use(work)


def pause(args: Namespace) -> int:
    async def work(service: Service) -> int:
        return _told(args, await service.hooks.pause(args.name))

    return use(work)


def resume(args: Namespace) -> int:
    async def work(service: Service) -> int:
        return _told(args, await service.hooks.resume(args.name))

    return use(work)


def remove(args: Namespace) -> int:
    async def work(service: Service) -> int:
        view = await service.hooks.remove(args.name)
        if args.json:
            output.json_line({"hook": output.view_json(view)})
        else:
            left = f" {view.waiting} deliveries were not made." if view.waiting else ""
            output.line(output.clean(f"{view.name} is removed.{left}"))
        return 0

    return use(work)


def _kind(args: Namespace) -> tuple[str, str]:
    """The kind, and its command or address."""
    if args.command is not None:
        return "command", args.command
    kind, text = ("webhook", args.webhook) if args.webhook is not None else ("apprise", args.notify)
    if text != "-":
        return kind, text
    if sys.stdin is None:
        raise UsageError("- reads standard input, and that is closed.")
    return kind, sys.stdin.read(_LONGEST).strip()


def _told(args: Namespace, view: HookView) -> int:
    if args.json:
        output.json_line({"hook": output.view_json(view)})
    else:
        _tell_one(view)
    return 0


def _tell_one(view: HookView) -> None:
    output.pairs(
        [
            ("name", view.name),
            ("id", view.id),
            ("state", view.state),
            ("kind", view.kind),
            ("on", ", ".join(view.events)),
            ("of", view.of),
            ("to", view.to),
            ("time-out", f"{view.time_out} s"),
            ("waiting", str(view.waiting)),
            ("created", output.when(view.created_at)),
        ]
    )
