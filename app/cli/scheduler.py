"""`keyturn --run-scheduler`: the background loop in the foreground, a log line for each event on standard error."""

from __future__ import annotations

import asyncio
import os
from argparse import Namespace

from app import logs
from app.background import session
from app.background.reload import read_settings
from app.cli.background import LOOP_FLAGS
from app.settings import load_settings


def run(args: Namespace) -> int:
    settings = load_settings(os.environ)
    flags = {name: getattr(args, name) for name in LOOP_FLAGS}
    lines = logs.Lines()
    with logs.kept(settings.log_file, lines):
        declared = read_settings(flags, lines)
        if args.once:
            return asyncio.run(session.once(settings, declared))
        return asyncio.run(session.until_stopped(settings, declared, flags, lines))
