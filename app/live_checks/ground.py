"""What the checks of both clouds share: who is looked at, and the removal of what was made, by recorded id alone."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from app.live_checks.findings import Findings, Pace, until_steady
from providers.base import (
    CandidateRequest,
    CheckResult,
    Credential,
    CredentialRefused,
    Issue,
    Outcome,
    Provider,
    TargetError,
)

T = TypeVar("T")
R = TypeVar("R")
INTERVAL_DAYS = 1
CLOCKS_MAY_DIFFER = 5.0
"""Seconds. By the clock it is decided which key an earlier try made."""


@dataclass
class Ground(Generic[T]):
    """`made` is what has to go again; only what stands there is ever removed."""

    provider: Provider
    target: T
    parameters: Any
    now: datetime
    findings: Findings
    pace: Pace
    made: list[Credential] = field(default_factory=list, repr=False)

    @property
    def who(self) -> str:
        return self.provider.identity(self.parameters, 0)


async def preflight(ground: Ground[Any]) -> None:
    """Keyturn's own checks before a creation, a line each."""
    for check in await ground.provider.preflight(ground.target, ground.parameters):
        with ground.findings.looking(check.title, "passed, or a warning that you expect") as look:
            look.says(check.detail or check.result.value, expected=check.result is not CheckResult.FAILED)
            if check.result is CheckResult.WARNING:
                look.notes(check.detail)


async def make(ground: Ground[Any]) -> Credential | None:
    """Issue one more credential, recorded before anything else can happen. None when it was not made."""
    mark = f"live-check-{secrets.token_hex(6)}"
    request = CandidateRequest(0, mark, ground.now, INTERVAL_DAYS, secrets.choice)
    candidate = ground.provider.candidate(ground.parameters, request)

    async def issue() -> Credential:
        issued = await ground.provider.issue(ground.target, ground.parameters, Issue(0, candidate))
        ground.made.append(issued)
        return issued

    with ground.findings.looking(f"A new credential for {ground.who}", "made within a few seconds") as look:
        try:
            issued = await _to_its_end(issue())
        except TargetError as error:
            if error.outcome is Outcome.UNKNOWN:
                error.remedy = f"It may be there all the same, as {mark} or the newest: look, and remove it by hand."
            raise
        look.says(f"{id_of(issued)}; it is removed at the end", expected=True)
        return issued
    return None


async def becomes_good(ground: Ground[Any], credential: Credential) -> None:
    """How long until it logs in as often as Keyturn wants, and whether it goes on to do so."""
    provider = ground.provider
    wanted, patience = provider.verify_successes, provider.verify_patience
    title = f"The new credential logs in {wanted} times in a row"
    with ground.findings.looking(title, f"within {patience:.0f} s") as look:
        course = await until_steady(lambda: logs_in(ground, credential), wanted, ground.pace)
        look.says(str(course), expected=course.steady is not None and course.steady <= patience)
    times = ground.pace.afterwards
    with ground.findings.looking(f"It then logs in {times} more times", "never refused") as look:
        refused = 0
        for _ in range(times):
            refused += not await logs_in(ground, credential)
            await asyncio.sleep(ground.pace.pause)
        look.says(f"{refused} refused", expected=refused == 0)


async def listed(ground: Ground[Any], made: Credential, lister: str, ids: Callable[[], Awaitable[set[str]]]) -> None:
    """How long until what is listed at the target has it. `lister`: who lists, for people."""
    with ground.findings.looking(f"{lister} shows the new credential", f"within {ground.pace.limit:.0f} s") as look:
        began, tries = time.monotonic(), 1
        while id_of(made) not in await ids():
            if time.monotonic() - began > ground.pace.limit:
                look.says(f"not in {tries} tries", expected=False)
                return
            tries += 1
            await asyncio.sleep(ground.pace.pause)
        look.says(f"at try {tries}", expected=True)


async def goes(ground: Ground[Any], credential: Credential) -> None:
    """Remove it by its recorded id, and see how long it still works."""
    with ground.findings.looking(f"{id_of(credential)} is removed", "gone, and gone already is success") as look:
        await _to_its_end(remove(ground, credential))
        await ground.provider.revoke(ground.target, ground.parameters, credential)
        look.says("removed; removing it once more is success", expected=True)

    async def refused() -> bool:
        return not await logs_in(ground, credential)

    wanted = ground.provider.verify_successes
    title = f"It is refused {wanted} times in a row"
    with ground.findings.looking(title, f"within {ground.pace.limit:.0f} s") as look:
        course = await until_steady(refused, wanted, ground.pace)
        look.says(str(course), expected=course.steady is not None)


async def remove(ground: Ground[Any], credential: Credential) -> None:
    await ground.provider.revoke(ground.target, ground.parameters, credential)
    ground.made.remove(credential)


async def clean_up(ground: Ground[Any]) -> None:
    """Remove what is left of what was made, whatever happened; tell of it when all is done."""
    for credential, error in await _to_its_end(_rest_removed(ground)):
        with ground.findings.looking(f"{id_of(credential)} is removed", "gone") as look:
            if error is not None:
                error.remedy = f"Remove it by hand: {id_of(credential)} of {ground.who}. {error.remedy}".strip()
                raise error
            look.says("removed", expected=True)


async def _rest_removed(ground: Ground[Any]) -> list[tuple[Credential, TargetError | None]]:
    removed: list[tuple[Credential, TargetError | None]] = []
    for credential in list(ground.made):
        try:
            await remove(ground, credential)
        except TargetError as error:
            removed.append((credential, error))
        else:
            removed.append((credential, None))
    return removed


async def logs_in(ground: Ground[Any], credential: Credential) -> bool:
    """Raises TargetError when the cloud does not say."""
    try:
        await ground.provider.verify(ground.target, ground.parameters, credential)
    except CredentialRefused:
        return False
    return True


def id_of(credential: Credential) -> str:
    """The public part that it is removed by."""
    return credential.values.get("accessKeyId") or credential.values["keyId"]


def clock_seen(ground: Ground[Any], theirs: datetime | None, ours: datetime) -> None:
    """Whether the two clocks agree well enough. A response's date is whole seconds."""
    expected = f"within {CLOCKS_MAY_DIFFER:.0f} s of this machine's"
    with ground.findings.looking("The cloud's clock", expected) as look:
        if theirs is None:
            look.says("it does not tell the time", expected=False)
            return
        apart = (theirs - ours).total_seconds()
        look.says(f"{apart:+.0f} s", expected=abs(apart) <= CLOCKS_MAY_DIFFER)


async def _to_its_end(work: Awaitable[R]) -> R:
    """Let it end even when told to stop, so that nothing is made that nobody recorded."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
