"""What must be known about the terminal before anything of Textual is imported."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping

HEADLESS = "keyturn --run-scheduler rotates without a terminal; keyturn rotations list shows what there is."


def terminal_problem(environ: Mapping[str, str] | None = None) -> str | None:
    """Why the terminal UI cannot run here, and what to run instead; None when it can.

    Textual itself would write escape codes into a pipe and wait for ever.
    """
    environ = os.environ if environ is None else environ
    missing = [name for name, there in (("input", _is_terminal(0)), ("output", _is_terminal(1))) if not there]
    if missing:
        return f"The terminal UI needs a terminal, but standard {' and '.join(missing)} is not one.\n{HEADLESS}"
    if environ.get("TERM", "") in ("", "dumb", "unknown"):
        return (
            f"The terminal UI cannot draw on a terminal of type {environ.get('TERM') or 'none'!r} (TERM).\n{HEADLESS}"
        )
    return None


def quick_start() -> None:
    """Before importing the terminal UI: hold the garbage collector back, which `run_tui` lets go after the start."""
    gc.disable()


def _is_terminal(descriptor: int) -> bool:
    stream = (sys.__stdin__, sys.__stdout__)[descriptor]
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False
