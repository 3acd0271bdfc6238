"""What only AWS itself can show about the keys of an IAM user."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from app.live_checks.findings import Findings, Pace
from app.live_checks.ground import Ground, becomes_good, clock_seen, goes, listed, make, preflight
from providers import aws_keys
from providers.aws import AccessKeyCredentials, AwsTarget
from providers.aws_iam_user_secret import PROVIDER
from providers.aws_keys import KEY_ID
from providers.aws_policy import HELPFUL, NEEDED
from providers.base import Credential, CredentialRefused, TargetRefused

# Of the right form, and nobody's.
_NO_KEY, _NO_SECRET = "AKIAKEYTURNASKSONLY0", "x" * 40


def ground(target: AwsTarget, user: str, region: str | None, findings: Findings, pace: Pace) -> Ground[AwsTarget]:
    """Raises ValidationError for what is no user's name."""
    parameters = PROVIDER.parameters.model_validate({"userName": user, "region": region})
    return Ground(PROVIDER, target, parameters, datetime.now(UTC), findings, pace)


async def read(here: Ground[AwsTarget]) -> None:
    """Changes nothing at AWS. Refused logins may show up in CloudTrail."""
    await preflight(here)
    async with here.target.session(here.parameters.region, here.who) as session:
        keys = await aws_keys.keys_of(session, here.who)
    clock_seen(here, keys.asked_at, datetime.now(UTC))
    await _users(here)
    await _simulation(here)
    await _last_uses(here, keys)
    await _refusals(here)


async def write(here: Ground[AwsTarget]) -> None:
    """Make one key, look, remove it. What fails halfway leaves it in `here.made`."""
    before = await _key_ids(here)
    made = await make(here)
    if made is None:
        return
    await listed(here, made, "ListAccessKeys", lambda: _key_ids(here))
    await becomes_good(here, made)
    await _use_is_known(here, made)
    await goes(here, made)
    with here.findings.looking("The user's keys afterwards", "those that were there before") as look:
        after = await _key_ids(here)
        look.says(", ".join(sorted(after)) or "none", expected=after == before)


async def _users(here: Ground[AwsTarget]) -> None:
    with here.findings.looking("The list of users", "holds the user, where it may be listed") as look:
        try:
            found = [choice.title for choice in await PROVIDER.choices(here.target, here.who, 100)]
        except TargetRefused as error:
            look.notes(error.message)
            return
        look.says(f"{len(found)} users by that name", expected=here.who in found)


async def _simulation(here: Ground[AwsTarget]) -> None:
    """Its answer is what the preflight goes by."""
    with here.findings.looking("iam:SimulatePrincipalPolicy", "answers; if not, the preflight tries instead") as look:
        async with here.target.session(here.parameters.region, here.who) as session:
            caller = (await session.call("sts", "GetCallerIdentity"))["Arn"]
            if ":assumed-role/" in caller:
                look.notes("the connection is a role; the check of the permissions above asked for it")
                return
            try:
                user = await session.call("iam", "GetUser", UserName=here.who)
                answer = await session.call(
                    "iam",
                    "SimulatePrincipalPolicy",
                    PolicySourceArn=caller,
                    ActionNames=[*NEEDED, *HELPFUL],
                    ResourceArns=[user["User"]["Arn"]],
                )
            except TargetRefused as error:
                look.notes(error.message)
                return
        decisions = {result["EvalActionName"]: result["EvalDecision"] for result in answer["EvaluationResults"]}
        seen = ", ".join(f"{action} {decision}" for action, decision in decisions.items())
        look.says(seen, expected=set(decisions) == {*NEEDED, *HELPFUL})


async def _last_uses(here: Ground[AwsTarget], keys: aws_keys.Keys) -> None:
    for key in keys.found:
        with here.findings.looking(f"The last use of {key.id}", "some minutes behind the real one") as look:
            async with here.target.session(here.parameters.region, here.who) as session:
                look.notes(await aws_keys.described(session, key, keys.asked_at))


async def _refusals(here: Ground[AwsTarget]) -> None:
    """A wrong secret for the connection's own key, and a key that nobody has."""
    given = here.target.credentials
    trials = {"A key that nobody has": _NO_KEY}
    if isinstance(given, AccessKeyCredentials):
        trials["A wrong secret"] = given.access_key_id
    for title, key_id in trials.items():
        with here.findings.looking(title, "is refused, and known as refused") as look:
            async with here.target.session(here.parameters.region) as session:
                try:
                    await session.log_in(key_id, _NO_SECRET)
                except CredentialRefused as error:
                    look.says(error.message, expected=True)
                else:
                    look.says("it logs in", expected=False)


async def _use_is_known(here: Ground[AwsTarget], made: Credential) -> None:
    """How far GetAccessKeyLastUsed is behind: the guard, and the search for a lost key, go by it."""
    with here.findings.looking("GetAccessKeyLastUsed knows of these logins", "after some minutes") as look:
        began = time.monotonic()
        while True:
            async with here.target.session(here.parameters.region, here.who) as session:
                last = await aws_keys.last_use(session, made.values[KEY_ID])
            waited = time.monotonic() - began
            if last.at is not None:
                look.notes(f"after {waited:.0f} s: {last.service} in {last.region}, {last.at:%H:%M:%S} UTC")
                return
            if waited > here.pace.lag:
                look.notes(f"not within {waited:.0f} s")
                return
            await asyncio.sleep(min(here.pace.pause * 10, 10))


async def _key_ids(here: Ground[AwsTarget]) -> set[str]:
    async with here.target.session(here.parameters.region, here.who) as session:
        return (await aws_keys.keys_of(session, here.who)).ids()
