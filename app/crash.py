"""What the terminal UI says when it dies of an error that nobody caught.

Textual would print every local variable, passwords included.
"""

from __future__ import annotations

from pathlib import Path

from app.errors import explain
from app.logs import record_defect


def last_words(error: BaseException, log_file: Path) -> str:
    """What happened and what comes next; where it struck goes into the log."""
    try:
        record_defect(error, log_file)
        where = f"Where it happened is in {log_file}"
    except OSError:
        where = f"The log file {log_file} cannot be written"
    known = explain(error)
    what = f"{known.message} {known.remedy}".strip() if known else f"unexpected {type(error).__name__}."
    return f"Keyturn stopped: {what}\n{where}\nWhat was under way is resumed at the next start."
