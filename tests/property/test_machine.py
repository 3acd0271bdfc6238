"""A few hundred random schedules; `make soak` runs ten thousand and more."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.conftest import Figures
from tests.property.machine import Machine

FAST = settings(
    max_examples=200,
    stateful_step_count=7,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
LONG = settings(FAST, stateful_step_count=10, derandomize=False, print_blob=True)
SEEDS = 51
"""Of 200 schedules each, so that xdist has something to hand out."""


def test_whatever_happens_the_published_credential_works_and_nothing_is_lost() -> None:
    run_state_machine_as_test(Machine, settings=FAST)


@pytest.mark.soak
@pytest.mark.parametrize("number", range(SEEDS))
def test_ten_thousand_schedules(number: int, figures: Figures) -> None:
    class Seeded(Machine):
        """Of its own, as the seed stays with the class."""

    before = Machine.schedules, Machine.steps
    run_state_machine_as_test(seed(number)(Seeded), settings=LONG)
    schedules, steps = Machine.schedules - before[0], Machine.steps - before[1]
    assert schedules >= LONG.max_examples
    figures(schedules=schedules, steps_of_schedules=steps)


@pytest.mark.parametrize("moments", range(8, 17))
def test_a_hand_that_follows_a_sleepers_late_call_is_no_fault_of_the_successor(moments: int) -> None:
    """What the random schedules found once; a machine is played by hand as Hypothesis plays it."""
    machine = Machine()
    try:
        machine.begin(kind="model-passwords", auto=False)
        machine.nothing_is_lost()
        machine.trouble_ahead(moments=moments, kind="changed by hand")
        machine.nothing_is_lost()
        machine.a_process_sleeps_too_long(number=0)
        machine.nothing_is_lost()
    finally:
        machine.teardown()


Steps = list[tuple[str, dict[str, Any]]]
FOUND: dict[str, Steps] = {
    "who was published a moment before the edit lives on for an interval": [
        ("begin", {"kind": "model-passwords", "auto": False}),
        ("trouble_ahead", {"kind": "death", "moments": 1}),
        ("a_process_sleeps_too_long", {"number": 0}),
        ("leases_run_out", {}),
        ("edit", {"change": {"parameters": (2, 1)}, "number": 0}),
        ("loop", {}),
    ],
    "a creation that was given up is tried again after an edit": [
        ("begin", {"kind": "model-keys", "auto": False}),
        ("trouble_ahead", {"kind": "changed by hand", "moments": 0}),
        ("create", {"auto": False, "days": 1, "guard": "warn", "kind": "model-passwords", "users": (0, 1)}),
        ("edit", {"change": {"isAutoRotationEnabled": True}, "number": 0}),
        ("edit", {"change": {"isAutoRotationEnabled": True}, "number": 1}),
    ],
    "who comes back into a slot is promised no more than a slot": [
        ("begin", {"kind": "model-passwords", "auto": False}),
        ("edit", {"change": {"parameters": (2, 1), "rotationInterval": 1}, "number": 0}),
        ("edit", {"change": {"parameters": (0, 1), "rotationInterval": 7}, "number": 0}),
        ("edit", {"change": {"parameters": (0, 2), "rotationInterval": 1}, "number": 0}),
        ("a_process_sleeps_too_long", {"number": 0}),
    ],
}


@pytest.mark.parametrize("story", FOUND)
def test_what_once_went_wrong_goes_right(story: str) -> None:
    machine = Machine()
    for rule, arguments in FOUND[story]:
        getattr(machine, rule)(**arguments)
        machine.nothing_is_lost()
    machine.teardown()
