"""Both credentials are renewed at once. Throughout: what is published logs in."""

from __future__ import annotations

from app.views import Progress
from providers.base import Disconnecting
from tests.conformance.bench import NAME, Bench
from tests.conformance.test_deaths import dying_at


async def test_both_former_credentials_are_dead_and_the_published_one_never_was(bench: Bench) -> None:
    await bench.create()
    await bench.rotate()
    former, active = await bench.held(), await bench.current()
    alive = list[bool]()

    def listen(progress: Progress) -> None:
        if progress.state == "done":
            alive.append(progress.step == "publish")

    report = await bench.service.emergencies.renew(NAME, listen)
    assert report.finished
    assert report.trouble == ()
    assert sum(alive) == 2
    assert [await bench.works(each) for each in former] == [False, False]
    held = await bench.held()
    assert [await bench.works(each) for each in held] == [True, True]
    assert await bench.current() != active
    await bench.is_sound()
    assert len(report.dead) == 2
    hidden = [each[name] for each in (*former, *held) for name in bench.provider.secret_fields]
    assert not [secret for secret in hidden if secret in str(report)]


async def test_a_death_at_any_step_is_made_good_by_the_loop(bench: Bench) -> None:
    await bench.create()
    await bench.rotate()
    retired = ["retire.before", "retire.recorded"] if bench.provider.retires else []
    ended = ["sessions.called", "sessions.recorded"] if isinstance(bench.provider, Disconnecting) else []
    for point in ("issue.called", "publish.recorded", *retired, *ended, "emergency.recorded"):
        former = await bench.held()
        with dying_at(point):
            await bench.service.emergencies.renew(NAME)
        service = bench.start()
        assert await bench.works(await bench.published()), point
        assert await service.scheduler().run_once() == 0
        assert (await service.emergencies.report(NAME)).finished, point
        assert [await bench.works(each) for each in former] == [False, False], point
        assert [await bench.works(each) for each in await bench.held()] == [True, True], point
        await bench.is_sound()


async def test_a_lost_answer_is_made_good_by_asking_once_more(bench: Bench) -> None:
    await bench.create()
    await bench.rotate()
    former = await bench.held()
    bench.stand.lose_answer()
    failed = await bench.failure(bench.service.emergencies.renew(NAME))
    assert "Next try" in failed.remedy
    assert await bench.works(await bench.published())
    assert (await bench.service.emergencies.renew(NAME)).finished
    assert [await bench.works(each) for each in former] == [False, False]
    await bench.is_sound()
