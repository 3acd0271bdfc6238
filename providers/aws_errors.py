"""What AWS's errors mean for a rotation: wait or give up, changed or not, and what a person can do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError

from providers.aws_policy import partition_of, policy
from providers.base import Outcome, TargetError, TargetRefused, TargetUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_UNKNOWN_KEY = frozenset({"InvalidClientTokenId", "InvalidAccessKeyId", "UnrecognizedClientException"})
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized"})
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
_THROTTLED = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "SlowDown",
        "BandwidthLimitExceeded",
        "PriorRequestNotComplete",
    }
)
_PASSING = frozenset({"EntityTemporarilyUnmodifiable", "ConcurrentModification", "IDPCommunicationError"})
_TIME = ("expired", "not yet current", "too far")
_LONGEST = 300
_SET_THE_CLOCK = (
    "Set this machine's clock (timedatectl, chronyc tracking): AWS takes a difference of 5 minutes at most."
)


@dataclass(frozen=True)
class Circumstances:
    """What was asked of AWS. `user`: whom it was about. `refused`: what a refused key is called."""

    operation: str
    service: str
    user: str = ""
    key_id: str = ""
    role: str = ""
    region: str = ""
    changes: bool = False
    refused: type[TargetRefused] = TargetRefused

    @property
    def lost(self) -> Outcome:
        """What is left behind when nobody knows whether the call arrived."""
        return Outcome.UNKNOWN if self.changes else Outcome.UNCHANGED

    @property
    def whose(self) -> str:
        return f"the access key {self.key_id}" if self.key_id else f"the role {self.role}"


class NoSuchEntity(TargetRefused):
    """What the call was about does not exist."""


class LimitExceeded(TargetUnavailable):
    """The user has as many keys as AWS allows, or had a moment ago."""


class PermissionMissing(TargetRefused):
    """The connection may not do it."""


@contextlib.contextmanager
def translated(circumstances: Circumstances) -> Iterator[None]:
    """Let only TargetError out."""
    try:
        yield
    except TargetError:
        raise
    except sdk.ClientError as error:
        raise _of_answer(error, circumstances) from None
    except ResponseParserError:
        raise _not_aws(circumstances) from None
    except (sdk.BotoCoreError, OSError, ValueError) as error:
        raise _without_answer(error, circumstances) from None
    except (KeyError, TypeError, AttributeError):  # an answer of another shape
        raise _not_aws(circumstances) from None


def _not_aws(about: Circumstances) -> TargetError:
    return TargetUnavailable(
        "What answered was not AWS: the answer can't be read.",
        remedy="Look for a proxy or a login page in between (HTTPS_PROXY), and at the endpoint URL.",
        outcome=about.lost,
    )


def _of_answer(error: sdk.ClientError, about: Circumstances) -> TargetError:
    details: Mapping[str, str] = error.response.get("Error", {})
    code, said = str(details.get("Code", "")), " ".join(str(details.get("Message") or "").split())[:_LONGEST]
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if error.operation_name == "AssumeRole" and about.operation != "AssumeRole":
        # It came before the call itself, which was never sent.
        about = replace(about, operation="AssumeRole", service="sts", changes=False, key_id="")
    if code in _THROTTLED or status == 429:
        return TargetUnavailable(f"AWS asks for fewer calls ({code or status}).")
    if code in _PASSING:
        return TargetUnavailable(f"AWS is changing this right now ({code}).")
    if status >= 500:
        return _server_fault(code, status, about)
    if code in _UNKNOWN_KEY:
        return _unknown_key(about)
    if code in {"SignatureDoesNotMatch", "RequestExpired", "RequestInTheFuture", "IncompleteSignature"}:
        return _signature(code, said, about)
    if code in _EXPIRED:
        return about.refused(f"The session of {about.whose} has expired.", remedy="Renew this machine's credentials.")
    if code in _DENIED:
        return _denied(said, about)
    if code in {"NoSuchEntity", "NoSuchEntityException"}:
        return NoSuchEntity(_missing(about, said), remedy=_create_user(about))
    if code in {"LimitExceeded", "LimitExceededException"}:
        return LimitExceeded(f"{about.user or 'The user'} has two access keys already, which is as many as AWS allows.")
    if code == "RegionDisabledException":
        return TargetRefused(f"STS is turned off in the region {about.region}.", remedy="Choose another region.")
    if not code or code.isdigit():
        return _not_aws(about)
    return TargetRefused(f"AWS refused {about.service}:{about.operation}: {said or code} ({code}).")


def _server_fault(code: str, status: int, about: Circumstances) -> TargetError:
    # A fault of a proxy carries no code of AWS.
    who = f"AWS failed ({code})" if code and not code.isdigit() else f"A server on the way failed (HTTP {status})"
    return TargetUnavailable(f"{who} at {about.service}:{about.operation}.", outcome=about.lost)


def _unknown_key(about: Circumstances) -> TargetError:
    return about.refused(
        f"AWS does not know {about.whose}, or it is inactive.",
        remedy="Look at its status in IAM; a key of China or GovCloud needs a region there.",
    )


def _signature(code: str, said: str, about: Circumstances) -> TargetError:
    if code.startswith("Request") or any(word in said for word in _TIME):
        # Nobody's key would do, so it says nothing about this one.
        return TargetRefused("AWS refuses the time of this machine's requests.", remedy=_SET_THE_CLOCK)
    return about.refused(
        f"The secret does not belong to {about.whose} (SignatureDoesNotMatch).",
        remedy=f"Enter the secret access key again. If it is right: {_SET_THE_CLOCK}",
    )


def _denied(said: str, about: Circumstances) -> TargetError:
    if about.operation == "AssumeRole":
        return TargetRefused(
            f"This machine may not assume the role {about.role}. {said}".strip(),
            remedy="The machine needs sts:AssumeRole on the role, and the role's trust policy must name the machine, "
            "with the same external id if it asks for one.",
        )
    action = f"{about.service}:{about.operation}"
    if about.refused is not TargetRefused:
        return about.refused(f"AWS denies {action} to {about.whose}. {said}".strip())
    return PermissionMissing(
        f"The connection lacks the permission {action}. {said}".strip(),
        remedy=policy(about.user, partition=partition_of(about.region)),
    )


def _missing(about: Circumstances, said: str) -> str:
    if about.user and f"user with name {about.user}" in said:
        return f"There is no IAM user {about.user}."
    return said or f"There is no such thing at AWS ({about.operation})."


def _create_user(about: Circumstances) -> str:
    return f"aws iam create-user --user-name {about.user}" if about.user else ""


def _without_answer(error: Exception, about: Circumstances) -> TargetError:
    for kind, meaning in _MEANINGS:
        if isinstance(error, kind):
            return meaning(error, about)
    return TargetUnavailable(
        f"AWS could not be asked: {type(error).__name__} at {about.service}:{about.operation}.", outcome=about.lost
    )


def _address(error: Exception) -> str:
    """Where it went, without what a URL may hold besides."""
    url = urlsplit(str(getattr(error, "kwargs", {}).get("endpoint_url", "")))
    return f"{url.hostname}:{url.port}" if url.port else str(url.hostname or "AWS")


def _unreachable(error: Exception, about: Circumstances) -> TargetError:
    return TargetUnavailable(
        f"{_address(error)} can't be reached.",
        remedy=f"Look at the network, the proxy, and whether the region {about.region} is the right one.",
    )


def _silent(error: Exception, about: Circumstances) -> TargetError:
    return TargetUnavailable(f"{_address(error)} did not answer in time.", outcome=about.lost)


def _cut_off(error: Exception, about: Circumstances) -> TargetError:
    return TargetUnavailable(f"{_address(error)} ended the connection without an answer.", outcome=about.lost)


def _proxy(error: Exception, about: Circumstances) -> TargetError:
    return TargetUnavailable("The proxy can't be reached.", remedy="Look at HTTPS_PROXY and HTTP_PROXY.")


def _untrusted(error: Exception, about: Circumstances) -> TargetError:
    where = _address(error)
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return TargetRefused(
            f"The certificate of {where} is not trusted.",
            remedy="Name the authority in the connection's CA file, or in AWS_CA_BUNDLE.",
        )
    return TargetUnavailable(f"TLS with {where} failed.", outcome=about.lost)


def _no_credentials(error: Exception, about: Circumstances) -> TargetError:
    return TargetRefused(
        f"This machine has no AWS credentials to assume the role {about.role} with.",
        remedy="Give it some: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role of the instance.",
    )


def _no_profile(error: Exception, about: Circumstances) -> TargetError:
    return TargetRefused("The profile that AWS_PROFILE names does not exist on this machine.")


def _bad_setting(error: Exception, about: Circumstances) -> TargetError:
    return TargetRefused(
        f"AWS can't be asked like this: {type(error).__name__} at {about.service}:{about.operation}.",
        remedy="Look at the connection's endpoint URL and region, and at this machine's AWS settings.",
    )


_MEANINGS: tuple[
    tuple[type[Exception] | tuple[type[Exception], ...], Callable[[Exception, Circumstances], TargetError]], ...
]
_MEANINGS = (
    (sdk.ProxyConnectionError, _proxy),
    (sdk.ConnectTimeoutError, _unreachable),
    (sdk.EndpointConnectionError, _unreachable),
    (sdk.ReadTimeoutError, _silent),
    (sdk.ConnectionClosedError, _cut_off),
    (sdk.SSLError, _untrusted),
    ((sdk.NoCredentialsError, sdk.PartialCredentialsError, sdk.CredentialRetrievalError), _no_credentials),
    (sdk.ProfileNotFound, _no_profile),
    (
        (sdk.InvalidRegionError, sdk.NoRegionError, sdk.UnknownEndpointError, sdk.ParamValidationError, ValueError),
        _bad_setting,
    ),
)
