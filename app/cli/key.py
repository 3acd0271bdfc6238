"""`keyturn key`."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from pathlib import Path

from app.cli import output
from app.cli.questions import confirm_dropping_keys
from app.cli.running import use
from app.errors import EXIT_FAILED
from app.operations import former_keys, key
from app.service import Service


def show(args: Namespace) -> int:
    async def work(service: Service) -> int:
        view = await key.show(service.context)
        if args.json:
            output.json_line({"key": output.view_json(view)})
            return 0
        output.pairs(
            [
                ("id", view.id),
                ("comes from", view.where),
                ("values sealed", str(view.values.get(view.id, 0))),
                ("former keys", ", ".join(_former(kid, view) for kid in view.former)),
            ]
        )
        if not view.finished:
            output.note("Not everything has moved to the present key yet. Finish it: keyturn key rotate")
        return 0

    return use(work, as_it_is=True)


def _former(kid: str, view: key.KeyView) -> str:
    count = view.values.get(kid, 0)
    return f"{kid} (still seals {count} values)" if count else kid


def rotate(args: Namespace) -> int:
    async def work(service: Service) -> int:
        if args.to is not None:
            told = await asyncio.to_thread(key.prepare, service.context, Path(args.to))
            if args.json:
                output.json_line({"written": args.to})
            else:
                output.out(f"{told}\n")
            return 0
        done = await asyncio.to_thread(key.rotate, service.context)
        if args.json:
            output.json_line({"key": output.view_json(done)})
            return 0
        how = "Finished what was begun: everything" if done.resumed else "Everything"
        output.line(output.clean(f"{how} is sealed with the key {done.id} now ({done.values} values moved to it)."))
        output.line(output.clean(f"It comes from: {service.store.key_source.text}. Make a new copy of that."))
        if done.former:
            output.line(f"Former keys stay in the ring for older backups: {', '.join(done.former)}.")
            output.line("Once no such backup is wanted any more: keyturn key prune")
        return 0

    return use(work)


def prune(args: Namespace) -> int:
    if args.to is not None:
        return use(lambda service: _prune_to(service, args))
    if not args.yes:
        # Asked between two sessions: inside one, ctrl+c could not end the waiting.
        found = use(lambda service: asyncio.to_thread(former_keys.look, service.context))
        if found.ids and not confirm_dropping_keys(found):
            output.note("No key was dropped.")
            return EXIT_FAILED

    async def work(service: Service) -> int:
        done = await asyncio.to_thread(former_keys.prune, service.context)
        if args.json:
            output.json_line({"key": output.view_json(done)})
        elif done.ids:
            output.line(output.clean(f"Dropped {', '.join(done.ids)}. The ring holds {done.id} alone."))
            output.line(output.clean(f"It comes from: {done.where}. Make a new copy of that."))
        else:
            output.line(f"There is no former key in the ring; it holds {done.id} alone.")
        return 0

    return use(work)


async def _prune_to(service: Service, args: Namespace) -> int:
    told = await asyncio.to_thread(former_keys.prepare, service.context, Path(args.to))
    if args.json:
        output.json_line({"written": args.to})
    else:
        output.out(f"{told}\n")
    return 0
