"""How things look, in one place: the glyph and word of each state, times, and what to do without Unicode.

State is always told by a word, then by a glyph, and by colour last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from app.views import Status

GOOD, BUSY, WARN, BAD, MUTED = "good", "busy", "warn", "bad", "muted"
"""Tones. Each is a class in base.tcss (`.good`), and has a colour in STYLES for parts of a text."""

STYLES = {
    GOOD: "$text-success",
    BUSY: "$text-accent",
    WARN: "$text-warning",
    BAD: "$text-error",
    MUTED: "$foreground-muted",
}


@dataclass(frozen=True)
class Glyphs:
    """One set of characters; every one is a single cell wide."""

    healthy: str = "✓"
    soon: str = "◔"
    overdue: str = "!"
    expiring: str = "◑"
    failed: str = "✗"
    paused: str = "‖"
    busy: str = "↻"
    creating: str = "+"
    deleting: str = "-"
    active: str = "●"
    inactive: str = "○"
    waiting: str = "·"
    ellipsis: str = "…"
    separator: str = "·"
    rule: str = "─"
    arrow: str = "→"
    mask: str = "•"
    cursor: str = "▸"
    warning: str = "!"
    sorted: str = "▾"
    marker: str = "▴"
    now: str = "┃"
    published: str = "━"
    overlapping: str = "─"
    dies: str = "✕"


UNICODE = Glyphs()
ASCII = Glyphs(
    healthy="+",
    soon=">",
    expiring="?",
    failed="x",
    paused="=",
    busy="~",
    creating="*",
    active="*",
    inactive="o",
    waiting=".",
    ellipsis="~",
    separator="|",
    rule="-",
    arrow=">",
    mask="*",
    cursor=">",
    sorted="v",
    marker="^",
    now="|",
    published="=",
    overlapping="-",
    dies="x",
)

_chosen = UNICODE


def glyphs() -> Glyphs:
    """The set for this terminal."""
    return _chosen


def choose_glyphs(environ: Mapping[str, str], asked: bool | None = None) -> Glyphs:
    """ASCII where the locale is not UTF-8, and on the Linux console, whose font has few others.

    `asked` decides, where it is not None; else KEYTURN_ASCII=1 or 0.
    """
    global _chosen  # noqa: PLW0603 - one terminal, one set
    _chosen = ASCII if (_wants_ascii(environ) if asked is None else asked) else UNICODE
    return _chosen


def _wants_ascii(environ: Mapping[str, str]) -> bool:
    if asked := environ.get("KEYTURN_ASCII"):
        return asked != "0"
    if environ.get("TERM") == "linux":
        return True
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or "C"
    if locale == "C.UTF-8" and not environ.get("LC_ALL") and environ.get("LANG", "C") in ("", "C", "POSIX"):
        return True  # Python itself puts that into LC_CTYPE when the terminal's locale is plain C (PEP 538)
    return "utf" not in locale.lower()


@dataclass(frozen=True)
class Mark:
    glyph: str
    word: str
    tone: str

    @property
    def text(self) -> str:
        return f"{self.glyph} {self.word}"

    @property
    def style(self) -> str:
        return STYLES[self.tone]


def status_mark(status: Status) -> Mark:
    """The state of a rotation."""
    g = _chosen
    glyph, tone = {
        Status.HEALTHY: (g.healthy, GOOD),
        Status.DUE_SOON: (g.soon, GOOD),
        Status.PAUSED: (g.paused, MUTED),
        Status.OVERDUE: (g.overdue, WARN),
        Status.EXPIRING: (g.expiring, WARN),
        Status.FAILING: (g.failed, BAD),
        Status.ROTATING: (g.busy, BUSY),
        Status.CREATING: (g.creating, BUSY),
        Status.DELETING: (g.deleting, BUSY),
    }[status]
    return Mark(glyph, status.value, tone)


def result_mark(result: str) -> Mark:
    """The result of a run, a check or a step: "success"/"done"/"passed", "failed", "started", "warning", or none."""
    g = _chosen
    if result in ("success", "done", "passed"):
        return Mark(g.healthy, result, GOOD)
    if result == "failed":
        return Mark(g.failed, result, BAD)
    if result == "warning":
        return Mark(g.warning, result, WARN)
    if result in ("started", "running", "open", "retiring"):
        return Mark(g.busy, "running" if result == "started" else result, BUSY)
    return Mark(g.waiting, result or "never", MUTED)


_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def span(length: timedelta) -> str:
    """A length of time in its largest unit, rounded down: "27 d", "1 d 16 h", "4 h", "12 min", "45 s"."""
    seconds = int(abs(length.total_seconds()))
    days, hours = seconds // 86_400, seconds % 86_400 // 3_600
    if 1 <= days < 3 and hours:
        return f"{days} d {hours} h"
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return "0 s"


@dataclass(frozen=True)
class Times:
    """How moments are written: relative to now ("2 h ago") where there is a choice, and in which zone; None: local."""

    relative: bool = True
    zone: tzinfo | None = None


_times = Times()


def choose_times(times: Times) -> None:
    global _times  # noqa: PLW0603 - one person in front of one terminal
    _times = times


def zone() -> tzinfo | None:
    """The zone that times are shown in; None is the local one."""
    return _times.zone


AT_WIDTH = 12
"""How wide the result of `relative` may be."""


def relative(when: datetime, now: datetime) -> str:
    """ "in 3 d", "2 h ago", "now"; or the moment itself, "12-18 02:00", for who prefers that.

    The last minute does not count seconds: it would never be still.
    """
    distance = when - now
    if not _times.relative:
        near = abs(distance) < timedelta(days=180)
        return f"{when.astimezone(_times.zone):{'%m-%d %H:%M' if near else '%Y-%m-%d'}}"
    if abs(distance) < timedelta(seconds=1):
        return "now"
    if timedelta(minutes=-1) < distance < timedelta():
        return "just now"
    return f"in {span(distance)}" if distance > timedelta() else f"{span(distance)} ago"


def exact(when: datetime, zone: tzinfo | None = None, *, seconds: bool = False, with_zone: bool = True) -> str:
    """In the zone that was chosen unless one is given: "2026-12-18 02:00 CET"."""
    local = when.astimezone(zone or _times.zone)
    text = f"{local:%Y-%m-%d %H:%M:%S}" if seconds else f"{local:%Y-%m-%d %H:%M}"
    return f"{text} {local.tzname()}" if with_zone else text


def in_both_zones(when: datetime, *, seconds: bool = False) -> str:
    """With UTC beside it, once where they are the same: "2026-12-18 02:00 CET (01:00 UTC)"."""
    local, utc = when.astimezone(_times.zone), when.astimezone(UTC)
    if local.utcoffset() == timedelta():
        return exact(when, UTC, seconds=seconds)
    other = f"{utc:%H:%M}" if local.date() == utc.date() else f"{utc:%Y-%m-%d %H:%M}"
    return f"{exact(when, seconds=seconds)} ({other} UTC)"


def when(moment: datetime | None, now: datetime, none: str = "never", *, with_zone: bool = True) -> str:
    """Relative and exact: "in 27 d (2026-12-18 02:00 CET)"."""
    if moment is None:
        return none
    text = exact(moment, with_zone=with_zone)
    return f"{relative(moment, now)} ({text})" if _times.relative else text


def duration(milliseconds: float) -> str:
    """How long a step took: "8 ms", "1.3 s", "2 min 5 s"."""
    if milliseconds < 1:
        return "<1 ms"
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"
