"""Somebody changes at the server what Keyturn believes to know: found by looking, and by the loop by itself."""

from __future__ import annotations

import asyncio
from typing import LiteralString

import pytest

from app.errors import RotationFailed
from app.views import Status
from store import jobs
from tests.faults.target import BY_HAND, NAME, Site, site

__all__ = ["site"]

DEADLINE = 60.0


async def heartbeat(site: Site) -> None:
    """Seven hours later the loop looks by itself, as it does with nothing due."""
    site.clock.advance(hours=7)
    before = await checked_at(site)
    stop = asyncio.Event()
    running = asyncio.create_task(site.service.scheduler().run(stop))
    async with asyncio.timeout(DEADLINE):
        while await checked_at(site) == before:
            await asyncio.sleep(0.01)
    stop.set()
    await asyncio.wait_for(running, DEADLINE)  # what runs is finished first


async def checked_at(site: Site) -> object:
    rotation_id = (await site.service.rotations.document(NAME)).id
    return (await site.service.store.aread(lambda tx: jobs.load(tx, rotation_id))).rotation.checked_at


async def events(site: Site) -> list[tuple[str, str]]:
    action = "secret-rotation-check-credentials"
    return [(e.result, e.message) for e in reversed(await site.service.history.recent()) if e.action == action]


async def test_the_inactive_users_password_is_found_and_set_back_by_itself(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    await site.create()
    site.promised = [await site.published()]
    held = await site.slots()
    site.execute("ALTER ROLE {second} PASSWORD 'changed by hand'")
    checks = await site.service.rotations.check(NAME)
    assert [check.ok for check in checks] == [True, False]
    assert f"The password of {site.users[1]} was refused" in checks[1].text
    assert site.pg.login(site.users[1], "changed by hand"), "looking changes nothing"
    await heartbeat(site)
    site.look()
    assert await site.slots() == held
    await site.assert_whole(site.users[0])
    assert (await events(site))[-1] == (
        "success",
        f"{site.users[1]}'s password had been changed by somebody; it was set back.",
    )
    assert await site.run(BY_HAND)
    await site.assert_whole(site.users[1])
    await site.assert_silent(caplog.text, least=2)


async def test_the_published_users_password_is_told_and_set_back_when_asked(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    await site.create()
    held = await site.slots()
    site.execute("ALTER ROLE {first} PASSWORD 'changed by hand'")
    assert [check.ok for check in await site.service.rotations.check(NAME)] == [False, True]
    for _ in range(2):
        await heartbeat(site)
        assert site.pg.login(site.users[0], "changed by hand"), "what is in use was changed unasked"
        row = (await site.service.rotations.detail(NAME)).row
        assert row.status is Status.FAILING
        user = site.users[0]
        no_more = f"The published credential of {user} no longer logs in: The password of {user} was refused"
        assert row.last_message.startswith(no_more)
    told = [message for result, message in await events(site) if message.startswith("The published")]
    assert len(told) == 1, "one and the same thing is told once"
    assert [check.ok for check in await site.service.rotations.heal(NAME)] == [True, True]
    assert await site.slots() == held
    await site.assert_whole(site.users[0])
    await site.assert_silent(caplog.text, least=2)


async def test_both_at_once(site: Site) -> None:
    await site.create()
    site.execute("ALTER ROLE {first} PASSWORD 'changed by hand'; ALTER ROLE {second} PASSWORD 'changed by hand'")
    await heartbeat(site)
    assert [check.ok for check in await site.service.rotations.check(NAME)] == [False, True]
    assert [check.ok for check in await site.service.rotations.heal(NAME)] == [True, True]
    await site.assert_whole(site.users[0])


@pytest.mark.parametrize(
    ("fault", "mended", "reason"),
    [
        ("DROP ROLE {first}", "CREATE ROLE {first} LOGIN", "There is no role"),
        ("ALTER ROLE {first} RENAME TO {other}", "ALTER ROLE {other} RENAME TO {first}", "There is no role"),
        ("ALTER ROLE {first} NOLOGIN", "ALTER ROLE {first} LOGIN", "may not log in"),
        ("ALTER ROLE {first} VALID UNTIL '2020-01-01'", "ALTER ROLE {first} VALID UNTIL 'infinity'", "expired at"),
    ],
    ids=["dropped", "renamed", "NOLOGIN", "expired"],
)
async def test_a_published_user_that_is_gone_is_told_and_rotated_away_from(
    site: Site, caplog: pytest.LogCaptureFixture, fault: LiteralString, mended: LiteralString, reason: str
) -> None:
    await site.create()
    site.execute(fault)
    await heartbeat(site)
    row = (await site.service.rotations.detail(NAME)).row
    assert row.status is Status.FAILING
    assert row.last_message.startswith(f"The published credential of {site.users[0]} no longer logs in: ")
    assert reason in row.last_message
    await site.service.rotations.rotate(NAME)
    published = await site.published()
    assert published["username"] == site.users[1]
    assert site.logs_in(published)
    site.execute(mended)
    site.let_rotate(site.users[0])
    assert await site.run(BY_HAND)
    await site.assert_whole(site.users[0])
    await site.assert_silent(caplog.text)


@pytest.mark.parametrize("end", ["ALTER ROLE {second} VALID UNTIL 'infinity'"])
async def test_an_inactive_user_that_expired_is_no_changed_password(site: Site, end: LiteralString) -> None:
    await site.create()
    site.promised = [await site.published()]
    site.execute("ALTER ROLE {second} VALID UNTIL '2020-01-01'")
    await heartbeat(site)
    site.look()
    assert "expired at" in await site.message()
    assert "changed by somebody" not in " ".join(message for _, message in await events(site))
    site.execute(end)
    await site.service.rotations.rotate(NAME)
    if await site.published() in site.promised:  # that was the rest of what the loop had begun
        assert await site.run(BY_HAND)
    await site.assert_whole(site.users[1])


async def test_what_cannot_be_set_back_is_said(site: Site) -> None:
    await site.create()
    site.execute("ALTER ROLE {first} PASSWORD 'changed by hand'; ALTER ROLE {first} SUPERUSER")
    with pytest.raises(RotationFailed, match="permission denied to alter role") as failure:
        await site.service.rotations.heal(NAME)
    assert "NOSUPERUSER" in failure.value.remedy
    site.execute("ALTER ROLE {first} NOSUPERUSER")
    assert [check.ok for check in await site.service.rotations.heal(NAME)] == [True, True]
    await site.assert_whole(site.users[0])
