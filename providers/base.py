"""The contract between the engine and the targets.

The engine owns the flow: journal, lease, retries, publication. A provider makes single outside calls and says
honestly what came of them. It keeps no table, reads no clock and draws no random number of its own.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel

ModelClass = type[BaseModel]
"""Named because `type` inside a provider is its documented name."""

Slot = int
"""0 or 1: which of a rotation's two credentials."""


class Outcome(enum.StrEnum):
    """What a failed call left behind at the target."""

    UNCHANGED = "unchanged"
    UNKNOWN = "unknown"


class TargetError(Exception):
    """A target refused or did not answer. `message` says what happened, `remedy` what a person can do.

    Neither may hold a secret; the engine redacts them once more before they are stored or shown.
    """

    transient = False

    def __init__(self, message: str, *, remedy: str = "", outcome: Outcome = Outcome.UNCHANGED) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.outcome = outcome


class TargetUnavailable(TargetError):
    """No answer, or "not now": trying again later may help (network, restart, throttling, too many connections)."""

    transient = True


class TargetRefused(TargetError):
    """A definite no that repeating will not change: permission, no such user, policy."""


class CredentialRefused(TargetRefused):
    """The credential given to `verify` does not log in."""


@dataclass(frozen=True)
class Credential:
    """The values of one slot, by the field names of the documented `generatedCredentials` items."""

    values: Mapping[str, str] = field(repr=False)
    expires_at: datetime | None = None


@dataclass(frozen=True)
class Problem:
    """One thing wrong with what a person entered; `field` is its dotted, documented name (`parameters.username2`)."""

    field: str
    message: str


class CheckResult(enum.StrEnum):
    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Check:
    """One line of the preflight. `remedy` is the statement or permission that mends it, ready to copy."""

    title: str
    result: CheckResult
    detail: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Issue:
    """What a provider needs to issue one credential.

    `again` is true when an earlier call with the same candidate may or may not have taken effect.
    `previous` is what the journal recorded for this slot, `active` what is published now: never to be touched.
    `issued` is what an earlier call returned for the same candidate: it does not log in and is to be replaced.
    `expendable`: recorded for the same principal and to be retired later; may go now where there is no room otherwise,
    the first of them first.
    """

    slot: Slot
    candidate: Credential
    previous: Credential | None = None
    active: Credential | None = None
    again: bool = False
    issued: Credential | None = None
    expendable: tuple[Credential, ...] = ()


@dataclass(frozen=True)
class CandidateRequest:
    """`attempt_id` serves as a marker where the target invents the secret; `interval_days` dates its expiry."""

    slot: Slot
    attempt_id: str
    now: datetime
    interval_days: int
    choice: Callable[[Sequence[str]], str]
    """Picks one item of a non-empty sequence, from a cryptographically strong source."""


class Target(Protocol):
    """An open, reusable access to one target. Opening does no input or output; the first call connects."""

    async def test(self) -> str:
        """Connect and say in one line what answered ("PostgreSQL 18.4 at db:5432, TLS"). Raises TargetError."""

    async def close(self) -> None:
        """Release what is held. Never raises; may be called again, and a call after it opens anew."""


class ConnectionApp(Protocol):
    """One kind of connection (`postgres`, `aws`, ...): how its credentials look and how to open it.

    Fields of a credentials model typed `SecretStr` are sealed and never shown; all others are public. Field titles,
    descriptions and defaults feed the form, the command line's questions and the JSON schema.
    """

    app: str
    title: str
    methods: Mapping[str, type[BaseModel]]

    def open(self, method: str, credentials: BaseModel) -> Target: ...


class Provider(Protocol):
    """One rotation type. Every call may be repeated with the same arguments and must then converge.

    Only TargetError leaves a call; anything else is a defect and is reported as one. Calls bound their own time:
    none may wait for a target for more than 30 s. They may be cancelled anywhere, and several rotations may call at
    once on one target. What this rotation did not make, by a recorded id or by the candidate's mark, is never changed.
    """

    type: str
    title: str
    app: str
    name_max_length: int
    parameters: ModelClass
    mapping: ModelClass
    """Fields: credential field name -> secret name; the defaults are what a wizard fills in."""
    secret_fields: frozenset[str]
    """Credential fields that are secret; the others may be shown (a username, an access key id)."""
    initial_slots: tuple[Slot, ...]
    """The slots filled at creation, in order; the last one is published."""
    verify_successes: int
    """How many consecutive successful `verify` calls make a credential good."""
    verify_patience: float
    """Seconds for which a refusal by `verify` may just mean "not yet" (caches, propagation)."""
    restores: bool
    """Whether `issue` with a slot's own credential as the candidate makes that work again (passwords, not keys)."""
    retires: bool
    """Whether what a slot held before must be removed by `retire` after publication."""

    def check_parameters(self, parameters: Any, connection: Mapping[str, Any]) -> list[Problem]:
        """Rules that need no outside call. `connection` holds the connection's public credential fields."""

    def identity(self, parameters: Any, slot: Slot) -> str:
        """Who the slot's credential belongs to, for people ("app_user_1")."""

    def candidate(self, parameters: Any, request: CandidateRequest) -> Credential:
        """What the journal must hold before the target is touched. No outside call.

        Either the whole new credential (a password), or a mark by which `issue` and `revoke` find what an earlier call
        made and whose answer was lost.
        """

    async def preflight(self, target: Any, parameters: Any) -> list[Check]:
        """Every check a rotation depends on, changing nothing. Raises nothing for a failed check."""

    async def issue(self, target: Any, parameters: Any, request: Issue) -> Credential:
        """Make the candidate real and return the slot's complete credential, with every field of the mapping.

        Issued `again`, what the earlier call made is replaced: in the end one credential of this candidate works, the
        one returned. Nothing is sent twice within one call where sending it twice would make two.
        Raises TargetError with outcome UNCHANGED only when the target certainly did not change. TargetRefused when
        those who are rotated do not exist.
        """

    async def verify(self, target: Any, parameters: Any, credential: Credential) -> None:
        """Log in once, as an application would; with nothing kept of an earlier login.

        Raises CredentialRefused, also while it is too early for it (`verify_patience`), TargetRefused when the way in
        is barred to everybody (TLS, no such database), or TargetUnavailable when unclear.
        """

    async def retire(self, target: Any, parameters: Any, credential: Credential) -> None:
        """Remove what a slot held before, by recorded id. Already gone is success, its owner included.

        Where `issue` overwrites or removes it (`retires` is False) there is nothing left to do.
        """

    async def revoke(self, target: Any, parameters: Any, credential: Credential) -> None:
        """Make a credential useless for good (the rotation is being deleted). Gone already is success, and so is a
        user or application that is gone.

        `credential` is a mere candidate when the answer to `issue` was lost: what it may have become must go.
        """


@dataclass(frozen=True)
class Preparation:
    """What a person may run at the target before the first rotation; holds no secret."""

    title: str
    text: str


@runtime_checkable
class Preparable(Protocol):
    """A provider that can show, and run, what prepares a target (for Postgres: the two users and their grants)."""

    def preparation(self, parameters: Any, connection: Mapping[str, Any]) -> Preparation:
        """The script, complete and ready to copy. No outside call."""

    async def prepare(self, target: Any, parameters: Any) -> None:
        """Run it, all or nothing. What exists already is left alone. Raises TargetError."""


@dataclass(frozen=True)
class Choice:
    """One thing at the target that a person may pick. `fills`: the parameters that it stands for, by field name."""

    title: str
    detail: str
    fills: Mapping[str, str]


@runtime_checkable
class Choosing(Protocol):
    """A provider that can list what may be rotated (an account's IAM users, a tenant's applications)."""

    async def choices(self, target: Any, query: str, limit: int) -> list[Choice]:
        """Those whose name contains `query`, by name; at most `limit`. Changes nothing.

        Raises TargetRefused when the connection may not list; a person then types what is asked.
        """


@dataclass(frozen=True)
class Use:
    """Somebody who still uses a credential: an application, from an address, with so many sessions."""

    who: str
    where: str = ""
    count: int = 1
    since: datetime | None = None


@runtime_checkable
class Guarded(Protocol):
    """A provider that can look whether a credential is still in use before it dies."""

    async def in_use(self, target: Any, parameters: Any, credential: Credential, since: datetime) -> list[Use]:
        """Who uses it now, or has since `since` (when the other slot was published). Changes nothing."""


@runtime_checkable
class Inspectable(Protocol):
    """A provider that can tell whether a credential works without using it: its use is what the guard looks for."""

    async def inspect(self, target: Any, parameters: Any, credential: Credential) -> None:
        """Raises CredentialRefused when it no longer works, TargetRefused or TargetUnavailable when unclear."""


@dataclass(frozen=True)
class Upcoming:
    """A rotation that exists, and the slot that is issued next, as the store knows them.

    `previous` is what that slot holds now and `active` what is published; `expendable` as in `Issue`.
    """

    slot: Slot
    previous: Credential | None = None
    active: Credential | None = None
    expendable: tuple[Credential, ...] = ()


@dataclass(frozen=True)
class Call:
    """One call at the target: as people of that trade write it, without a secret, and what it locks or ends."""

    text: str
    note: str = ""


@runtime_checkable
class Foreseeing(Protocol):
    """A provider that can tell what the next rotation does, and whether it may, before it does."""

    def foresee(
        self, parameters: Any, connection: Mapping[str, Any], upcoming: Upcoming
    ) -> Mapping[str, Sequence[Call]]:
        """The calls of each step ("guard", "issue", "verify", "retire"), in their order. No outside call.

        `connection` holds the connection's public credential fields.
        """

    async def probe(self, target: Any, parameters: Any, upcoming: Upcoming) -> list[Check]:
        """As `preflight`, for a rotation that exists: what it made itself is no stranger's."""


@dataclass(frozen=True)
class Disconnected:
    """Whose sessions were ended. `left`: those that go on; `reason` says why, `remedy` what mends it."""

    ended: tuple[Use, ...] = ()
    left: tuple[Use, ...] = ()
    reason: str = ""
    remedy: str = ""


@runtime_checkable
class Disconnecting(Protocol):
    """A provider whose logins outlive the credential that they were made with (sessions of a database)."""

    async def disconnect(
        self, target: Any, parameters: Any, slot: Slot, replaced: Callable[[], timedelta]
    ) -> Disconnected:
        """End the sessions of the slot's user that began before its credential was replaced, and see them gone.

        `replaced` tells how long ago that was: to be asked after the target said what time it is, as clocks differ.
        Raises TargetError; what only some sessions stand for is returned as `left`.
        """


@runtime_checkable
class Outlived(Protocol):
    """A provider whose credentials are outlived by what was made with them, out of Keyturn's reach."""

    outlived_by: str
    """What that is, how long it goes on, and what ends it: for people, after an emergency."""
