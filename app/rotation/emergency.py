"""Both credentials renewed at once, because somebody may know them who must not.

The new one is published before what was active dies; then everything that still waits to be retired goes, and the
sessions that were opened with what died are ended. The guard does not look: somebody will notice, and is meant to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, NoReturn

from app.errors import RotationFailed
from app.rotation import guard, schedule
from app.rotation.agenda import EMERGENCY, Fill, emergency_fills
from app.rotation.failpoints import reached
from app.rotation.redact import redact
from app.rotation.retirement import retire
from app.rotation.surroundings import Surroundings, secrets_of, telling
from providers.base import Disconnected, Disconnecting, TargetError, TargetRefused, Use
from store import emergencies
from store.emergencies import SESSIONS
from store.tables import Attempt

Look = Callable[[], Awaitable[Surroundings]]
FillSlots = Callable[[Surroundings, Iterable[Fill]], Awaitable[None]]


async def renew(around: Surroundings, look: Look, fill: FillSlots, actor: str) -> None:
    """What is left of the emergency under way, to its end; the lease is then given back.

    Raises RotationFailed when something is left that has to be tried again.
    """
    while left := emergency_fills(around.job):
        await fill(around, left[:1])
        around = await look()
    for attempt in around.job.retiring:
        owner = attempt.row.previous_parameters or attempt.row.parameters
        await retire(around, attempt, around.provider.parameters.model_validate(owner))
    around = await look()
    if around.job.retiring:
        await _hold_up(around, around.job.retiring[0].row.message or "A former credential is not removed yet.", actor)
    try:
        left_alone = await _end_sessions(around)
    except TargetError as error:
        await _hold_up(around, redact(error.message, secrets_of(around.job, around.provider)), actor)
    result = "warning" if left_alone else "success"
    said = f"Both credentials were renewed. {left_alone}".rstrip()
    now = around.clock()
    await around.store.awrite(
        lambda tx: emergencies.over(tx, around.held.lease, result=result, message=said, actor=actor, now=now)
    )
    around.held.returned = True
    reached("emergency.recorded")


def replaced(around: Surroundings, fill: Fill) -> Mapping[str, Any] | None:
    """For the journal of an emergency: what the slot held, by its public fields, as the store forgets them."""
    held = around.job.credentials.get(fill.slot)
    if fill.trigger != EMERGENCY or held is None:
        return None
    hidden = around.provider.secret_fields
    return {"replaces": {name: value for name, value in held.values.items() if name not in hidden}}


async def _hold_up(around: Surroundings, message: str, actor: str) -> NoReturn:
    now, failures = around.clock(), around.job.rotation.failures
    retry_at = now + schedule.backoff(failures + 1, around.random.uniform)
    await around.store.awrite(
        lambda tx: emergencies.held_up(tx, around.held.lease, message=message, retry_at=retry_at, actor=actor, now=now)
    )
    around.held.returned = True
    raise RotationFailed(
        f"Both credentials are new, and something of the former ones is left: {message}",
        remedy=f"The new credential is published and works. The rest is tried again at {retry_at:%Y-%m-%d %H:%M:%S} "
        "UTC, or at once when the emergency is asked for once more.",
    ) from None


async def _end_sessions(around: Surroundings) -> str:
    """Which sessions could not be ended, in a sentence; empty when none is left. Raises TargetUnavailable."""
    since = around.job.rotation.emergency_since
    if not isinstance(around.provider, Disconnecting) or since is None:
        return ""
    provider: Disconnecting = around.provider
    rotation_id = around.job.rotation.id
    said = []
    for row in await around.store.aread(lambda tx: emergencies.attempts(tx, rotation_id, since)):
        before = next((step for step in row.steps if step["step"] == SESSIONS), None)
        if before is None and row.state != "failed":
            said.append(await _end_those_of(around, provider, row))
        elif before is not None and before.get("detail", {}).get("reason"):
            said.append(str(before["detail"]["reason"]))
    return " ".join(text for text in said if text)


async def _end_those_of(around: Surroundings, provider: Disconnecting, row: Attempt) -> str:
    published = next(step for step in row.steps if step["step"] == "publish")
    at = datetime.fromisoformat(published["started_at"])
    parameters = around.provider.parameters.model_validate(row.parameters)

    def ago() -> timedelta:
        return max(around.clock() - at, timedelta())

    with telling(around, row, SESSIONS) as step:
        around.held.assert_fresh()
        try:
            found = await provider.disconnect(around.target, parameters, row.slot, ago)
        except TargetRefused as error:
            hidden = secrets_of(around.job, around.provider)
            found = Disconnected(reason=redact(error.message, hidden), remedy=redact(error.remedy, hidden))
        reached("sessions.called")
        step.note, step.detail = _sentence(found), _as_json(found)
        done, now = step.done(), around.clock()
        await around.store.awrite(lambda tx: emergencies.sessions_ended(tx, around.held.lease, row.id, done, now))
        reached("sessions.recorded")
    return found.reason


def _sentence(found: Disconnected) -> str:
    ended = guard.listed(found.ended)
    said = f"ended: {ended}" if ended else ""
    left = guard.listed(found.left)
    if left:
        said = f"{said}; still open: {left}" if ended else f"still open: {left}"
    parts = (f"{said}." if said and found.reason else said, found.reason, found.remedy)
    return " ".join(part for part in parts if part)


def _as_json(found: Disconnected) -> Mapping[str, Any]:
    def uses(of: Iterable[Use]) -> list[dict[str, Any]]:
        return [{**asdict(use), "since": use.since.isoformat() if use.since else None} for use in of]

    return {"ended": uses(found.ended), "left": uses(found.left), "reason": found.reason, "remedy": found.remedy}
