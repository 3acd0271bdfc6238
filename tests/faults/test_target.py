"""Whatever is wrong at the target: how it is told, when it is tried again, and that nobody is locked out.

The published credential is app_1's throughout, and app_2 is next.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import LiteralString

import pytest

from app.views import Status
from tests.faults.target import BY_HAND, BY_SCHEDULE, DUE, NAME, Site, assert_backed_off, site
from tests.variants import few_rows

__all__ = ["site"]

POLICY = "ALTER ROLE {{username}} PASSWORD '{{password}}'; SELECT public.policy('{{password}}')"
NO_POLICY: LiteralString = """
    CREATE OR REPLACE FUNCTION public.policy(password text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN END $$
"""
# What credcheck and extensions like it say, and how.
REFUSE_PASSWORD: LiteralString = """
    CREATE OR REPLACE FUNCTION public.policy(password text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'password must contain a symbol' USING ERRCODE = '22023', HINT = 'Configured at least 1.';
    END $$
"""
QUOTE_PASSWORD: LiteralString = """
    CREATE OR REPLACE FUNCTION public.policy(password text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'password % was used before', password USING ERRCODE = '22023', HINT = 'Not ' || password;
    END $$
"""
REFUSE_VERIFIER: LiteralString = """
    CREATE OR REPLACE FUNCTION public.policy(password text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'password type is not a plain text' USING ERRCODE = '28000';
    END $$
"""


@dataclass(frozen=True)
class Fault:
    """What is done to the server and undone later, what people read, and what the engine makes of it.

    `transient`: time may cure it. `kept`: the password may have been changed, so the attempt is resumed.
    """

    name: str
    begin: LiteralString
    end: LiteralString
    says: str
    advises: str
    transient: bool = False
    kept: bool = False
    shut: bool = False
    statement: str | None = None


FAULTS = (
    Fault(
        "dropped",
        "DROP ROLE {second}",
        "CREATE ROLE {second} LOGIN; GRANT {second} TO {admin} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE",
        r'role "app_2_\w+" does not exist',
        r'CREATE ROLE "app_2_\w+" LOGIN;',
    ),
    Fault(
        "renamed",
        "ALTER ROLE {second} RENAME TO {other}",
        "ALTER ROLE {other} RENAME TO {second}",
        r'role "app_2_\w+" does not exist',
        r'CREATE ROLE "app_2_\w+" LOGIN;',
    ),
    Fault(
        "NOLOGIN",
        "ALTER ROLE {second} NOLOGIN",
        "ALTER ROLE {second} LOGIN",
        r"app_2_\w+ may not log in",
        r'ALTER ROLE "app_2_\w+" LOGIN;',
        kept=True,
    ),
    Fault(
        "expired",
        "ALTER ROLE {second} VALID UNTIL '2020-01-01'",
        "ALTER ROLE {second} VALID UNTIL 'infinity'",
        r"The password of app_2_\w+ expired",
        r"""ALTER ROLE "app_2_\w+" VALID UNTIL 'infinity';""",
        kept=True,
    ),
    Fault(
        "superuser",
        "ALTER ROLE {second} SUPERUSER",
        "ALTER ROLE {second} NOSUPERUSER",
        "permission denied to alter role",
        r'ALTER ROLE "app_2_\w+" NOSUPERUSER;',
    ),
    Fault(
        "rights of the admin withdrawn",
        "ALTER ROLE {admin} NOCREATEROLE",
        "ALTER ROLE {admin} CREATEROLE",
        "permission denied to alter role",
        r'ALTER ROLE "rotator_\w+" CREATEROLE;',
    ),
    Fault(
        "password of the admin changed",
        "ALTER ROLE {admin} PASSWORD 'changed by hand'",
        "ALTER ROLE {admin} PASSWORD 'the-rotator''s own'",
        r"The password of rotator_\w+ was refused",
        "Enter its current password in the connection",
    ),
    Fault(
        "user may not connect",
        "REVOKE CONNECT ON DATABASE {database} FROM PUBLIC; GRANT CONNECT ON DATABASE {database} TO {first}, {admin}",
        "GRANT CONNECT ON DATABASE {database} TO PUBLIC",
        r"app_2_\w+ may not connect to the database",
        r'GRANT CONNECT ON DATABASE "test_\w+" TO "app_2_\w+";',
        kept=True,
    ),
    Fault(
        "user has too many connections",
        "ALTER ROLE {second} CONNECTION LIMIT 0",
        "ALTER ROLE {second} CONNECTION LIMIT -1",
        r'does not let app_2_\w+ in: too many connections for role "app_2_\w+"',
        "Raise the limit, or end sessions",
        transient=True,
        kept=True,
    ),
    Fault(
        "database has too many connections",
        "ALTER DATABASE {database} CONNECTION LIMIT 0",
        "ALTER DATABASE {database} CONNECTION LIMIT -1",
        r"does not let rotator_\w+ in: too many connections for database",
        "Raise the limit, or end sessions",
        transient=True,
        shut=True,
    ),
    Fault(
        "read-only",
        "ALTER ROLE {admin} SET default_transaction_read_only = on",
        "ALTER ROLE {admin} RESET default_transaction_read_only",
        "cannot execute ALTER ROLE in a read-only transaction.*replica, or the database is read-only",
        "Point the connection at the primary",
        transient=True,
    ),
    Fault(
        "policy refuses the password",
        REFUSE_PASSWORD,
        NO_POLICY,
        "password must contain a symbol",
        "Configured at least 1",
        statement=POLICY,
    ),
    Fault(
        "policy quotes the password",
        QUOTE_PASSWORD,
        NO_POLICY,
        "withheld because it quotes",
        "withheld",
        statement=POLICY,
    ),
    Fault(
        "policy refuses verifiers",
        REFUSE_VERIFIER,
        NO_POLICY,
        "password type is not a plain text",
        "give the rotation a statement that sends it",
        statement=POLICY,
    ),
)  # fmt: skip

# One of each kind: transient or permanent, begun or not.
TOLD_BY_HAND = {"dropped", "NOLOGIN", "read-only", "user has too many connections"}


@pytest.mark.parametrize(
    ("fault", "by"),
    few_rows(
        [
            *((fault, BY_HAND) for fault in FAULTS if fault.name in TOLD_BY_HAND),
            *((fault, BY_SCHEDULE) for fault in FAULTS),
        ],
        keep=5,
    ),
    ids=lambda value: value.name if isinstance(value, Fault) else value,
)
async def test_a_fault_is_told_waited_for_and_survived(
    site: Site, caplog: pytest.LogCaptureFixture, fault: Fault, by: str
) -> None:
    if fault.statement:
        site.execute(NO_POLICY)
    await site.create(parameters={"rotationStatement": fault.statement})
    if by == BY_SCHEDULE:
        site.clock.now = DUE + timedelta(seconds=7)
    held = await site.slots()
    site.execute(fault.begin)
    site.shut = fault.shut

    assert not await site.run(by)
    told = await site.message()
    assert re.search(fault.says, told)
    assert re.search(fault.advises, told)
    assert (await site.service.rotations.detail(NAME)).row.status is Status.FAILING
    assert await site.slots() == held
    assert await site.is_open() is fault.kept
    if by == BY_HAND:
        outlook = site.told[-1]
        assert ("The attempt is kept and resumed" if fault.kept else "Nothing was changed at the target") in outlook
        assert "The published credential still works." in outlook
        assert f"Next try: {await site.next_at():%Y-%m-%d %H:%M:%S} UTC." in outlook
    tomorrow = DUE + timedelta(days=1)
    if fault.transient and (by == BY_SCHEDULE or fault.kept):
        await assert_backed_off(site, 1)
        await site.wait_until_next()
        assert not await site.run(BY_SCHEDULE)
        await assert_backed_off(site, 2)
    else:
        assert await site.next_at() == await site.scheduled_for() == (tomorrow if by == BY_SCHEDULE else DUE)

    site.execute(fault.end)
    site.shut = False
    if by == BY_SCHEDULE:
        await site.wait_until_next()
    assert await site.run(by)
    await site.assert_whole(site.users[1])
    assert await site.run(BY_HAND)
    await site.assert_whole(site.users[0])
    await site.assert_silent(caplog.text)


async def test_md5_as_the_servers_default_is_no_fault(site: Site) -> None:
    site.execute("ALTER DATABASE {database} SET password_encryption = 'md5'")
    await site.create()
    for user in reversed(site.users):
        assert await site.run(BY_HAND)
        await site.assert_whole(user)
    stored = site.pg.execute("SELECT rolpassword FROM pg_authid WHERE rolname = ANY(%s)", list(site.users))
    assert all(verifier.startswith("SCRAM-SHA-256$") for (verifier,) in stored)


async def test_what_a_policy_against_verifiers_is_answered_with_works(site: Site) -> None:
    site.execute(NO_POLICY)
    await site.create(parameters={"rotationStatement": POLICY})
    site.execute(REFUSE_VERIFIER)
    assert not await site.run(BY_HAND)
    [statement] = re.findall(r"DO \$\$.*END\$\$", await site.message())
    parameters = {"username1": site.users[0], "username2": site.users[1], "rotationStatement": statement}
    await site.service.edits.edit(NAME, {"parameters": parameters})
    assert await site.run(BY_HAND)
    await site.assert_whole(site.users[1])
