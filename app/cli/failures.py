"""What a person reads when something went wrong, and the exit code."""

from __future__ import annotations

import os

from app.cli.output import complain, ignored
from app.errors import EXIT_FAILED, Explanation, InvalidInput, explain
from app.settings.places import places_of


def report(error: Exception) -> int:
    """Say what happened and what to do; a defect goes to the log file, and here is told where that is."""
    known = _explained(error)
    if known is None:
        complain(_defect(error))
        return EXIT_FAILED
    message = known.message
    if isinstance(error, InvalidInput) and len(error.problems) > 1:
        message = f"{len(error.problems)} things are not valid; nothing was changed.\n{message}"
    complain(message, "\n".join([*known.remedy.splitlines(), *getattr(error, "__notes__", [])]))
    if isinstance(error, InvalidInput):
        ignored(error.ignored)
    return known.exit_code


def _explained(error: Exception) -> Explanation | None:
    try:
        return explain(error)
    except ImportError:  # an installation in pieces: what is missing may be what the table is made of
        return None


def _defect(error: Exception) -> str:
    from app.logs import record_defect

    missing = f" ({error.name} is not installed as it should be)" if isinstance(error, ImportError) else ""
    what = f"Unexpected {type(error).__name__}{missing}, which is a defect of Keyturn."
    try:
        log_file = places_of(os.environ).log_file
        record_defect(error, log_file)
    except Exception as trouble:  # nothing may hide the first error, or show its text
        return f"{what} Its details could not be written to the log ({type(trouble).__name__})."
    return f"{what} Details for a report are in {log_file}"
