"""The rotation type `aws-iam-user-secret`: one IAM user whose two access keys are replaced in turn."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from providers.aws import Region
from providers.aws_keys import ATTEMPT, KEY_ID, MOST, PLANNED, SECRET
from providers.base import (
    Call,
    CandidateRequest,
    Check,
    Choice,
    Choosing,
    Credential,
    CredentialRefused,
    Foreseeing,
    Guarded,
    Inspectable,
    Issue,
    ModelClass,
    Outlived,
    Problem,
    Provider,
    Slot,
    TargetRefused,
    Upcoming,
    Use,
)
from providers.fields import Fields, Text, complaint

if TYPE_CHECKING:
    from providers.aws import AwsTarget, Session
    from providers.aws_keys import Key, Keys

_PAGE = 1000
_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d*:(\w+)/(.*)", re.DOTALL)


def _user_name(value: str) -> str:
    if found := _ARN.fullmatch(value):
        kind, name = found[1], found[2].rpartition("/")[2]
        if kind != "user":
            raise complaint("not_a_user", f"This is the ARN of a {kind}. Only an IAM user has access keys.")
        raise complaint("arn", f"This is an ARN. Enter the user's name alone: {name}")
    if "/" in value:
        name = value.rpartition("/")[2]
        raise complaint("path", f"This holds a path. Enter the user's name alone{': ' if name else ''}{name}")
    if not _NAME.fullmatch(value):
        raise complaint("user_name", "An IAM user's name has 1 to 64 letters, digits and + = , . @ _ -.")
    return value


class AwsParameters(Fields):
    """The documented parameters."""

    user_name: Annotated[Text, AfterValidator(_user_name)] = Field(
        title="IAM user", description="Whose access keys are rotated; its name alone.", examples=["app-user"]
    )
    region: Region = Field(
        default=None,
        title="Region",
        description="Where STS tries new keys; the connection's region when left out.",
        examples=["us-east-1"],
        json_schema_extra={"advanced": True},
    )


class AwsMapping(Fields):
    """The documented secretsMapping."""

    access_key_id: Text = Field(
        default="AWS_ACCESS_KEY_ID", title="Access key id", description="Secret that holds the active key's id."
    )
    secret_access_key: Text = Field(
        default="AWS_SECRET_ACCESS_KEY",
        title="Secret access key",
        description="Secret that holds the active key's secret.",
    )


class AwsIamUserSecretProvider:
    """Rotates by replacement: the slot's old key makes room, then a new one is made.

    All is done as the connection, never as a rotated key. The key that is published is not touched.
    """

    type = "aws-iam-user-secret"
    title = "AWS IAM user keys"
    app = "aws"
    name_max_length = 64
    parameters: ModelClass = AwsParameters
    mapping: ModelClass = AwsMapping
    secret_fields = frozenset({SECRET})
    initial_slots: tuple[Slot, ...] = (0,)
    verify_successes = 3
    # A new key takes seconds to be known everywhere, and one success does not mean that the next call succeeds.
    verify_patience = 60.0
    restores = False
    # What the slot held dies before its successor is made: a user has room for two keys.
    retires = False
    outlived_by = (
        "Temporary credentials that were made with a former key (STS sessions) go on until they expire, up to 36 h. An "
        "inline policy of the user that denies everything when aws:TokenIssueTime is before now ends them."
    )

    def check_parameters(self, parameters: AwsParameters, connection: Mapping[str, Any]) -> list[Problem]:
        """Whether AWS has the region."""
        from providers.aws_connection import region_problem

        # Elsewhere than at AWS there may be regions of any name.
        if parameters.region is None or connection.get("endpointUrl"):
            return []
        found = region_problem(parameters.region)
        return [Problem("parameters.region", found)] if found else []

    def identity(self, parameters: AwsParameters, slot: Slot) -> str:
        """The user, who owns both slots' keys."""
        return parameters.user_name

    def candidate(self, parameters: AwsParameters, request: CandidateRequest) -> Credential:
        """The marks by which a key is known whose secret was lost: AWS makes up the key itself."""
        return Credential({ATTEMPT: request.attempt_id, PLANNED: request.now.isoformat()})

    async def preflight(self, target: AwsTarget, parameters: AwsParameters) -> list[Check]:
        """The connection, the user, the user's keys and the permissions."""
        from providers.aws_preflight import preflight

        return await preflight(target, parameters.user_name, parameters.region)

    def foresee(
        self, parameters: AwsParameters, connection: Mapping[str, Any], upcoming: Upcoming
    ) -> Mapping[str, Sequence[Call]]:
        """As the AWS CLI calls them."""
        from providers.aws_foresight import foresee

        return foresee(parameters.user_name, upcoming)

    async def probe(self, target: AwsTarget, parameters: AwsParameters, upcoming: Upcoming) -> list[Check]:
        """The preflight's checks, with the rotation's own keys known."""
        from providers.aws_preflight import preflight

        return await preflight(target, parameters.user_name, parameters.region, upcoming)

    async def issue(self, target: AwsTarget, parameters: AwsParameters, request: Issue) -> Credential:
        """Remove the slot's recorded old key, and what an earlier try left that does not work; make a new one.

        Raises TargetRefused, naming the key, when one that nobody recorded takes up the room.
        """
        from providers import aws_keys

        user = parameters.user_name
        async with target.session(parameters.region, user) as session:
            keys = await aws_keys.keys_of(session, user)
            _refuse_own_user(target, user, keys)
            doomed = await _doomed(session, user, keys, request)
            for key in doomed:
                await aws_keys.delete(session, user, key.id, active=key.active)
            return await aws_keys.create(session, user)

    async def verify(self, target: AwsTarget, parameters: AwsParameters, credential: Credential) -> None:
        """Ask STS, as the key, who it is."""
        async with target.session(parameters.region, parameters.user_name) as session:
            await session.log_in(credential.values[KEY_ID], credential.values[SECRET])

    async def inspect(self, target: AwsTarget, parameters: AwsParameters, credential: Credential) -> None:
        """Look the key up, as the connection."""
        from providers import aws_keys

        user, key_id = parameters.user_name, credential.values[KEY_ID]
        async with target.session(parameters.region, user) as session:
            keys = await aws_keys.keys_of(session, user)
        found = next((key for key in keys.found if key.id == key_id), None)
        if found is None:
            raise CredentialRefused(f"{user} has no access key {key_id} any more.")
        if not found.active:
            raise CredentialRefused(f"The access key {key_id} of {user} was made inactive.")

    async def in_use(
        self, target: AwsTarget, parameters: AwsParameters, credential: Credential, since: datetime
    ) -> list[Use]:
        """The last call with the key, when that came after `since`. AWS tells no more, and a little late."""
        from providers import aws_keys

        async with target.session(parameters.region, parameters.user_name) as session:
            last = await aws_keys.last_use(session, credential.values[KEY_ID])
        if last.at is None or last.at <= since:
            return []
        return [Use(f"a caller of {last.service} (last {last.at:%Y-%m-%d %H:%M} UTC)", last.region)]

    async def retire(self, target: AwsTarget, parameters: AwsParameters, credential: Credential) -> None:
        """Delete it by its recorded id."""
        await self.revoke(target, parameters, credential)

    async def revoke(self, target: AwsTarget, parameters: AwsParameters, credential: Credential) -> None:
        """Delete it by its recorded id, or what a lost answer may have left behind."""
        from providers import aws_keys
        from providers.aws_errors import NoSuchEntity

        user, key_id = parameters.user_name, credential.values.get(KEY_ID)
        async with target.session(parameters.region, user) as session:
            if key_id is not None:
                await aws_keys.delete(session, user, key_id)
                return
            try:
                keys = await aws_keys.keys_of(session, user)
            except NoSuchEntity:
                return
            for key in await aws_keys.lost_keys(session, keys.found, credential):
                await aws_keys.delete(session, user, key.id, active=key.active)

    async def choices(self, target: AwsTarget, query: str, limit: int) -> list[Choice]:
        """The account's users whose name holds `query`, in capitals or not."""
        async with target.session() as session:
            found = [user async for user in _users(session) if query.lower() in user["UserName"].lower()]
        found.sort(key=lambda user: user["UserName"].lower())
        return [
            Choice(
                user["UserName"], f"{user['Path']}, since {user['CreateDate']:%Y-%m-%d}", {"userName": user["UserName"]}
            )
            for user in found[:limit]
        ]


async def _users(session: Session) -> AsyncIterator[dict[str, Any]]:
    more: dict[str, Any] = {}
    while True:
        answer = await session.call("iam", "ListUsers", MaxItems=_PAGE, **more)
        for user in answer.get("Users", []):
            yield user
        if not answer.get("IsTruncated"):
            return
        more = {"Marker": answer["Marker"]}


async def _doomed(session: Session, user: str, keys: Keys, request: Issue) -> list[Key]:
    """Choose what goes so that there is room. Raises TargetRefused when a stranger's key would have to."""
    from providers import aws_keys

    active, previous, issued = map(_id_of, (request.active, request.previous, request.issued))
    expendable = [_id_of(each) for each in request.expendable]
    doomed = [key for key in keys.found if key.id in {previous, issued} - {active}]
    unknown = [key for key in keys.found if key.id not in {active, previous, issued, *expendable}]
    if request.again:
        lost = await aws_keys.lost_keys(session, unknown, request.candidate)
        unknown = [key for key in unknown if key not in lost]
        doomed += lost
    for key_id in expendable:
        if len(keys.found) - len(doomed) >= MOST:
            doomed += [key for key in keys.found if key.id == key_id != active and key not in doomed]
    if len(keys.found) - len(doomed) >= MOST:
        raise await aws_keys.foreign(session, user, unknown, keys)
    return doomed


def _id_of(credential: Credential | None) -> str | None:
    return credential.values.get(KEY_ID) if credential else None


def _refuse_own_user(target: AwsTarget, user: str, keys: Keys) -> None:
    if getattr(target.credentials, "access_key_id", None) in keys.ids():
        raise TargetRefused(
            f"{user} is the connection's own user; rotating it would lock Keyturn out.",
            remedy="Give the connection an IAM user of its own.",
        )


PROVIDER = AwsIamUserSecretProvider()
if TYPE_CHECKING:
    _provider: Provider = PROVIDER
    _choosing: Choosing = PROVIDER
    _foreseeing: Foreseeing = PROVIDER
    _outlived: Outlived = PROVIDER
    _guarded: Guarded = PROVIDER
    _inspectable: Inspectable = PROVIDER
