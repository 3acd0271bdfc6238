"""Dates: the documented formula, and the two repairs."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rotation.failure import Situation, outlook, verdict
from app.rotation.schedule import (
    FIRST_BACKOFF,
    LONGEST_BACKOFF,
    TimeOfDay,
    backoff,
    next_after_failure,
    next_after_manual,
    next_after_scheduled,
    next_when_enabled,
    upcoming,
)

NOON = TimeOfDay(12, 0)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


moments = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive by Hypothesis' rule
times = st.builds(TimeOfDay, st.integers(0, 23), st.integers(0, 59))
intervals = st.integers(1, 3650)


@pytest.mark.parametrize(
    ("rotated_at", "expected"),
    [
        ("2026-03-01T11:59:59", "2026-03-02T12:00"),
        ("2026-03-01T12:00:00", "2026-03-03T12:00"),
        ("2026-03-01T23:59:59", "2026-03-03T12:00"),
        ("2026-03-01T00:00:00", "2026-03-02T12:00"),
    ],
)
def test_a_manual_run_is_followed_after_at_least_the_interval(rotated_at: str, expected: str) -> None:
    assert at(expected) == next_after_manual(at(rotated_at), 1, NOON)


@given(moments, intervals, times)
def test_after_a_manual_run_at_least_n_and_at_most_n_plus_one_days_pass(
    rotated_at: datetime, interval: int, time: TimeOfDay
) -> None:
    following = next_after_manual(rotated_at, interval, time)
    # Minutes decide, so a run within the very minute counts as before it.
    assert timedelta(days=interval) - timedelta(minutes=1) < following - rotated_at <= timedelta(days=interval + 1)
    assert (following.hour, following.minute) == (time.hours, time.minutes)


def test_a_scheduled_run_that_ends_after_midnight_does_not_drift() -> None:
    late = TimeOfDay(23, 59)
    following = next_after_scheduled(at("2026-03-01T23:59"), 1, late, at("2026-03-02T00:01"))
    assert at("2026-03-02T23:59") == following


def test_a_month_of_missed_runs_is_caught_up_once_and_stays_on_the_grid() -> None:
    following = next_after_scheduled(at("2026-03-01T12:00"), 7, NOON, at("2026-04-02T08:00"))
    assert at("2026-04-05T12:00") <= following
    assert (following - at("2026-03-01T12:00")).days % 7 == 0


def test_a_late_run_leaves_half_an_interval_to_those_who_still_use_what_it_replaced() -> None:
    following = next_after_scheduled(at("2026-03-01T00:00"), 1, TimeOfDay(), at("2026-03-01T23:59"))
    assert at("2026-03-03T00:00") == following


@given(moments, intervals, times, st.timedeltas(timedelta(0), timedelta(days=5000)))
def test_the_next_scheduled_run_is_on_the_grid_and_neither_soon_nor_later_than_needed(
    due: datetime, interval: int, time: TimeOfDay, late: timedelta
) -> None:
    scheduled_for, day = time.on(due), timedelta(days=interval)
    now = scheduled_for + late
    following = next_after_scheduled(scheduled_for, interval, time, now)
    assert (following - scheduled_for) % day == timedelta(0)
    assert following >= now + day / 2
    assert following - day < now + day / 2 or following == scheduled_for + day


def test_a_failure_is_tried_again_tomorrow_at_the_time_of_day() -> None:
    assert at("2026-03-02T12:00") == next_after_failure(at("2026-03-01T03:00"), NOON)
    assert at("2026-03-02T12:00") == next_after_failure(at("2026-03-01T23:00"), NOON)


def test_enabling_counts_from_the_last_run_and_may_be_due_at_once() -> None:
    assert at("2026-03-02T12:00") == next_when_enabled(at("2026-03-01T12:00:07"), False, 1, NOON)
    assert at("2026-03-03T12:00") == next_when_enabled(at("2026-03-01T12:00:07"), True, 1, NOON)


@given(st.integers(1, 400), st.integers())
def test_backoff_stays_between_30_seconds_and_an_hour(failures: int, seed: int) -> None:
    pause = backoff(failures, random.Random(seed).uniform)
    assert FIRST_BACKOFF <= pause <= LONGEST_BACKOFF


def test_backoff_grows() -> None:
    lowest = [backoff(n, lambda a, b: a) for n in range(1, 10)]
    assert sorted(lowest) == lowest
    assert lowest[-1] == LONGEST_BACKOFF / 2


def test_upcoming_runs_are_an_interval_apart() -> None:
    first = at("2026-03-01T12:00")
    assert upcoming(first, 30, 3) == [first, first + timedelta(days=30), first + timedelta(days=60)]


USUAL = Situation(
    now=at("2026-03-01T12:00"),
    transient=True,
    closed=True,
    scheduled=True,
    creating=False,
    committed=False,
    failures=0,
    auto_rotation=True,
    next_rotation_at=at("2026-03-01T12:00"),
    time_of_day=NOON,
)


def earliest(a: float, b: float) -> float:
    return a


def test_a_transient_failure_of_a_scheduled_run_backs_off_and_stays_due() -> None:
    decided = verdict(USUAL, earliest)
    assert decided.due_at == decided.retry_at == at("2026-03-01T12:00:30")
    assert decided.next_rotation_at == at("2026-03-01T12:00")


def test_a_permanent_failure_of_a_scheduled_run_waits_for_tomorrow() -> None:
    decided = verdict(replace(USUAL, transient=False), earliest)
    assert decided.due_at == decided.next_rotation_at == at("2026-03-02T12:00")
    assert decided.retry_at is None


@pytest.mark.parametrize("transient", [True, False])
def test_a_failed_manual_run_that_changed_nothing_changes_no_schedule(transient: bool) -> None:
    later = at("2026-03-20T12:00")
    decided = verdict(replace(USUAL, scheduled=False, transient=transient, next_rotation_at=later), earliest)
    assert (decided.due_at, decided.next_rotation_at) == (later, later)


def test_a_manual_run_that_may_have_changed_the_target_is_resumed_by_the_loop() -> None:
    open_one = replace(USUAL, scheduled=False, closed=False, auto_rotation=False, next_rotation_at=None)
    decided = verdict(open_one, earliest)
    assert decided.due_at == at("2026-03-01T12:00:30")
    assert decided.next_rotation_at is None


def test_what_never_runs_by_itself_does_not_after_a_failure_either() -> None:
    paused = replace(USUAL, scheduled=False, transient=False, auto_rotation=False, next_rotation_at=None)
    decided = verdict(paused, earliest)
    assert decided.due_at is None
    assert "not tried again by itself" in outlook(paused, decided)


@pytest.mark.parametrize("creating", [True, False])
def test_what_people_asked_for_once_is_finished_by_the_loop(creating: bool) -> None:
    begun = replace(
        USUAL, scheduled=False, creating=creating, committed=True, auto_rotation=False, next_rotation_at=None
    )
    assert verdict(begun, earliest).due_at == at("2026-03-01T12:00:30")


def test_a_creation_that_was_refused_is_tried_again_tomorrow() -> None:
    refused = replace(USUAL, transient=False, scheduled=False, creating=True, committed=True, next_rotation_at=None)
    assert verdict(refused, earliest).due_at == at("2026-03-02T12:00")
