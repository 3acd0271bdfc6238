"""`keyturn serve`: the HTTP API in the foreground, a log line for each request on standard error."""

from __future__ import annotations

import asyncio
import os
from argparse import Namespace
from importlib.util import find_spec

from app import logs
from app.background.reload import read_settings
from app.errors import UsageError
from app.settings import load_settings


def run(args: Namespace) -> int:
    if missing := [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]:
        raise UsageError(
            f"keyturn serve needs the extra `api`: {' and '.join(missing)} cannot be found.",
            remedy="Install it: pip install 'keyturn[api]'",
        )
    from app.api import serving

    where = serving.binding(args.address, args.tls_cert, args.tls_key, public=args.public, without_tls=args.without_tls)
    settings = load_settings(os.environ)
    lines = logs.Lines()
    with logs.kept(settings.log_file, lines):
        declared = read_settings({}, lines)
        if args.with_scheduler:
            return asyncio.run(serving.beside_scheduler(settings, declared, lines, where))
        return asyncio.run(serving.until_stopped(settings, declared, where))
