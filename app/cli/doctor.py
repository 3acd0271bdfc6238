"""`keyturn doctor`: looks at everything, changes nothing."""

from __future__ import annotations

import os
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence

from app import logs
from app.cli import output
from app.doctor.examination import examine
from app.errors import EXIT_FAILED
from app.settings import load_settings
from providers.base import Check, CheckResult


def run(args: Namespace) -> int:
    settings = load_settings(os.environ)
    with logs.kept(settings.log_file):
        checks = examine(settings, args.timeout)
    failed = any(check.result == CheckResult.FAILED for check in checks)
    if args.json:
        output.json_line({"ok": not failed, "checks": output.view_json(checks)})
    elif output.for_people():
        _tell(checks)
    else:
        output.table((), [(check.result, check.title, check.detail, check.remedy) for check in checks], empty="")
    return EXIT_FAILED if failed else 0


def _tell(checks: Sequence[Check]) -> None:
    """What to do stands below what is wrong, uncut, so that it can be copied."""
    width = max(len(check.title) for check in checks)
    indent = " " * len(f"{CheckResult.WARNING}  ")
    for check in checks:
        output.line(output.clean(f"{check.result:<7}  {check.title.ljust(width)}  {check.detail}"))
        for line in check.remedy.splitlines():
            output.line(output.clean(f"{indent}-> {line}"))
    counts = Counter(str(check.result) for check in checks)
    output.line(", ".join(f"{counts[result]} {result}" for result in CheckResult if counts[result]))
