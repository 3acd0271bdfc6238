"""The access keys of one IAM user: what they are, whose, and how one makes room for another.

A user has two keys at most. What the journal did not record belongs to somebody else, but for the key whose secret
was lost with the answer to CreateAccessKey: nobody can know that one.
"""

from __future__ import annotations

import contextlib
import email.utils
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from providers.base import Credential, Outcome, TargetRefused, TargetUnavailable

if TYPE_CHECKING:
    from providers.aws import Session

MOST = 2
KEY_ID, SECRET = "accessKeyId", "secretAccessKey"
ATTEMPT, PLANNED = "attemptId", "plannedAt"

# AWS dates keys to the second, by its own clock.
_CLOCKS_DIFFER = timedelta(seconds=5)


@dataclass(frozen=True)
class Key:
    id: str
    active: bool
    created: datetime


@dataclass(frozen=True)
class Keys:
    """A user's keys, and the time by AWS's clock when it was asked."""

    found: tuple[Key, ...]
    asked_at: datetime | None

    def ids(self) -> set[str]:
        return {key.id for key in self.found}


@dataclass(frozen=True)
class LastUse:
    """Of a key; `at` is None when it was never used."""

    at: datetime | None
    service: str = ""
    region: str = ""


async def keys_of(session: Session, user: str) -> Keys:
    """Raises NoSuchEntity when there is no such user."""
    found: list[Key] = []
    more: dict[str, Any] = {}
    while True:
        answer = await session.call("iam", "ListAccessKeys", UserName=user, **more)
        found += [
            Key(item["AccessKeyId"], item["Status"] == "Active", item["CreateDate"])
            for item in answer.get("AccessKeyMetadata", [])
        ]
        if not answer.get("IsTruncated"):
            return Keys(tuple(found), _date(answer))
        more = {"Marker": answer["Marker"]}


def _date(answer: dict[str, Any]) -> datetime | None:
    header = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    with contextlib.suppress(ValueError):
        at = email.utils.parsedate_to_datetime(header)
        return at if at.tzinfo else None
    return None


async def last_use(session: Session, key_id: str) -> LastUse:
    """Raises PermissionMissing and all that a call raises."""
    answer = await session.call("iam", "GetAccessKeyLastUsed", AccessKeyId=key_id)
    used = answer.get("AccessKeyLastUsed", {})
    return LastUse(used.get("LastUsedDate"), used.get("ServiceName", ""), used.get("Region", ""))


async def lost_keys(session: Session, unknown: Iterable[Key], candidate: Credential) -> list[Key]:
    """Those of the unknown keys that an earlier try of the same attempt made: since it was planned, and never used."""
    planned = datetime.fromisoformat(candidate.values[PLANNED]) - _CLOCKS_DIFFER
    since = [key for key in unknown if key.created >= planned]
    return [key for key in since if (await last_use(session, key.id)).at is None]


async def delete(session: Session, user: str, key_id: str, *, active: bool = True) -> None:
    """Deactivate, then delete. Gone already is success."""
    from providers.aws_errors import NoSuchEntity

    about: dict[str, Any] = {"UserName": user, "AccessKeyId": key_id}
    with contextlib.suppress(NoSuchEntity):
        if active:
            await session.call("iam", "UpdateAccessKey", changes=True, Status="Inactive", **about)
        await session.call("iam", "DeleteAccessKey", changes=True, **about)


async def create(session: Session, user: str) -> Credential:
    """Make a key. It is sent once: when the answer is lost the outcome is unknown."""
    answer = await session.call("iam", "CreateAccessKey", changes=True, UserName=user)
    made = answer.get("AccessKey", {})
    if not made.get("AccessKeyId") or not made.get("SecretAccessKey"):
        raise TargetUnavailable("AWS made a key and did not say which.", outcome=Outcome.UNKNOWN)
    return Credential({KEY_ID: made["AccessKeyId"], SECRET: made["SecretAccessKey"]})


async def foreign(session: Session, user: str, strangers: Iterable[Key], keys: Keys) -> TargetRefused:
    """Return the refusal that names the keys which stand in the way, and what to do about them."""
    strangers = tuple(strangers)
    named = "; ".join([await described(session, key, keys.asked_at) for key in strangers])
    return TargetRefused(
        f"{user} has {len(keys.found)} access keys, AWS allows {MOST}, and this rotation does not know "
        f"{'one' if len(strangers) == 1 else 'two'} of them: {named}. Nothing was deleted.",
        remedy=removal(user, strangers),
    )


async def described(session: Session, key: Key, now: datetime | None) -> str:
    """Return a key's id, state, age and last use in a few words."""
    from providers.aws_errors import PermissionMissing

    try:
        use = await last_use(session, key.id)
    except PermissionMissing:
        used = "last use unknown (iam:GetAccessKeyLastUsed is denied)"
    else:
        where = f" for {use.service} in {use.region}"
        used = f"last used {use.at:%Y-%m-%d %H:%M} UTC{where}" if use.at else "never used"
    days = f", {max(0, (now - key.created).days)} days old" if now else ""
    state = "active" if key.active else "inactive"
    return f"{key.id} ({state}, created {key.created:%Y-%m-%d %H:%M} UTC{days}, {used})"


def removal(user: str, keys: Iterable[Key]) -> str:
    """Return the commands that remove keys: off first, which can be taken back."""
    about = [f"--user-name {user} --access-key-id {key.id}" for key in keys]
    off = "\n".join(f"aws iam update-access-key --status Inactive {each}" for each in about)
    gone = "\n".join(f"aws iam delete-access-key {each}" for each in about)
    return f"If nobody needs it, turn it off, wait until you are sure, then delete it:\n{off}\n{gone}"
