"""The connection app `aws`: what its credentials are, and the admin access to one account that it keeps open."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, SecretStr

from providers.base import ConnectionApp, Outcome, TargetError, TargetUnavailable
from providers.fields import Fields, Text, complaint

if TYPE_CHECKING:
    from providers.aws_connection import Account

CALL_SECONDS = 28.0
"""No call of a provider takes longer, whatever AWS does."""

DEFAULT_REGION = "us-east-1"
ACCESS_KEY, ASSUME_ROLE = "access-key", "assume-role"

_AT_ONCE = 8
_REGION = re.compile(r"[a-z]{2,}(?:-[a-z]+)+-[0-9]+")
_KEY_ID = re.compile(r"[A-Z0-9]{16,128}")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+", re.ASCII)
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)

_T = TypeVar("_T")


def _optional(value: str | None) -> str | None:
    return (value or "").strip() or None


def _region(value: str | None) -> str | None:
    value = _optional(value)
    if value is not None and not _REGION.fullmatch(value):
        raise complaint("region", "This is no region of AWS: enter one such as eu-central-1, not a zone or a city.")
    return value


def _endpoint(value: str | None) -> str | None:
    value = _optional(value)
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - raises when it is none
    except ValueError:
        raise complaint("endpoint", "This is no URL.") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise complaint("endpoint", "Enter a whole URL, such as https://iam.example.com.")
    if parts.username is not None or parts.password is not None:
        raise complaint("endpoint", "Leave user and password out of the URL: it is not kept secret.")
    return value


def _key_id(value: str) -> str:
    if value.startswith("ASIA"):
        raise complaint(
            "temporary", "This is a temporary key, which dies within hours. Enter one that begins with AKIA."
        )
    if not _KEY_ID.fullmatch(value):
        raise complaint("key_id", "This is no access key id: those are capital letters and digits, such as AKIA....")
    return value


def _secret(value: SecretStr) -> SecretStr:
    text = value.get_secret_value().strip()
    if not text:
        raise complaint("blank", "Fill this in.")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise complaint("secret_key", "This is no secret access key: those hold no blanks and no accents.")
    return SecretStr(text)


def _role(value: str) -> str:
    if not _ROLE.fullmatch(value):
        raise complaint("role", "This is no role's ARN: enter one such as arn:aws:iam::123456789012:role/keyturn.")
    return value


def _external_id(value: str | None) -> str | None:
    value = _optional(value)
    if value is not None and not _EXTERNAL_ID.fullmatch(value):
        raise complaint("external_id", "An external id has 2 to 1224 letters, digits and + = , . @ : / - _.")
    return value


Region = Annotated[str | None, AfterValidator(_region)]
_HomeRegion = Annotated[
    Region,
    Field(
        title="Region",
        description=f"Where to call; {DEFAULT_REGION} when left out. China and GovCloud need one of theirs.",
        json_schema_extra={"advanced": True},
    ),
]
_EndpointUrl = Annotated[
    str | None,
    AfterValidator(_endpoint),
    Field(
        title="Endpoint URL",
        description="Somewhere else than AWS's own endpoints, for IAM and STS alike.",
        json_schema_extra={"advanced": True},
    ),
]
_CaFile = Annotated[
    str | None,
    AfterValidator(_optional),
    Field(
        title="CA file",
        description="PEM file, on this machine, of the authorities to trust; the usual ones when left out.",
        json_schema_extra={"advanced": True},
    ),
]


class AccessKeyCredentials(Fields):
    """The access key of an IAM user who may manage the rotated users' keys."""

    access_key_id: Annotated[Text, AfterValidator(_key_id)] = Field(
        title="Access key id", description="Of an IAM user who may manage others' keys.", examples=["AKIA..."]
    )
    secret_access_key: Annotated[SecretStr, AfterValidator(_secret)] = Field(
        title="Secret access key", description="What AWS showed once, when the key was made."
    )
    region: _HomeRegion = None
    endpoint_url: _EndpointUrl = None
    ca_file: _CaFile = None


class AssumeRoleCredentials(Fields):
    """A role that is assumed with whatever credentials this machine has: environment, profile, instance, container."""

    role_arn: Annotated[Text, AfterValidator(_role)] = Field(
        title="Role ARN",
        description="Assumed with this machine's own AWS credentials.",
        examples=["arn:aws:iam::123456789012:role/keyturn"],
    )
    external_id: Annotated[str | None, AfterValidator(_external_id)] = Field(
        default=None, title="External id", description="What the role's trust policy asks for, if it does."
    )
    region: _HomeRegion = None
    endpoint_url: _EndpointUrl = None
    ca_file: _CaFile = None


AwsCredentials = AccessKeyCredentials | AssumeRoleCredentials


class Session:
    """The calls that belong together. It notes from when on a failure leaves something changed."""

    def __init__(self, target: AwsTarget, region: str | None, user: str) -> None:
        self._target, self._region, self._user = target, region, user
        self.changed = False
        self.in_doubt = False

    async def call(self, service: str, operation: str, *, changes: bool = False, **arguments: Any) -> dict[str, Any]:
        """Call an operation by its documented name. Raises TargetError.

        `changes`: it changes something at AWS; the one that must not be sent twice never is.
        """
        from providers.aws_connection import Call

        call = Call(service, operation, arguments, self._region, self._user, changes)
        self.in_doubt = changes
        try:
            answer = await self._target.run(lambda account: account.call(call))
        except TargetError as error:
            self.in_doubt = False
            self.changed = self.changed or error.outcome is Outcome.UNKNOWN
            raise
        self.in_doubt = False
        self.changed = self.changed or changes
        return answer

    async def log_in(self, key_id: str, secret: str) -> dict[str, Any]:
        """Ask STS who somebody else is. Raises CredentialRefused, TargetRefused, TargetUnavailable."""
        return await self._target.run(lambda account: account.log_in(key_id, secret, self._region))


class AwsTarget:
    """One account, through one boto3 session that is kept. It belongs to one event loop."""

    def __init__(self, credentials: AwsCredentials) -> None:
        self.credentials = credentials
        self._account: Account | None = None
        self._opening = threading.Lock()
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def test(self) -> str:
        """Ask STS who the connection is. Raises TargetError."""
        async with self.session() as session:
            caller = await session.call("sts", "GetCallerIdentity")
            return f"AWS account {caller['Account']} as {caller['Arn']}"

    async def close(self) -> None:
        """Drop the connections; the next call would make new ones. Never raises."""
        with self._opening:
            account, self._account = self._account, None
        if account is not None:
            account.close()

    @contextlib.asynccontextmanager
    async def session(self, region: str | None = None, user: str = "") -> AsyncIterator[Session]:
        """Calls that share one deadline. What fails after something was changed leaves with an unknown outcome."""
        session = Session(self, region, user)
        try:
            async with asyncio.timeout(CALL_SECONDS):
                yield session
        except TimeoutError:
            outcome = Outcome.UNKNOWN if session.changed or session.in_doubt else Outcome.UNCHANGED
            raise TargetUnavailable(f"AWS took longer than {CALL_SECONDS:.0f} s.", outcome=outcome) from None
        except TargetError as error:
            if session.changed:
                error.outcome = Outcome.UNKNOWN
            raise

    async def run(self, work: Callable[[Account], _T]) -> _T:
        """Do blocking work in a thread. Raises what it raises."""
        async with self._room:
            return await _in_thread(lambda: work(self._opened()))

    def _opened(self) -> Account:
        from providers.aws_connection import Account

        with self._opening:
            if self._account is None:
                self._account = Account(self.credentials)
            return self._account


async def _in_thread(work: Callable[[], _T]) -> _T:
    """Run blocking work in a thread that nobody waits for at the end: a pool's would hold up a program that stops."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def deliver(result: _T | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # there is one when there is no error

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(deliver, result, error)

    threading.Thread(target=run, name="keyturn-aws", daemon=True).start()
    return await future


class AwsApp:
    """Connections to AWS, registered as `aws`."""

    app = "aws"
    title = "AWS"
    methods: Mapping[str, type[BaseModel]] = MappingProxyType(
        {ACCESS_KEY: AccessKeyCredentials, ASSUME_ROLE: AssumeRoleCredentials}
    )

    def open(self, method: str, credentials: BaseModel) -> AwsTarget:
        """Return access to the account; nothing is sent before the first call."""
        model = self.methods.get(method)
        if model is None or not isinstance(credentials, model):
            raise ValueError(f"AWS has no connection method {method!r} with these credentials")
        assert isinstance(credentials, AccessKeyCredentials | AssumeRoleCredentials)
        return AwsTarget(credentials)


APP: ConnectionApp = AwsApp()
