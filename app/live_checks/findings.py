"""What was expected, what was seen, and how long it took."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from providers.base import TargetError, TargetUnavailable


class Verdict(enum.StrEnum):
    """NOTED: a figure to know, which nothing depends on."""

    AS_EXPECTED = "ok"
    DIFFERS = "DIFFERS"
    NOTED = "noted"


@dataclass(frozen=True)
class Finding:
    """One line. `seconds`: how long it took; `remedy`: what a person can do about it."""

    title: str
    verdict: Verdict
    seen: str
    expected: str
    seconds: float
    remedy: str = ""


@dataclass
class Look:
    """One look at the cloud, while it lasts. `seen` and `verdict` are filled in by whoever looks."""

    seen: str = ""
    verdict: Verdict = Verdict.AS_EXPECTED

    def says(self, seen: str, *, expected: bool) -> None:
        """`expected`: whether it is what was expected."""
        self.seen, self.verdict = seen, Verdict.AS_EXPECTED if expected else Verdict.DIFFERS

    def notes(self, seen: str) -> None:
        self.seen, self.verdict = seen, Verdict.NOTED


@dataclass
class Findings:
    """All so far; `tell` gets each of them as it comes."""

    tell: Callable[[Finding], None]
    all: list[Finding] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return bool(self.all) and all(finding.verdict is not Verdict.DIFFERS for finding in self.all)

    def add(self, finding: Finding) -> None:
        self.all.append(finding)
        self.tell(finding)

    @contextlib.contextmanager
    def looking(self, title: str, expected: str) -> Iterator[Look]:
        """Times a look. An error of the target ends it, and is a difference."""
        look, began, remedy = Look(), time.monotonic(), ""
        try:
            yield look
        except TargetError as error:
            look.says(error.message, expected=False)
            remedy = error.remedy
        self.add(Finding(title, look.verdict, look.seen, expected, time.monotonic() - began, remedy))


@dataclass(frozen=True)
class Pace:
    """Seconds. `limit` bounds every wait but the one for a key's last use, which is `lag`."""

    pause: float = 0.5
    limit: float = 300.0
    lag: float = 300.0
    afterwards: int = 20
    """How many more logins are tried once a credential was called good."""


@dataclass(frozen=True)
class Course:
    """How a new state became known: seconds until it was first seen and until it was seen so many times in a row."""

    first: float | None
    steady: float | None
    relapses: int
    tries: int

    def __str__(self) -> str:
        if self.first is None:
            return f"never, in {self.tries} tries"
        steady = "never for good" if self.steady is None else f"for good after {self.steady:.1f} s"
        return f"first after {self.first:.1f} s, {steady}, {self.relapses} relapses in {self.tries} tries"


async def until_steady(trial: Callable[[], Awaitable[bool]], in_a_row: int, pace: Pace) -> Course:
    """Try until it holds so many times in a row, or the limit has passed. No answer counts as no."""
    began, first, tries, relapses, row = time.monotonic(), None, 0, 0, 0
    while True:
        tries += 1
        try:
            holds = await trial()
        except TargetUnavailable:
            holds = False
        now = time.monotonic() - began
        relapses += not holds and row > 0
        row = row + 1 if holds else 0
        first = now if holds and first is None else first
        if row >= in_a_row:
            return Course(first, now, relapses, tries)
        if now > pace.limit:
            return Course(first, None, relapses, tries)
        await asyncio.sleep(pace.pause)
