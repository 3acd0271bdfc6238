"""What creating a rotation will do, in words, and when it will run: for people to read before they say yes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from app.contract import CreateRotation
from app.rotation import schedule
from app.validation import ReadRotation
from app.views import Outlook
from providers.base import Provider

RUNS_SHOWN = 3


def outlook(kind: Provider, read: ReadRotation, now: datetime) -> Outlook:
    """As far as the body is valid."""
    return Outlook(tuple(_effects(kind, read)), tuple(_runs(read, now)))


def _effects(kind: Provider, read: ReadRotation) -> list[str]:
    body = read.body
    if read.parameters is None or read.mapping is None:
        return []
    people = [kind.identity(read.parameters, slot) for slot in kind.initial_slots]
    several, secret = len(people) > 1, _secret_words(kind)
    who = f"{_listed(people, last=' and then ')} get" if several else f"{people[0]} gets"
    issued = f"{who} a new {secret}{' each' if several else ''}, which is tried before anything else happens."
    if not kind.retires:
        issued += f" What {'they have' if several else 'it has'} now stops working at that moment."
    names = _listed(list(read.mapping.values()))
    place = f"{body.project_id}, {body.environment}, {body.secret_path}"
    published = f"{people[-1]} becomes active: {names} in {place} hold its credential from then on."
    return [issued, published, _afterwards(body, secret)]


def _afterwards(body: CreateRotation, secret: str) -> str:
    if not body.is_auto_rotation_enabled:
        return "Nothing rotates by itself: auto-rotation is off, until it is switched on or you rotate by hand."
    days = "day" if body.rotation_interval == 1 else f"{body.rotation_interval} days"
    return (
        f"Every {days} the inactive one gets a new {secret} and becomes active. What was active until then stays valid "
        "until the next run, so nobody is cut off."
    )


def _runs(read: ReadRotation, now: datetime) -> list[datetime]:
    body = read.body
    if not body.is_auto_rotation_enabled or not read.given("rotationInterval", "rotateAtUtc", "isAutoRotationEnabled"):
        return []
    first = schedule.next_after_manual(now, body.rotation_interval, body.rotate_at_utc.time_of_day)
    return schedule.upcoming(first, body.rotation_interval, RUNS_SHOWN)


def _secret_words(kind: Provider) -> str:
    """What people call the secret part: "password", "secret access key"."""
    titles = [
        (info.title or name.replace("_", " ")).lower()
        for name, info in kind.mapping.model_fields.items()
        if (info.alias or name) in kind.secret_fields
    ]
    return _listed(titles) or "credential"


def _listed(words: Sequence[str], last: str = " and ") -> str:
    return last.join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
