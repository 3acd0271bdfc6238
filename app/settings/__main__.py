"""`make docs`: renew the table of docs/settings.md from the declaration."""

from __future__ import annotations

import sys
from pathlib import Path

from app.settings.listing import as_table

BEGIN, END = "<!-- made by `make docs` -->\n", "<!-- end -->\n"


def renewed(page: str) -> str:
    """The page with the table of today. Raises ValueError where it has no place for one."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError("the page has no place for the table")
    return f"{before}{begin}\n{as_table()}\n{end}{after}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(renewed(path.read_text("utf-8")), "utf-8")
