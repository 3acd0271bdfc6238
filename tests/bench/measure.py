"""Two things measured in turn, so that whatever else the machine does befalls both alike."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

Sample = Callable[[], Awaitable[float]]
"""Does the thing once and returns the milliseconds that it took."""


class CannotMeasure(Exception):
    """A measurement could not be made; the text says why."""


@dataclass
class Stopwatch:
    ms: float = 0.0


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    watch, start = Stopwatch(), time.perf_counter()
    yield watch
    watch.ms = (time.perf_counter() - start) * 1000


@dataclass
class Comparison:
    """`budget`: how many times the floor ours may take; None where there is no promise."""

    what: str
    floor_is: str
    budget: float | None
    floor: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return median(self.ours) / median(self.floor)

    @property
    def verdict(self) -> str:
        if self.budget is None:
            return ""
        return "ok" if self.ratio <= self.budget else "OVER BUDGET"

    async def run(self, floor: Sample, ours: Sample, *, rounds: int, warm_up: int = 1) -> None:
        """The first rounds fill caches and don't count; each later one begins with the other of the two."""
        for number in range(-warm_up, rounds):
            pair = [(floor, self.floor), (ours, self.ours)]
            for sample, kept in pair if number % 2 else reversed(pair):
                taken = await sample()
                if number >= 0:
                    kept.append(taken)


@dataclass
class Others:
    """`share`: how much of all processors other programs used, from 0 to 1."""

    share: float = 0.0


@contextmanager
def busy_with_others() -> Iterator[Others]:
    """Watch the machine meanwhile: what ran that this process and its children did not. 0 where there is no /proc."""
    others, before = Others(), _processor_seconds()
    yield others
    busy, mine, wall = (now - then for now, then in zip(_processor_seconds(), before, strict=True))
    if busy:
        others.share = max(0.0, busy - mine) / (wall * (os.cpu_count() or 1))


def _processor_seconds() -> tuple[float, float, float]:
    """Busy of the whole machine, used by this process and its ended children, passed on the clock."""
    times = os.times()
    try:
        user, nice, system, _idle, _wait, *interrupts = Path("/proc/stat").read_text().splitlines()[0].split()[1:8]
    except OSError:
        return 0.0, 0.0, time.monotonic()
    ticks = sum(map(int, (user, nice, system, *interrupts)))
    return ticks / os.sysconf("SC_CLK_TCK"), sum(times[:4]), time.monotonic()


def table(comparisons: list[Comparison]) -> str:
    """All in one table: medians, with the least and the most in brackets."""
    heads = ("what", "ours", "floor", "floor is", "ratio", "budget", "")
    rows = [
        (c.what, _spread(c.ours), _spread(c.floor), c.floor_is, f"{c.ratio:.2f}", _number(c.budget), c.verdict)
        for c in comparisons
    ]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (heads, *rows))
    return "\n".join(line.rstrip() for line in lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _spread(samples: list[float]) -> str:
    return f"{median(samples):.1f} [{min(samples):.1f}-{max(samples):.1f}]"
