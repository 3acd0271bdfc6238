"""The sessions of a PostgreSQL user: who may end them, and ending those that a replaced password opened.

A new password ends no session. A role sees since when a session is open, and may end it, as a member of the user that
inherits its rights, or as a member of pg_read_all_stats and pg_signal_backend.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from providers.base import Check, CheckResult, Disconnected, Use
from providers.postgres_errors import identifier

if TYPE_CHECKING:
    from providers.postgres import PostgresTarget
    from providers.postgres_connection import Session

_LOOKS = 50
_PAUSE = 0.1
_SIGNAL, _STATS = "pg_signal_backend", "pg_read_all_stats"

_RIGHTS = """
    SELECT CASE WHEN rolsuper THEN current_setting('is_superuser') = 'on'
            ELSE pg_has_role(oid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE') END,
        pg_has_role(oid, 'USAGE') OR pg_has_role('pg_read_all_stats', 'USAGE')
    FROM pg_catalog.pg_roles WHERE rolname = %s
"""
# A session that shows no beginning may be an old one. Our own, which has just tried the new password, is no news.
_OPEN = """
    SELECT coalesce(application_name, ''), coalesce(pg_catalog.host(client_addr), ''), backend_start
    FROM pg_catalog.pg_stat_activity
    WHERE usename = %s AND pid <> pg_backend_pid() AND (backend_start < %s OR backend_start IS NULL)
        AND NOT (application_name = 'keyturn'
            AND (backend_start IS NULL OR client_addr IS NOT DISTINCT FROM inet_client_addr()))
"""
_END = """
    SELECT pg_terminate_backend(pid)
    FROM pg_catalog.pg_stat_activity
    WHERE usename = %s AND pid <> pg_backend_pid() AND backend_start < %s
"""


class _Open(NamedTuple):
    application: str
    address: str
    since: datetime | None


async def disconnect(target: PostgresTarget, user: str, replaced: Callable[[], timedelta]) -> Disconnected:
    """End the user's sessions that began longer than `replaced` ago, and see them gone."""
    async with target.session() as session:
        ((now,),) = await session.rows("SELECT clock_timestamp()")
        began_before = now - replaced()
        found = await _open(session, user, began_before)
        missing = await _missing(session, user)
        if found and _SIGNAL not in missing:
            await session.rows(_END, user, began_before)
            left = await _until_gone(session, user, began_before)
        else:
            left = found
    still = [each for each in left if each.since is not None]
    if still and _SIGNAL not in missing:
        seconds = _LOOKS * _PAUSE
        reason = f"Sessions of {user} were told to end, and have not within {seconds:.0f} s."
        remedy = "pg_stat_activity shows what they wait for."
    elif left:
        admin = target.credentials.username
        reason = f"{admin} may not end all sessions of {user}, or not see since when they are open."
        remedy = _grant(missing, admin)
    else:
        reason = remedy = ""
    gone = list(found)
    for each in left:
        if each in gone:
            gone.remove(each)
    return Disconnected(_uses(gone), _uses(left), reason, remedy)


async def rights(session: Session, admin: str, user: str) -> Check:
    """Whether an emergency could end the user's sessions."""
    title = f"In an emergency, {admin} may end the sessions of {user}"
    missing = await _missing(session, user)
    if not missing:
        return Check(title, CheckResult.PASSED)
    detail = "A rotation needs no such right. Without it, sessions that are open go on after an emergency."
    return Check(title, CheckResult.WARNING, detail, _grant(missing, admin))


async def _missing(session: Session, user: str) -> list[str]:
    """The roles whose rights are lacking."""
    rows = await session.rows(_RIGHTS, user)
    ends, sees = rows[0] if rows else (True, True)
    return [name for name, has in ((_SIGNAL, ends), (_STATS, sees)) if not has]


def _grant(missing: Iterable[str], admin: str) -> str:
    return f"GRANT {', '.join(missing)} TO {identifier(admin)};" if missing else ""


async def _open(session: Session, user: str, began_before: datetime) -> list[_Open]:
    return [_Open(*row) for row in await session.rows(_OPEN, user, began_before)]


async def _until_gone(session: Session, user: str, began_before: datetime) -> list[_Open]:
    """What is open after all; a backend takes a moment to end."""
    left = await _open(session, user, began_before)
    for _ in range(_LOOKS):
        if all(each.since is None for each in left):
            break
        await asyncio.sleep(_PAUSE)
        left = await _open(session, user, began_before)
    return left


def _uses(sessions: Iterable[_Open]) -> tuple[Use, ...]:
    """By application and address, the most sessions first."""
    grouped: dict[tuple[str, str], list[_Open]] = defaultdict(list)
    for each in sessions:
        grouped[each.application, each.address].append(each)
    uses = [
        Use(who, where, len(those), min((each.since for each in those if each.since), default=None))
        for (who, where), those in grouped.items()
    ]
    return tuple(sorted(uses, key=lambda use: (-use.count, use.who, use.where)))
