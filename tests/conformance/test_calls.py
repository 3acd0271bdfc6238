"""A provider's calls one by one: what each of them leaves at the target, alone, repeated, or gone wrong."""

from __future__ import annotations

import pytest

from providers.base import (
    CheckResult,
    Credential,
    CredentialRefused,
    Outcome,
    TargetError,
    TargetRefused,
    TargetUnavailable,
)
from tests.conformance.bench import Calls


async def refusal(calls: Calls, credential: Credential) -> CredentialRefused:
    with pytest.raises(CredentialRefused) as caught:
        await calls.verify(credential)
    calls.told(caught.value, credential)
    return caught.value


async def test_what_is_issued_logs_in_until_it_is_revoked(calls: Calls) -> None:
    issued = await calls.issue()
    await calls.verify(issued)
    assert await calls.works(issued)
    assert calls.strays(issued) == []
    await calls.revoke(issued)
    await refusal(calls, issued)
    assert not await calls.works(issued)
    assert calls.strays() == []
    await calls.revoke(issued)
    assert calls.stand.intact()


async def test_a_secret_that_is_wrong_is_refused_and_not_told(calls: Calls) -> None:
    issued = await calls.issue()
    wrong = {name: issued.values[name][::-1] for name in calls.provider.secret_fields}
    await refusal(calls, Credential({**issued.values, **wrong}))


async def test_the_other_slot_is_filled_beside_what_is_published(calls: Calls) -> None:
    first = await calls.issue(slot=0)
    second = await calls.issue(slot=1, active=first)
    assert await calls.works(first)
    third = await calls.issue(slot=0, previous=first, active=second)
    assert await calls.works(second)
    assert await calls.works(third)
    for _ in range(2):
        await calls.retire(first)
    assert not await calls.works(first)
    assert await calls.works(second)
    assert await calls.works(third)
    assert calls.strays(second, third) == []


@pytest.mark.parametrize("recorded", [False, True])
async def test_issuing_again_leaves_one_credential_that_works(calls: Calls, recorded: bool) -> None:
    """Whether the answer to the first call came to be recorded or not."""
    candidate = calls.candidate()
    first = await calls.issue(candidate)
    for _ in range(2):
        second = await calls.issue(candidate, again=True, issued=first if recorded else None)
        assert await calls.works(second) or not recorded
        assert calls.strays(second) == []
        first = second
        if not recorded:
            break
    assert await calls.works(first)


async def test_a_lost_answer_is_told_as_one_and_made_good_by_issuing_again(calls: Calls) -> None:
    active, candidate = await calls.issue(slot=0), calls.candidate(1)
    calls.stand.lose_answer()
    with pytest.raises(TargetUnavailable) as caught:
        await calls.issue(candidate, 1, active=active)
    assert caught.value.outcome is Outcome.UNKNOWN
    calls.told(caught.value, active, candidate)
    issued = await calls.issue(candidate, 1, active=active, again=True)
    assert calls.strays(active, issued) == []
    assert await calls.works(issued)
    assert await calls.works(active)


async def test_what_a_lost_answer_made_is_revoked_by_the_candidate(calls: Calls) -> None:
    candidate = calls.candidate()
    calls.stand.lose_answer()
    with pytest.raises(TargetUnavailable):
        await calls.issue(candidate)
    for _ in range(2):
        await calls.revoke(candidate)
    assert calls.strays() == []
    assert calls.stand.intact()


@pytest.mark.parametrize("again", [False, True])
async def test_what_is_not_now_changes_nothing(calls: Calls, again: bool) -> None:
    active, candidate = await calls.issue(slot=0), calls.candidate(1)
    calls.stand.throttle()
    await calls.target.close()  # a line that is open already may end in the middle of it
    with pytest.raises(TargetUnavailable) as caught:
        await calls.issue(candidate, 1, active=active, again=again)
    assert caught.value.outcome is Outcome.UNCHANGED
    calls.told(caught.value, active, candidate)
    assert calls.strays(active) == []
    calls.stand.recover()
    assert await calls.works(await calls.issue(candidate, 1, active=active))


async def test_what_is_forbidden_changes_nothing_and_is_no_matter_of_time(calls: Calls) -> None:
    active = await calls.issue(slot=0)
    calls.stand.forbid()
    with pytest.raises(TargetRefused) as caught:
        await calls.issue(slot=1, active=active)
    assert caught.value.outcome is Outcome.UNCHANGED
    assert not caught.value.transient
    calls.told(caught.value, active)
    assert caught.value.remedy
    with pytest.raises(TargetRefused):
        await calls.revoke(active)
    assert await calls.works(active)
    assert calls.strays(active) == []


async def test_the_preflight_tells_what_is_missing_and_changes_nothing(calls: Calls) -> None:
    passed = await calls.provider.preflight(calls.target, calls.parameters)
    assert passed
    assert [check for check in passed if check.result is CheckResult.FAILED] == []
    calls.stand.remove()
    failed = await calls.provider.preflight(calls.target, calls.parameters)
    assert [check for check in failed if check.result is CheckResult.FAILED]
    assert calls.strays() == []


async def test_whoever_was_deleted_is_refused_and_counts_as_revoked(calls: Calls) -> None:
    issued, candidate = await calls.issue(), calls.candidate()
    calls.stand.remove()
    with pytest.raises(TargetRefused) as caught:
        await calls.issue(candidate)
    assert caught.value.outcome is Outcome.UNCHANGED
    calls.told(caught.value, issued, candidate)
    with pytest.raises(TargetError):
        await calls.verify(issued)
    for credential in (issued, candidate):
        await calls.retire(credential)
        await calls.revoke(credential)


async def test_a_closed_target_opens_again(calls: Calls) -> None:
    said = await calls.target.test()
    for _ in range(2):
        await calls.target.close()
    assert await calls.target.test() == said
    assert "\n" not in said
    assert await calls.works(await calls.issue())
