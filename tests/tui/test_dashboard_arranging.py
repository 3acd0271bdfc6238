"""Which rotations are shown in which order, what their counts and nights say, and how their slots are drawn."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from rich.cells import cell_len

from app.rotation.nights import DAYS, Night, crowded, nights
from app.rotation.schedule import runs_until
from app.views import RotationRow, SlotView, Status
from screens.dashboard.arranging import Arrangement, Grouping, Order, arrange, following
from screens.dashboard.counts import told
from screens.dashboard.panel import panel
from screens.dashboard.state_line import state_line
from screens.dashboard.timeline import timeline
from screens.widgets.line_table import Heading

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
NEXT = datetime(2026, 3, 11, 2, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def row(name: str, **columns: Any) -> RotationRow:
    made = RotationRow(
        id=name,
        name=name,
        type="postgres-credentials",
        type_title="PostgreSQL credentials",
        project="shop",
        environment="prod",
        path="/",
        connection="ops-admin",
        status=Status.HEALTHY,
        active_identity=f"{name}_1",
        next_at=NEXT,
        auto_rotation=True,
        scheduled_at=NEXT,
        interval_days=10,
        last_rotated_at=NEXT - timedelta(days=10),
        last_result="success",
        last_message="",
        failures=0,
    )
    return replace(made, **columns)


def slot(number: int, *, active: bool, age: int, expires: int | None = None) -> SlotView:
    return SlotView(
        slot=number,
        identity=f"app_{number}",
        active=active,
        known=True,
        issued_at=NOW - timedelta(days=age),
        expires_at=None if expires is None else NOW + timedelta(days=expires),
        dies_at=None,
    )


def shown(rows: list[RotationRow], **chosen: Any) -> list[str]:
    lines = arrange(rows, Arrangement(**chosen)).lines
    return [line.text if isinstance(line, Heading) else line.name for line in lines]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["billing", "orders", "ledger"]),
        ("BILL", ["billing"]),
        ("postgres prod", ["billing", "ledger"]),
        ("aws iam", ["orders"]),
        ("staging /shop", ["orders"]),
        ("overdue", ["ledger"]),
        ("ops-admin ledger_1", ["ledger"]),
        ("lab", ["ledger"]),
        ("billing orders", []),
        ("[/]", []),
    ],
)
def test_every_word_must_be_found_somewhere(query: str, names: list[str]) -> None:
    rows = [
        row("billing"),
        row("orders", type="aws-iam-user-secret", type_title="AWS IAM user", environment="staging", path="/shop"),
        row("ledger", status=Status.OVERDUE, project="lab"),
    ]
    assert sorted(shown(rows, query=query)) == sorted(names)
    assert arrange(rows, Arrangement(query)).shown == len(names)


def test_orders() -> None:
    rows = [
        row("a", next_at=None, last_rotated_at=None),
        row("B", status=Status.OVERDUE, next_at=NOW),
        row("c", last_rotated_at=NOW),
        row("d", status=Status.ROTATING),
        row("e", status=Status.FAILING, next_at=NOW + timedelta(minutes=1)),
    ]
    assert shown(rows) == ["e", "B", "a", "c", "d"], "who is at work stays where it was"
    assert shown(rows, order=Order.NAME) == ["a", "B", "c", "d", "e"]
    assert shown(rows, order=Order.NEXT) == ["B", "e", "c", "d", "a"]
    assert shown(rows, order=Order.LAST)[0] == "c"
    assert shown(rows, order=Order.LAST)[-1] == "a"
    assert [following(order) for order in Order] == [Order.NAME, Order.NEXT, Order.LAST, Order.URGENCY]


def test_groups_have_counts_and_hold_what_matches() -> None:
    rows = [
        row("a"),
        row("b", environment="dev", status=Status.FAILING),
        row("c", status=Status.EXPIRING),
        row("d", project="lab"),
    ]
    assert shown(rows, grouping=Grouping.ENVIRONMENT) == [
        "lab prod: 1 rotation",
        "d",
        "shop dev: 1 rotation, 1 failing",
        "b",
        "shop prod: 2 rotations, 1 expiring",
        "c",
        "a",
    ]
    assert shown(rows, grouping=Grouping.PROJECT, order=Order.NAME) == [
        "lab: 1 rotation",
        "d",
        "shop: 3 rotations, 1 failing, 1 expiring",
        "a",
        "b",
        "c",
    ]
    assert shown(rows, grouping=Grouping.PROJECT, query="lab") == ["lab: 1 rotation", "d"]


def test_counts_give_up_words_until_they_fit() -> None:
    texts = [text.plain for text in told(dict.fromkeys(Status, 1234))]
    assert sorted(texts, key=len, reverse=True) == texts
    assert all(status.value in texts[0] for status in Status)
    assert Status.FAILING.value in texts[2]
    assert Status.HEALTHY.value not in texts[2]
    usual = {Status.FAILING: 12, Status.OVERDUE: 3, Status.PAUSED: 250, Status.DUE_SOON: 19, Status.HEALTHY: 9716}
    assert cell_len(list(told(usual))[-1].plain) <= 48, "60 columns hold it, and the program's name"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_state_line_is_as_wide_as_the_screen(width: int) -> None:
    chosen = Arrangement("db prod", Order.NEXT, Grouping.ENVIRONMENT)
    line = state_line(chosen, 12, 100, width)
    assert cell_len(line.plain) == width
    assert "12 of 100: db prod, esc clears" in line.plain
    assert cell_len(state_line(Arrangement("x" * 300), 0, 100, width).plain) == width
    assert ("/ filter" in state_line(Arrangement(), 3, 3, width).plain) == (width < 116)


def test_runs_of_a_schedule() -> None:
    end = NOW + timedelta(days=30)
    assert runs_until(end, NEXT, NEXT, 10, NOW) == [NEXT, NEXT + timedelta(days=10), NEXT + timedelta(days=20)]
    assert runs_until(end, NEXT, NEXT, 40, NOW) == [NEXT]
    assert runs_until(NEXT, NEXT, NEXT, 1, NOW) == []
    overdue = NOW - timedelta(days=3)
    late = runs_until(NOW + timedelta(days=2), overdue, overdue, 1, NOW)
    assert late == [NOW, NOW + timedelta(days=1)], "late once, then in its series"
    retry = NOW + timedelta(minutes=5)
    assert runs_until(end, retry, NOW - timedelta(minutes=1), 20, NOW) == [
        retry,
        NOW - timedelta(minutes=1) + timedelta(days=20),
    ]


def test_each_run_falls_into_its_night() -> None:
    daily = row("daily", next_at=NOW + timedelta(hours=1), scheduled_at=NOW + timedelta(hours=1), interval_days=1)
    rows = [daily, row("b"), row("a", next_at=NEXT - timedelta(hours=1)), row("never", next_at=None)]
    found = nights(rows, NOW)
    assert [night.day for night in found] == [date(2026, 3, 1) + timedelta(days=n) for n in range(DAYS)]
    assert [len(night.rows) for night in found][9:12] == [1, 3, 1]
    assert [run.name for run in found[10].rows] == ["a", "b", "daily"], "the first to run first"
    assert sum(len(night.rows) for night in found) == 30 + 2 + 2


def test_nights_are_those_of_the_local_calendar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    time.tzset()
    found = nights([row("a", interval_days=60)], NOW)
    assert [night.day for night in found if night.rows] == [date(2026, 3, 10)], "02:00 UTC is the evening before there"
    assert found[8].day == date(2026, 3, 9), "across the day on which clocks change"


def test_what_is_crowded() -> None:
    assert crowded([1] * 29 + [2]) == set(), "two are no crowd"
    assert crowded([1] * 29 + [9]) == {29}
    assert crowded([50] * 30) == set(), "as every night is"
    assert crowded([]) == set()


@pytest.mark.parametrize("width", [58, 78, 118])
def test_the_timeline_marks_crowd_and_next_run(width: int) -> None:
    many = [row(f"r{number}") for number in range(12)]
    found = nights([*many, row("daily", interval_days=1, next_at=NOW, scheduled_at=NOW)], NOW)
    counts, axis = timeline(found, NEXT, width)
    assert cell_len(counts.plain) <= width
    assert cell_len(axis.plain) <= width
    crowds = [counts.plain[span.start : span.end] for span in counts.spans if "bold" in str(span.style)]
    assert crowds == (["13", "13"] if width > 100 else ["█", "█"])
    (marked,) = (span for span in counts.spans if "reverse" in str(span.style))
    assert axis.plain.index("▴") == marked.end - 1, "the marker stands under the last digit"
    assert axis.plain.lstrip().startswith("today")
    assert set(axis.plain.replace("▴", " ").split()) <= {"today", "08", "15", "22", "29", "Mar"}, "no date is cut"
    assert counts.plain.endswith("most 13" if width == 78 else "most 13, 11 Mar")
    assert "▴" not in timeline(found, None, width)[1].plain
    assert "▴" not in timeline(found, NOW + timedelta(days=90), width)[1].plain
    assert not any(night.rows for night in nights([], NOW))
    assert timeline(nights([], NOW), None, width)[0].plain.count("·") == DAYS


@pytest.mark.parametrize("width", [58, 78, 118])
def test_slots_are_bars_from_issue_to_death(width: int) -> None:
    one, other = slot(0, active=True, age=10), slot(1, active=False, age=20)
    lines = [line.plain for line in panel(row("billing"), (other, one), NOW, width)]
    assert all(cell_len(line) <= width for line in lines[:4])
    assert lines[0].startswith("billing · PostgreSQL credentials")
    active, inactive, axis = lines[1:4]
    assert active.startswith("● app_0 active")
    assert inactive.startswith("○ app_1 inactive")
    assert active.index("┃") == inactive.index("┃") == axis.index("now")
    assert inactive.index("─") < active.index("━"), "the inactive one is older"
    assert inactive.index("✕") == axis.index("▴"), "and dies at the next run"
    assert active.index("✕") > inactive.index("✕"), "the active one at the run after that"
    assert "dies in 9 d" in inactive
    assert "dies in 19 d" in active
    assert ("since 20 d" in inactive) == (width > 60)
    assert ("(2026-03-11 02:00)" in inactive) == (width > 100)
    assert "next run in 9 d (2026-03-11 02:00)" in lines[4]


def test_what_expires_ends_there() -> None:
    one, other = slot(0, active=True, age=10, expires=4), slot(1, active=False, age=20, expires=-1)
    active, inactive = (line.plain for line in panel(row("x"), (one, other), NOW, 118)[1:3])
    assert "expires in 4 d (2026-03-05 09:00)" in active
    assert "expired 1 d ago (2026-02-28 09:00)" in inactive
    assert inactive.index("✕") < inactive.index("┃") < active.index("✕")


def test_without_a_schedule_nothing_is_said_to_die() -> None:
    paused = row("x", next_at=None, scheduled_at=None, status=Status.PAUSED)
    unknown = replace(slot(1, active=False, age=1), known=False, issued_at=None)
    active, inactive, axis, moment = (
        line.plain for line in panel(paused, (slot(0, active=True, age=900), unknown), NOW, 118)[1:]
    )
    assert "since 900 d, stays until it is rotated" in active
    assert "nothing issued yet" in inactive
    assert "✕" not in active + inactive
    assert "next run" not in axis
    assert "does not run by itself" in moment


def test_a_failure_takes_the_room_of_the_axis() -> None:
    failing = row("x", status=Status.FAILING, last_result="failed", last_message="no such role", failures=3)
    lines = [
        line.plain for line in panel(failing, (slot(0, active=True, age=1), slot(1, active=False, age=2)), NOW, 78)
    ]
    assert lines[3] == "✗ failed, 3 times in a row. x_1 stays published. Next run in 9 d."
    assert lines[4] == "no such role"
    assert [line.plain for line in panel(failing, (), NOW, 78)][3:] == lines[3:], "also before the slots are known"
    assert panel(failing, (), NOW, 78)[1].plain == "● x_1 active"


def test_a_night_is_a_value() -> None:
    assert nights([row("a")], NOW)[10] == Night(date(2026, 3, 11), (row("a"),))
