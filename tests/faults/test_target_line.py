"""The network is cut in the middle of a run: before the server hears of it, or before its answer comes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.conftest import Database
from tests.faults.target import BY_HAND, BY_SCHEDULE, DUE, Site, assert_backed_off, make_site
from tests.providers.line import STATEMENT, Line, line_to


@pytest.fixture
async def line(pg: Database) -> AsyncIterator[Line]:
    async with line_to(pg.port) as line:
        yield line


@pytest.fixture
async def site(pg: Database, line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    """Keyturn comes over the line, applications do not."""
    async with make_site(pg, tmp_path / "home", monkeypatch, port=line.port) as made:
        yield made


@pytest.mark.parametrize("by", [BY_SCHEDULE, BY_HAND])
@pytest.mark.parametrize(
    ("cut_on", "deliver", "kept"),
    [
        (b"\0user\0", False, False),
        (b"pg_stat_activity", False, False),
        (STATEMENT, False, True),
        (STATEMENT, True, True),
    ],
    ids=["login", "guard", "statement not sent", "answer lost"],
)
async def test_a_cut_line(
    site: Site,
    line: Line,
    caplog: pytest.LogCaptureFixture,
    by: str,
    cut_on: bytes,
    deliver: bool,
    kept: bool,
) -> None:
    await site.create()
    if by == BY_SCHEDULE:
        site.clock.now = DUE + timedelta(seconds=7)
    held = await site.slots()
    if cut_on == b"\0user\0":
        site.lose_connection()
    for failures in (1, 2):
        line.sent.clear()
        line.cut_on, line.deliver_before_cut = cut_on, deliver
        assert not await site.run(by)
        told = await site.message()
        assert "closed the connection" in told
        assert "Look whether the server or the network failed" in told
        assert await site.is_open() is kept
        assert await site.slots() == held
        assert site.logs_in(held[1]) is not deliver
        if by == BY_SCHEDULE or kept:
            await assert_backed_off(site, failures)
        else:
            assert await site.next_at() == await site.scheduled_for() == DUE
        if by == BY_SCHEDULE:
            await site.wait_until_next()
        line.cut_on = b""
    assert await site.run(by)
    await site.assert_whole(site.users[1])
    await site.assert_silent(caplog.text)


async def test_an_answer_that_never_comes_after_a_cut_is_not_waited_for_twice(site: Site, line: Line) -> None:
    """What the lost statement did is what is published: no third password is made."""
    await site.create()
    line.sent.clear()
    line.cut_on, line.deliver_before_cut = STATEMENT, True
    assert not await site.run(BY_HAND)
    made = set(site.passwords)
    line.cut_on = b""
    assert await site.run(BY_HAND)
    assert site.passwords == made
    await site.assert_whole(site.users[1])
