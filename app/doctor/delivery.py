"""How values and news reach others: files that are kept up, and hooks."""

from __future__ import annotations

import shlex
from collections import defaultdict
from datetime import datetime, timedelta

from providers.base import Check, CheckResult
from store import deliveries, target_files
from store.database import Tx
from store.outbox import WAITING
from store.tables import Delivery

PASSED, WARNING, FAILED = CheckResult.PASSED, CheckResult.WARNING, CheckResult.FAILED
RECENT = timedelta(days=7)
"""For how long it is told that something could not be delivered."""
_MOST_TRYING = 1000


def files(tx: Tx) -> list[Check]:
    """A line for each file that could not be brought up to date, or whose program could not be told."""
    rows = target_files.list_all(tx)
    failed = [row for row in rows if row.state == "failed"]
    text = f"{len(rows) - len(failed)} of {len(rows)} are as they should be" if rows else "there are none"
    told = [
        Check(
            f"target {row.name}",
            FAILED,
            f"{row.file} on {row.host}: {row.message}",
            f"The loop there tries again. At once: keyturn targets render {shlex.quote(row.name)}",
        )
        for row in failed
    ]
    return [Check("targets", PASSED, text), *told]


def hooks(tx: Tx, now: datetime) -> list[Check]:
    """A line for each hook that was not told of something in the last week, or is being tried again."""
    given_up, trying = defaultdict[str, list[Delivery]](list), defaultdict[str, list[Delivery]](list)
    for row, hook in deliveries.given_up(tx, now - RECENT):
        given_up[hook.name].append(row)
    for row, hook in deliveries.listed(tx, _MOST_TRYING, failed=True):
        if row.state == WAITING:
            trying[hook.name].append(row)
    found = [_unheard(name, rows) for name, rows in given_up.items()]
    found += [_trying(name, rows) for name, rows in trying.items() if name not in given_up]
    return found or [Check("deliveries", PASSED, "none was given up in the last week, and none is being tried again")]


def _unheard(name: str, rows: list[Delivery]) -> Check:
    newest = rows[-1]
    text = f"{_count(rows)} given up, the newest at {newest.finished_at:%Y-%m-%d %H:%M} UTC: {newest.answer}"
    again = f"Mend the cause, then: keyturn deliveries retry {newest.id}. All of them: {_listed(name)}"
    return Check(f"hook {name}", FAILED, text, again)


def _trying(name: str, rows: list[Delivery]) -> Check:
    text = f"{_count(rows)} waiting to be tried again: {rows[0].answer}"
    return Check(f"hook {name}", WARNING, text, f"See: {_listed(name)}")


def _listed(name: str) -> str:
    return f"keyturn deliveries --failed --hook {shlex.quote(name)}"


def _count(rows: list[Delivery]) -> str:
    return f"{len(rows)} {'delivery was' if len(rows) == 1 else 'deliveries were'}"
