"""What the next rotation does is told beforehand, and nothing of it is done."""

from __future__ import annotations

from providers.base import CheckResult, Foreseeing
from tests.conformance.bench import NAME, Bench


async def test_it_may_run_again_and_its_own_credentials_are_no_strangers(bench: Bench) -> None:
    await bench.create()
    for _ in range(2):
        before, held = await bench.published(), await bench.held()
        plan = await bench.service.plans.plan(NAME)
        assert plan.ready, plan.checks
        names = [step.step for step in plan.steps]
        assert names[0] == "plan"
        assert names.index("issue") < names.index("verify") < names.index("publish")
        assert ("retire" in names) == (bench.provider.retires and len(held) == 2)
        secrets = [each[name] for each in held for name in bench.provider.secret_fields]
        assert not [secret for secret in secrets if secret in str(plan)]
        assert await bench.published() == before
        assert await bench.held() == held
        assert [await bench.works(each) for each in held] == [True] * len(held)
        await bench.is_sound()
        await bench.rotate()


async def test_what_is_missing_is_found_before_it_is_needed(bench: Bench) -> None:
    """By a provider that foresees; another one's preflight tells what it may."""
    await bench.create()
    bench.stand.forbid()
    plan = await bench.service.plans.plan(NAME)
    failed = [check for check in plan.checks if check.result is CheckResult.FAILED]
    assert plan.ready == (not failed)
    assert bool(failed) == isinstance(bench.provider, Foreseeing)
    assert all(check.remedy for check in failed)
    bench.stand.recover()
    assert (await bench.service.plans.plan(NAME)).ready
