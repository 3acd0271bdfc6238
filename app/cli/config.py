"""`keyturn config`: the settings, and where each comes from."""

from __future__ import annotations

import os
from argparse import Namespace
from typing import Any

from app import preferences
from app.cli import output
from app.settings.check import warnings
from app.settings.file import read_file
from app.settings.listing import shown


def show(args: Namespace) -> int:
    file = read_file(os.environ)
    rows = shown(os.environ, file)
    found = [*warnings(file), *preferences.load(file)[1]]
    if args.json:
        output.json_line(
            {
                "file": {"path": str(file.path), "exists": file.exists},
                "settings": [{"name": row.name, "value": row.value, "origin": row.origin} for row in rows],
                "warnings": found,
            }
        )
        return 0
    output.table(
        ("SETTING", "VALUE", "FROM"),
        [(row.name, _text(row.value), row.origin) for row in rows],
        empty="",
    )
    for warning in found:
        output.note(f"keyturn: warning: {output.clean(warning)}")
    if output.for_people() and not file.exists:
        output.note(f"There is no settings file {file.path}; it is not needed.")
    return 0


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
