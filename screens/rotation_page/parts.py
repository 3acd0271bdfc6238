"""What the page of a rotation shows of it, part by part."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.content import Content

from app.views import AttemptView, RotationDetail, SlotView
from screens import guarding, look
from screens.text import one_line, plain, visible

if TYPE_CHECKING:
    from app.views import SlotCheck

_MUTED, _BAD, _GOOD = (look.STYLES[tone] for tone in (look.MUTED, look.BAD, look.GOOD))


def summary(detail: RotationDetail, now: datetime) -> list[Content]:
    row, dot = detail.row, f" {look.glyphs().separator} "
    mark = look.status_mark(row.status)
    lines = [
        Content.assemble(
            (mark.text, f"bold {mark.style}"),
            (one_line(f"{dot}{row.type_title}{dot}through connection {row.connection}"), _MUTED),
        ),
        plain(_schedule(detail, now)),
        Content.assemble(
            (guarding.sentence(detail.guard, detail.guard_wait_hours), _MUTED), (" g", "bold"), (" changes it.", _MUTED)
        ),
    ]
    if detail.emergency_since is not None:
        lines.append(_emergency(detail.emergency_since, now))
    if detail.description:
        lines.append(plain(detail.description, _MUTED))
    if row.last_result == "failed":
        g = look.glyphs()
        times = f"{row.failures} times in a row" if row.failures > 1 else "at the last run"
        lines += [Content.assemble((f"{g.failed} Failed {times}: ", f"bold {_BAD}"), (visible(row.last_message), _BAD))]
        works = f"{row.active_identity} stays published and was not touched. " if row.active_identity else ""
        following = f"Next try {look.when(row.next_at, now)}." if row.next_at else "It is not tried again by itself."
        lines.append(plain(f"  {works}{following}"))
    return lines


def _emergency(since: datetime, now: datetime) -> Content:
    said = (
        f"{look.glyphs().warning} Emergency since {look.when(since, now)}, not finished yet: the loop goes on with it, "
    )
    return Content.assemble((said, f"bold {look.STYLES[look.WARN]}"), (" X", "bold"), (" does so now.", _MUTED))


def _schedule(detail: RotationDetail, now: datetime) -> str:
    days = "every day" if detail.interval_days == 1 else f"every {detail.interval_days} days"
    hours, minutes = detail.rotate_at
    if not detail.auto_rotation:
        return f"Paused. When resumed: {days} at {hours:02}:{minutes:02} UTC."
    text = f"Rotates {days} at {hours:02}:{minutes:02} UTC"
    if detail.next_rotation_at is not None:
        ahead = look.relative(detail.next_rotation_at, now)
        text += f", next {ahead}: {look.in_both_zones(detail.next_rotation_at)}"
    return text


def slots(detail: RotationDetail, now: datetime, checks: dict[int, SlotCheck], checking: bool) -> list[Content]:
    width = max(len(one_line(slot.identity)) for slot in detail.slots)
    lines = [Content.styled("Credentials", "bold")]
    for slot in detail.slots:
        lines += _slot_lines(slot, width, now)
        if (check := checks.get(slot.slot)) is not None:
            mark = look.result_mark({True: "passed", False: "failed", None: "warning"}[check.ok])
            verdict = {True: "", False: "does not log in: ", None: "could not be checked: "}[check.ok]
            lines.append(plain(f"    {mark.glyph} {verdict}{check.text}", mark.style))
        elif checking and slot.known:
            lines.append(plain(f"    {look.glyphs().busy} logging in", look.STYLES[look.BUSY]))
    return lines


def _slot_lines(slot: SlotView, width: int, now: datetime) -> list[Content]:
    g = look.glyphs()
    name = f"{one_line(slot.identity):<{width}}"
    if not slot.known:
        return [Content.styled(f"  {g.waiting} {name}  nothing issued yet", _MUTED)]
    since = f"  since {look.exact(slot.issued_at)}, {look.relative(slot.issued_at, now)}" if slot.issued_at else ""
    word, glyph, style = ("active  ", g.active, _GOOD) if slot.active else ("inactive", g.inactive, _MUTED)
    weight = "bold" if slot.active else ""
    lines = [Content.assemble((f"  {glyph} ", style), (name, weight), (f"  {word}", style), since)]
    if slot.expires_at is not None:
        lines.append(plain(f"    expires {look.when(slot.expires_at, now)}"))
    if slot.dies_at is not None:
        lines.append(plain(f"    replaced by the next run, {look.when(slot.dies_at, now)}", _MUTED))
    return lines


def history(detail: RotationDetail, now: datetime) -> list[Content]:
    more = (("  enter", "bold"), (" shows all, with the errors in full", _MUTED)) if detail.attempts else ()
    lines = [Content.assemble(("History", "bold"), *more)]
    width = max((len(one_line(a.identity)) for a in detail.attempts), default=0)
    for attempt in detail.attempts:
        lines.append(_attempt_line(attempt, width))
        if steps := "  ".join(
            f"{s.step} {look.duration(s.ms)}{f' ({s.tries} tries)' if s.tries > 1 else ''}" for s in attempt.steps
        ):
            lines.append(plain(f"      {steps}", _MUTED))
        notes = (f"      {look.glyphs().warning} {one_line(step.note)}" for step in attempt.steps if step.note)
        lines += [plain(note, look.STYLES[look.WARN]) for note in notes]
        if attempt.message:
            lines.append(plain(f"      {one_line(attempt.message)}", _BAD))
    if not detail.attempts:
        lines.append(plain("  nothing yet", _MUTED))
    return lines


def _attempt_line(attempt: AttemptView, width: int) -> Content:
    mark = look.result_mark(attempt.state)
    return Content.assemble(
        (f"  {mark.glyph} ", mark.style),
        f"{look.exact(attempt.started_at, seconds=True)}  {one_line(attempt.identity):<{width}}  ",
        (f"{mark.word:<8}", mark.style),
        (one_line(f"  {asked_by(attempt)}"), _MUTED),
    )


def asked_by(attempt: AttemptView) -> str:
    return attempt.trigger if attempt.trigger == "schedule" else f"{attempt.trigger} by {attempt.actor}"


def line_lengths(content: Content) -> list[int]:
    """Equal ones take the same room, however they are wrapped."""
    return [cell_len(line) for line in content.plain.split("\n")]
