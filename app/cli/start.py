"""The terminal interface and the demo: started from here, living elsewhere."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Mapping

from app.errors import UsageError
from app.settings import load_settings


def tui(args: Namespace) -> int:
    from app.terminal import quick_start, terminal_problem

    if problem := terminal_problem():
        raise UsageError(problem)
    quick_start()
    from app.tui import run_tui

    return run_tui(load_settings(_environ(args)))


def demo(args: Namespace) -> int:
    from app.demo.story import run_demo

    return run_demo(_environ(args))


def _environ(args: Namespace) -> Mapping[str, str]:
    return {**os.environ, "KEYTURN_NO_MOUSE": "1"} if args.no_mouse else os.environ
