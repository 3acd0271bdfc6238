"""`keyturn report`."""

from __future__ import annotations

import dataclasses
import io
from argparse import Namespace
from datetime import datetime

from app.cli import output
from app.cli.running import use
from app.errors import UsageError
from app.operations.report import Line, Report, report
from app.service import Service

_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of a formula; the last four are the full-width ones."""


def show(args: Namespace) -> int:
    chosen = args.format or ("json" if args.json else "table")
    if args.json and chosen != "json":
        raise UsageError(f"--json and --format {chosen} exclude each other.")

    async def work(service: Service) -> int:
        found = await report(service.context, args.project)
        if chosen == "json":
            output.json_line(output.view_json(found))
        elif chosen == "csv":
            output.out(csv_of(found))
        else:
            _table(found)
        return 0

    return use(work)


def csv_of(found: Report) -> str:
    """With a heading, by RFC 4180; no cell that a spreadsheet would carry out as a formula."""
    import csv

    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(field.name for field in dataclasses.fields(Line))
    for line in found.credentials:
        writer.writerow(_harmless(cell) for cell in _cells(line))
    return text.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.lstrip().startswith(_FORMULA) or cell[:1] in ("\t", "\r", "\n") else cell


def _cells(line: Line) -> list[str]:
    return [_text(getattr(line, field.name)) for field in dataclasses.fields(Line)]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return output.utc_text(value)
    return "" if value is None else str(value)


def _table(found: Report) -> None:
    """For people what fits a terminal, for programs everything."""
    if not output.for_people():
        output.table((), [_cells(line) for line in found.credentials], empty="")
        return
    output.table(
        ("ROTATION", "PLACE", "IDENTITY", "STATE", "AGE", "EVERY", "GOOD", "WHY NOT", "NEXT RUN"),
        [
            (
                line.rotation,
                f"{line.project} {line.environment} {line.path}",
                line.identity,
                line.state,
                "" if line.age_days is None else f"{line.age_days} d",
                f"{line.interval_days} d",
                _text(line.compliant),
                line.why,
                output.distance(line.next_run_at, "by hand"),
            )
            for line in found.credentials
        ],
        empty="There are no rotations yet.",
        yields=("PLACE", "NEXT RUN"),
    )
    good = sum(line.compliant for line in found.credentials)
    if found.credentials:
        output.note(f"{good} of {len(found.credentials)} credentials are as they should be.")
