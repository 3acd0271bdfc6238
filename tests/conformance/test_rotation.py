"""A rotation from its creation to its end. Throughout: what is published logs in."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable
from datetime import timedelta

import pytest

from app.errors import PreflightFailed
from app.rotation import attempt
from app.views import Status
from tests.conformance.bench import NAME, Bench, when

LAG = 20.0
"""Seconds for which a target may not know a credential yet that it gave out."""


async def test_credentials_take_turns_and_the_twice_old_one_is_dead(bench: Bench) -> None:
    await bench.create()
    seen = [await bench.published()]
    for _ in range(3):
        await bench.rotate()
        seen.append(await bench.published())
        await bench.is_sound()
        assert await bench.works(seen[-2])
    assert [await bench.works(each) for each in seen] == [False, False, True, True]
    assert await bench.check() == {0: True, 1: True}
    events = await bench.service.history.recent()
    secrets = [each[name] for each in seen for name in bench.provider.secret_fields if name in each]
    assert not [secret for secret in secrets if secret in str(events)]
    await bench.delete()
    await bench.is_gone(*seen)


async def test_a_lost_answer_costs_nothing_but_another_try(bench: Bench) -> None:
    bench.stand.lose_answer()
    await bench.failure(bench.create())
    await bench.create()
    await bench.is_sound()
    for _ in range(2):
        before = await bench.published()
        bench.stand.lose_answer()
        failed = await bench.failure(bench.rotate())
        assert "resumed before anything new" in failed.remedy
        assert await bench.published() == before
        assert await bench.works(before)
        await bench.rotate()
        assert await bench.published() != before
        assert await bench.works(before)
        await bench.is_sound()


async def test_deleting_after_a_lost_answer_leaves_nothing(bench: Bench) -> None:
    await bench.create()
    before = await bench.published()
    bench.stand.lose_answer()
    await bench.failure(bench.rotate())
    await bench.delete()
    await bench.is_gone(before)


async def test_not_now_is_tried_again_by_the_loop(bench: Bench) -> None:
    await bench.create()
    before = await bench.published()
    due = (await bench.service.rotations.detail(NAME)).row.next_at
    assert due is not None
    bench.stand.throttle()
    bench.later = due - bench.service.context.clock() + bench.later
    assert await bench.service.scheduler().run_once() == 1
    row = (await bench.service.rotations.detail(NAME)).row
    assert row.status is Status.FAILING
    assert row.next_at is not None
    assert (row.next_at - bench.service.context.clock()).total_seconds() < 3600
    assert await bench.published() == before
    await bench.is_sound()
    bench.stand.recover()
    bench.later += row.next_at - bench.service.context.clock()
    assert await bench.service.scheduler().run_once() == 0
    assert await bench.published() != before
    await bench.is_sound()


async def test_what_is_forbidden_waits_for_a_person(bench: Bench) -> None:
    await bench.create()
    before = await bench.published()
    bench.stand.forbid()
    failed = await bench.failure(bench.rotate())
    assert "The published credential still works" in failed.remedy
    assert await bench.published() == before
    await bench.is_sound()
    bench.stand.recover()
    await bench.rotate()
    await bench.is_sound()


async def test_a_permission_removed_half_way_fails_nothing_that_is_published(bench: Bench) -> None:
    """What can't be retired then is retired later."""
    await bench.create()
    await bench.rotate()
    before = await bench.published()
    assert (await bench.rotate(when("verify", bench.stand.forbid))).rotation_status == "success"
    assert await bench.published() != before
    assert await bench.works(await bench.published())
    bench.stand.recover()
    bench.later += timedelta(hours=2)
    assert await bench.service.scheduler().run_once() == 0
    await bench.is_sound()


async def test_a_deletion_that_is_forbidden_changes_nothing_and_may_be_repeated(bench: Bench) -> None:
    await bench.create()
    await bench.rotate()
    held = await bench.held()
    bench.stand.forbid()
    await bench.failure(bench.delete())
    assert [await bench.works(each) for each in held] == [True, True]
    bench.stand.recover()
    await bench.delete()
    await bench.is_gone(*held)


async def test_who_is_deleted_at_the_target_is_told_and_can_be_given_up(bench: Bench) -> None:
    await bench.create()
    bench.stand.remove()
    await bench.failure(bench.rotate())
    assert (await bench.service.rotations.detail(NAME)).row.status is Status.FAILING
    assert False in (await bench.check()).values()
    await bench.delete()
    assert await bench.service.rotations.documents() == []
    with pytest.raises(PreflightFailed):
        await bench.create()


async def test_drift_is_found_in_either_slot_and_mended_by_rotating(bench: Bench) -> None:
    await bench.create()
    await bench.rotate()
    active = await bench.active()
    bench.stand.spoil(await bench.inactive())
    assert await bench.check() == {active: True, 1 - active: False}
    await bench.rotate()
    assert await bench.check() == {active: True, 1 - active: True}
    bench.stand.spoil(await bench.current())
    assert await bench.check() == {active: True, 1 - active: False}
    await bench.rotate()
    await bench.is_sound()
    assert await bench.active() == active


async def test_what_the_target_takes_a_while_to_know_is_published_when_it_does(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once where the provider has the patience, else by the next run."""
    await bench.create()
    before = await bench.published()
    bench.stand.lag(before)
    clock_verifying(monkeypatch, LAG, bench.stand.recover)
    if bench.provider.verify_patience < LAG:
        await bench.failure(bench.rotate())
        assert await bench.published() == before
        bench.stand.recover()
    await bench.rotate()
    assert await bench.published() != before
    assert await bench.works(before)
    await bench.is_sound()


def clock_verifying(monkeypatch: pytest.MonkeyPatch, seconds: float, then: Callable[[], None]) -> None:
    """Let the pauses between tries of a login pass at once, by a clock of their own; at `seconds`, `then` happens."""
    passed = [0.0]

    async def sleep(pause: float) -> None:
        before, passed[0] = passed[0], passed[0] + pause
        if before < seconds <= passed[0]:
            then()

    monkeypatch.setattr(attempt, "time", types.SimpleNamespace(monotonic=lambda: passed[0]))
    monkeypatch.setattr(attempt, "asyncio", types.SimpleNamespace(**{**vars(asyncio), "sleep": sleep}))
