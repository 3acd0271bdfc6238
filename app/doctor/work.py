"""What Keyturn works on: connections tried live, rotations that do not get on, leases of the dead."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta

from app.errors import explain
from app.operations.connections import Connections
from app.operations.context import Context, place_text
from app.rotation import expiry
from app.rotation.status import GRACE, status_of
from app.views import ConnectionView, Status
from providers.base import Check, CheckResult
from store import health, projects, rotations
from store.database import Tx
from store.tables import Rotation

PASSED, WARNING, FAILED = CheckResult.PASSED, CheckResult.WARNING, CheckResult.FAILED
SILENT = timedelta(minutes=15)
"""For how long an attempt may be at one step before it is called stuck."""
_LOOP = "Is a loop running? keyturn --run-scheduler, or the terminal interface left open."


async def connections(context: Context, deadline: float) -> list[Check]:
    """All are logged in to at once; one that has not answered after `deadline` seconds holds up no other."""
    operations = Connections(context)
    views = await operations.views()
    return list(await asyncio.gather(*(_connection(operations, view, deadline) for view in views)))


async def _connection(operations: Connections, view: ConnectionView, deadline: float) -> Check:
    title = f"connection {view.name}"
    again = f"Once that is mended: keyturn connections test {shlex.quote(view.name)}"
    test = asyncio.ensure_future(operations.test(view.id))
    # Not wait_for: what does not heed being cancelled must not be waited for either.
    done, _ = await asyncio.wait([test], timeout=deadline)
    if not done:
        test.cancel()
        remedy = f"Is it up, and the network to it? keyturn connections test {shlex.quote(view.name)}"
        return Check(title, FAILED, f"no answer within {deadline:g} s ({view.summary})", remedy)
    try:
        found = test.result()
    except Exception as error:  # one connection must not hide the others
        known = explain(error)
        text = known.message if known else f"unexpected {type(error).__name__}, which is a defect of Keyturn"
        return Check(title, FAILED, text, (known.remedy if known else "") or again)
    return Check(title, PASSED, found.text) if found.ok else Check(title, FAILED, found.text, found.remedy or again)


def rotations_of(tx: Tx, now: datetime) -> list[Check]:
    """A line for each rotation that needs somebody, and one for all the others."""
    rows = rotations.list_all(tx)
    if not rows:
        return [Check("rotations", PASSED, "there are none")]
    places = projects.places_of(tx, (row.folder_id for row in rows))
    silent, ends = health.silent_since(tx), rotations.expiries(tx)
    found: list[Check] = []
    well = 0
    for row in rows:
        here = place_text(places[row.folder_id]) if row.folder_id in places else "nowhere"
        told = list(_of_one(row, here, now, silent.get(row.id), ends.get(row.id)))
        found += told
        well += not told
    return [Check("rotations", PASSED, f"{well} of {len(rows)} need nobody"), *found]


def _of_one(
    row: Rotation, here: str, now: datetime, silent: datetime | None, expires_at: datetime | None
) -> Iterator[Check]:
    title, name = f"rotation {row.name}", shlex.quote(row.name)
    status, busy = status_of(row, now, expires_at), health.held(row, now)
    rotate = f"keyturn rotations rotate {name}"
    if status is Status.FAILING:
        text = f"fails ({here}): {row.drift or row.last_rotation_message or 'it is not known why'}"
        yield Check(title, FAILED, text, f"keyturn rotations show {name} tells more; mend the cause, then: {rotate}")
    elif status is Status.OVERDUE:
        yield Check(title, FAILED, f"overdue ({here}): it was due at {_at(row.next_rotation_at)}", _LOOP)
    elif not busy and row.due_at is not None and row.due_at < now - GRACE:
        yield Check(title, FAILED, f"stuck ({here}): unfinished since {_at(row.due_at)}", f"{_LOOP} Or: {rotate}")
    elif busy and silent is not None and silent < now - SILENT:
        text = f"stuck ({here}): {row.lease_owner} has been at one step since {_at(silent)}"
        yield Check(title, WARNING, text, "Look at what that process does; when it ends, another one resumes.")
    if expires_at is not None and expires_at <= now:
        yield Check(title, FAILED, f"what is published expired at {_at(expires_at)} ({here})", rotate)
    elif status is Status.EXPIRING:
        yield Check(title, WARNING, f"{expiry.warning(row, expires_at)} ({here})", rotate)


def _at(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "an unknown time"


def leases(tx: Tx) -> list[Check]:
    dead = [lease for lease in health.leases(tx) if lease.seconds_left <= 0 or _gone(lease.owner)]
    if not dead:
        return [Check("leases", PASSED, "none was left behind")]
    return [_left_behind(lease) for lease in dead]


def _left_behind(lease: health.LeaseLook) -> Check:
    over = lease.seconds_left <= 0
    state = f"it ran out {-lease.seconds_left:.0f} s ago" if over else f"it runs out in {lease.seconds_left:.0f} s"
    text = f"{lease.owner} died while it worked on {lease.rotation}; {state}"
    again = f"A loop resumes it by itself, and so does: keyturn rotations rotate {shlex.quote(lease.rotation)}"
    return Check("leases", WARNING, text, again)


def _gone(owner: str) -> bool:
    """Whether the process that an owner names was one of this machine, and is no more."""
    host, _, rest = owner.partition(":")
    pid = rest.partition(":")[0]
    if host != socket.gethostname()[:32] or not pid.isdigit():
        return False
    with contextlib.suppress(PermissionError):  # it lives, as another user
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
    return False
