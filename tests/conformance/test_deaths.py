"""A process dies at a step; what the journal holds then is all that its successor has, and enough.

`make drill` does the same to real processes, at more places.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.rotation import failpoints
from providers.base import Guarded
from tests.conformance.bench import Bench

POINTS = [
    "plan.recorded",
    "issue.before",
    "issue.called",
    "issue.recorded",
    "verify.called",
    "publish.uncommitted",
    "publish.recorded",
]


class Died(BaseException):
    """Not even a provider's `except Exception` gets hold of it."""


@contextmanager
def dying_at(point: str) -> Iterator[None]:
    """Where the process came by must be `point`, and it ends there."""

    def reached(name: str) -> None:
        if name == point:
            raise Died

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(failpoints, "_ARMED", point)
        patch.setattr(failpoints, "_reached", reached)
        with pytest.raises(Died):
            yield


def points_of(bench: Bench) -> list[str]:
    more = ["guard.called", "guard.recorded"] if isinstance(bench.provider, Guarded) else []
    return [*more, *POINTS, *(["retire.before", "retire.called", "retire.recorded"] if bench.provider.retires else [])]


async def test_a_death_at_any_step_of_a_rotation_costs_nothing(bench: Bench) -> None:
    await bench.create()
    await bench.rotate()
    for point in points_of(bench):
        before = await bench.published()
        with dying_at(point):
            await bench.rotate()
        bench.start()
        assert await bench.works(before), point
        assert await bench.works(await bench.published()), point
        await bench.rotate()
        assert await bench.published() != before, point
        assert await bench.check() == {0: True, 1: True}, point
        await bench.is_sound()


async def test_a_death_at_any_step_of_a_creation_costs_nothing(bench: Bench) -> None:
    for point in POINTS:
        with dying_at(point):
            await bench.create()
        bench.start()
        if point != "publish.recorded" or len(bench.provider.initial_slots) > 1:
            await bench.create()
        await bench.is_sound()
        held = await bench.held()
        assert len(held) == len(bench.provider.initial_slots), point
        await bench.delete()
        await bench.is_gone(*held)


async def test_a_death_at_any_step_of_a_deletion_costs_nothing(bench: Bench) -> None:
    for point in ("revoke.before", "revoke.called", "delete.before", "delete.uncommitted"):
        await bench.create()
        await bench.rotate()
        held = await bench.held()
        with dying_at(point):
            await bench.delete()
        bench.start()
        await bench.delete()
        await bench.is_gone(*held)
        assert await bench.service.rotations.documents() == []
