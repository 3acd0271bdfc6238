"""`keyturn backup` and `keyturn restore`."""

from __future__ import annotations

import asyncio
import os
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path

from app import logs
from app.cli import output
from app.cli.questions import confirm_restore
from app.cli.running import actor, use
from app.errors import EXIT_FAILED
from app.operations import backup
from app.service import Service, key_places
from app.settings import load_settings


def write(args: Namespace) -> int:
    async def work(service: Service) -> int:
        done = await asyncio.to_thread(backup.back_up, service.context, Path(args.file), overwrite=args.force)
        if args.json:
            output.json_line({"backup": output.view_json(done)})
            return 0
        output.line(output.clean(f"Backed up {done.store} to {done.file} ({done.bytes} bytes)."))
        output.line(output.clean(f"The key is not in it. It is in: {done.key}. Keep a copy of it somewhere else."))
        return 0

    backup.refuse_absent(load_settings(os.environ).database_url)
    return use(work)


def restore(args: Namespace) -> int:
    settings = load_settings(os.environ)
    present = backup.Store(settings.database_url, settings.data_dir, key_places(settings))
    with (
        logs.kept(settings.log_file),
        backup.ready(present, Path(args.file), clock=lambda: datetime.now(UTC), actor=actor()) as checked,
    ):
        if not args.yes and not confirm_restore(checked, args.file):
            output.note("Nothing was done.")
            return EXIT_FAILED
        kept = checked.kept if checked.put_in_place() else None
        contents = checked.contents
        if args.json:
            output.json_line(
                {
                    "restored": {
                        "file": args.file,
                        "store": checked.location,
                        "keptAs": None if kept is None else str(kept),
                        "rotations": contents.rotations,
                        "newestEventAt": output.utc_text(contents.until) if contents.until else None,
                    }
                }
            )
            return 0
        until = f", as they were on {output.when(contents.until)}" if contents.until else ""
        output.line(
            output.clean(f"Restored {checked.location} from {args.file}: {contents.rotations} rotations{until}.")
        )
        if kept is not None:
            output.line(output.clean(f"What was there before is kept in {kept}."))
        output.line("The loop tries all credentials before it rotates; start it: keyturn --run-scheduler")
    return 0
