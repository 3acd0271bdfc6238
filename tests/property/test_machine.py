"""A few hundred random schedules; `make soak` runs ten thousand and more."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property.machine import Machine

FAST = settings(
    max_examples=200,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


def test_whatever_happens_the_published_credential_works_and_nothing_is_lost() -> None:
    run_state_machine_as_test(Machine, settings=FAST)
