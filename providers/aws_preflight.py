"""What a rotation of an IAM user's keys depends on, looked up and tried before anything is set up."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from providers import aws_keys
from providers.aws_errors import NoSuchEntity, PermissionMissing
from providers.aws_keys import KEY_ID, MOST, Keys
from providers.aws_policy import HELPFUL, NEEDED, policy
from providers.base import Check, CheckResult, TargetError, TargetRefused, Upcoming

if TYPE_CHECKING:
    from providers.aws import AwsTarget, Session

PASSED, WARNING, FAILED = CheckResult.PASSED, CheckResult.WARNING, CheckResult.FAILED

_PERMISSIONS = "The connection may manage the keys of {}"
# Of the right form, and nobody's: what is denied is denied before AWS looks for the key.
_NO_KEY = "AKIAKEYTURNASKSONLY0"


@dataclass(frozen=True)
class _Scene:
    """Who asks about whom. `exact`: AWS told the user's ARN, which may hold a path."""

    session: Session
    user: str
    caller: str
    account: str
    arn: str
    exact: bool

    @property
    def policy(self) -> str:
        return policy(self.user, arn=self.arn)


async def preflight(target: AwsTarget, user: str, region: str | None, upcoming: Upcoming | None = None) -> list[Check]:
    """Return every check. Nothing is changed. `upcoming`: of a rotation that exists."""
    checks: list[Check] = []
    try:
        async with target.session(region, user) as session:
            caller = await session.call("sts", "GetCallerIdentity")
            checks.append(Check("AWS answers", PASSED, f"Account {caller['Account']}, as {caller['Arn']}"))
            scene = await _scene(session, user, caller["Arn"], caller["Account"])
            await _look(scene, checks, upcoming)
    except TargetError as error:
        checks.append(Check("AWS answers", FAILED, error.message, error.remedy))
    return checks


async def _scene(session: Session, user: str, caller: str, account: str) -> _Scene:
    partition = caller.split(":")[1]
    with contextlib.suppress(TargetRefused):
        answer = await session.call("iam", "GetUser", UserName=user)
        return _Scene(session, user, caller, account, answer["User"]["Arn"], exact=True)
    return _Scene(session, user, caller, account, f"arn:{partition}:iam::{account}:user/{user}", exact=False)


async def _look(scene: _Scene, checks: list[Check], upcoming: Upcoming | None) -> None:
    user, title = scene.user, f"{scene.user} exists"
    try:
        keys = await aws_keys.keys_of(scene.session, user)
    except NoSuchEntity:
        message = f"There is no IAM user {user} in the account {scene.account}."
        checks.append(Check(title, FAILED, message, f"aws iam create-user --user-name {user}"))
        return
    except PermissionMissing as error:
        checks.append(Check(_PERMISSIONS.format(user), FAILED, error.message, scene.policy))
        return
    checks.append(Check(title, PASSED))
    checks.append(_not_itself(scene))
    checks.append(await (_room_again(scene, keys, upcoming) if upcoming else _room(scene, keys)))
    checks.append(await _permissions(scene, keys))


def _not_itself(scene: _Scene) -> Check:
    title = f"{scene.user} is not the connection's own user"
    kind, _, name = scene.caller.rpartition(":")[2].partition("/")
    if kind == "user" and name.rpartition("/")[2] == scene.user:
        remedy = "Give the connection an IAM user of its own."
        return Check(title, FAILED, "Rotating it would lock Keyturn out.", remedy)
    return Check(title, PASSED)


async def _room(scene: _Scene, keys: Keys) -> Check:
    title = f"{scene.user} has room for another key"
    if not keys.found:
        return Check(title, PASSED, "It has none.")
    named = "; ".join([await aws_keys.described(scene.session, key, keys.asked_at) for key in keys.found])
    remedy = aws_keys.removal(scene.user, keys.found)
    if len(keys.found) >= MOST:
        detail = f"AWS allows {MOST} keys, and it has {len(keys.found)} that are not this rotation's: {named}."
        return Check(title, FAILED, detail, remedy)
    detail = f"It has one that is not this rotation's: {named}. The second rotation needs its room."
    return Check(title, WARNING, detail, remedy)


async def _room_again(scene: _Scene, keys: Keys, upcoming: Upcoming) -> Check:
    """The same of a rotation that exists: its own key of the slot goes before the next one is made."""
    title = f"{scene.user} has room for another key"
    active, previous, *more = (
        held.values.get(KEY_ID) if held else None for held in (upcoming.active, upcoming.previous, *upcoming.expendable)
    )
    strangers = [key for key in keys.found if key.id not in {active, previous, *more}]
    stays = len(strangers) + sum(key.id == active for key in keys.found)
    if stays >= MOST:
        named = "; ".join([await aws_keys.described(scene.session, key, keys.asked_at) for key in strangers])
        detail = f"AWS allows {MOST} keys, and this rotation does not know {len(strangers)} of them: {named}."
        return Check(title, FAILED, detail, aws_keys.removal(scene.user, strangers))
    goes = previous in keys.ids()
    return Check(title, PASSED, f"{previous} is deleted first." if goes else f"It has {stays} of {MOST}.")


async def _permissions(scene: _Scene, keys: Keys) -> Check:
    try:
        return await _simulated(scene)
    except TargetRefused:
        return await _tried(scene, keys)


async def _simulated(scene: _Scene) -> Check:
    """Ask AWS what would be allowed. Raises TargetRefused when it does not say."""
    answer = await scene.session.call(
        "iam",
        "SimulatePrincipalPolicy",
        PolicySourceArn=_principal(scene.caller),
        ActionNames=[*NEEDED, *HELPFUL],
        ResourceArns=[scene.arn],
    )
    denied = {result["EvalActionName"] for result in answer["EvaluationResults"] if result["EvalDecision"] != "allowed"}
    if denied and not scene.exact:
        raise TargetRefused("The user's path is unknown, and with it what a policy says about it.")
    return _verdict(scene, denied, "As iam:SimulatePrincipalPolicy says.")


def _principal(caller: str) -> str:
    """Return whose policies count: of an assumed role's session, the role."""
    head, _, tail = caller.partition(":assumed-role/")
    return f"{head.replace(':sts:', ':iam:')}:role/{tail.partition('/')[0]}" if tail else caller


async def _tried(scene: _Scene, keys: Keys) -> Check:
    """Try what does no harm: with the id of a key that nobody has, changes change nothing."""
    about = {"UserName": scene.user, "AccessKeyId": _NO_KEY}
    denied = set()
    if not await _allowed(scene, "UpdateAccessKey", Status="Inactive", **about):
        denied.add("iam:UpdateAccessKey")
    if not await _allowed(scene, "DeleteAccessKey", **about):
        denied.add("iam:DeleteAccessKey")
    if keys.found and not await _allowed(scene, "GetAccessKeyLastUsed", AccessKeyId=keys.found[0].id):
        denied.add("iam:GetAccessKeyLastUsed")
    if denied:
        return _verdict(scene, denied, "Tried with the id of a key that nobody has.")
    detail = "But for iam:CreateAccessKey, which can't be tried without making a key, all was tried."
    return Check(_PERMISSIONS.format(scene.user), WARNING, detail, scene.policy)


async def _allowed(scene: _Scene, operation: str, **arguments: Any) -> bool:
    try:
        await scene.session.call("iam", operation, **arguments)
    except NoSuchEntity:
        return True
    except PermissionMissing:
        return False
    return True


def _verdict(scene: _Scene, denied: Iterable[str], how: str) -> Check:
    title, denied = _PERMISSIONS.format(scene.user), sorted(denied)
    if not denied:
        return Check(title, PASSED, how)
    detail = f"Missing: {', '.join(denied)}. {how}"
    if set(denied) <= set(HELPFUL):
        detail += " It works without, but can't see whether a key is still in use."
        return Check(title, WARNING, detail, scene.policy)
    return Check(title, FAILED, detail, scene.policy)
