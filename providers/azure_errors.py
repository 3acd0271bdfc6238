"""What Entra's and Graph's refusals mean, in words for people. Knows their codes, imports none of their SDKs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from providers.base import CredentialRefused, Outcome, TargetError, TargetRefused, TargetUnavailable

PERMISSION = "Application.ReadWrite.OwnedBy"
GRANT = (
    f"Give Keyturn's application the Graph application permission {PERMISSION} (and make it an owner of the "
    "application), or Application.ReadWrite.All, and grant admin consent."
)
LONGEST_RETRY_AFTER = 8.0
"""Seconds for which one answer may make a call wait; whatever asks for more is left to the loop."""

_CODE = re.compile(r"AADSTS(\d+)")


class NotThere(TargetRefused):
    """Graph knows no such object."""


class BadRequest(TargetRefused):
    """Graph takes the request for wrong, a key that is gone included."""


class TryAgain(TargetUnavailable):
    """Graph did nothing and says so: throttled, or somebody else changed the same object. `after`: seconds."""

    def __init__(self, message: str, after: float, *, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.after = after


@dataclass(frozen=True)
class Asking:
    """Who asks Entra for a token. `verifying`: a published secret is tried, not the connection's own credentials."""

    client_id: str
    tenant: str
    authority: str
    verifying: bool = False


class _Meaning(NamedTuple):
    message: str
    remedy: str
    about_secret: bool = False
    """Said of a secret that is being tried, it means that this one does not log in."""


_MEANINGS: Mapping[int, _Meaning] = {
    7000215: _Meaning(
        "Entra does not accept the client secret of application {client_id}.",
        "Enter the value of one of its client secrets, not the secret's ID; or make a new one.",
        about_secret=True,
    ),
    7000222: _Meaning(
        "The client secret of application {client_id} has expired.",
        "Make a new one in App registrations, Certificates & secrets.",
        about_secret=True,
    ),
    700016: _Meaning(
        "There is no application {client_id} in tenant {tenant}.",
        "Check the client ID (not the object ID) and the tenant; a new application takes a minute to be known.",
        about_secret=True,
    ),
    7000112: _Meaning(
        "Application {client_id} is disabled.", "Enable it in Enterprise applications, Properties.", about_secret=True
    ),
    7000229: _Meaning(
        "Application {client_id} has no service principal in tenant {tenant}, so nobody can log in as it.",
        "az ad sp create --id {client_id}",
    ),
    90002: _Meaning("There is no tenant {tenant}.", "Check the tenant's ID or domain, and the authority's cloud."),
    900023: _Meaning("There is no tenant {tenant}.", "Enter the tenant's ID, or one of its verified domains."),
    700024: _Meaning(
        "Entra refuses the signed assertion as out of date: this machine's clock is wrong.",
        "Set the clock (timedatectl set-ntp true).",
    ),
    700027: _Meaning(
        "Entra does not know the certificate of application {client_id}.",
        "Upload it in App registrations, Certificates & secrets, or check that it has not expired.",
    ),
    7000218: _Meaning("Application {client_id} sent neither a secret nor a certificate.", ""),
    53003: _Meaning(
        "A conditional access policy of tenant {tenant} bars application {client_id}.",
        "Allow this machine's address, or leave the application out of the policy.",
    ),
    500011: _Meaning(
        "Tenant {tenant} knows no Microsoft Graph under the given URL.", "Check the Graph URL and the authority."
    ),
    900382: _Meaning(
        "Tenant {tenant} belongs to another cloud than {authority}.", "Set the authority of the tenant's cloud."
    ),
}
_PASSING = {50196, 90033, 90025, 90012, 50089, 90006}


def entra_failure(text: str, status: int | None, asking: Asking) -> TargetError:
    """Classify a refusal of the token endpoint by its AADSTS code."""
    found = _CODE.search(text)
    if found is None:
        return not_microsoft(asking.authority, status)
    code, names = int(found[1]), {**vars(asking)}
    meaning = _MEANINGS.get(code)
    if meaning is not None:
        kind = CredentialRefused if asking.verifying and meaning.about_secret else TargetRefused
        message = f"{meaning.message.format(**names)} (AADSTS{code})"
        return kind(message, remedy=meaning.remedy.format(**names))
    said = _first_sentence(text[found.start() :])
    message = f"Entra refuses application {asking.client_id}: {said}"
    if code in _PASSING or status == 429 or (status or 0) >= 500:
        return TargetUnavailable(message)
    return TargetRefused(message, remedy=f"Look up AADSTS{code} at https://login.microsoftonline.com/error.")


def not_microsoft(address: str, status: int | None, outcome: Outcome = Outcome.UNCHANGED) -> TargetUnavailable:
    """Something on the way answered in its own words."""
    answer = "" if status is None or status == 200 else f", status {status}"
    return TargetUnavailable(
        f"What answers at {address} is not Microsoft: probably a proxy's page{answer}.",
        remedy="Check HTTPS_PROXY and NO_PROXY, or let the proxy pass the requests of this machine.",
        outcome=outcome,
    )


def unreachable(address: str, error: BaseException, outcome: Outcome = Outcome.UNCHANGED) -> TargetUnavailable:
    """The network or TLS failed."""
    texts = [str(e) for e in _chain(error)]
    if any("CERTIFICATE_VERIFY_FAILED" in text for text in texts):
        return TargetUnavailable(
            f"The certificate of {address} is not trusted.",
            remedy="Give the CA that signed it (of a proxy that re-encrypts, mostly): the connection's CA file, or "
            "SSL_CERT_FILE.",
            outcome=outcome,
        )
    if any(isinstance(e, TimeoutError) or "timeout" in type(e).__name__.lower() for e in _chain(error)):
        return TargetUnavailable(f"{address} did not answer in time.", outcome=outcome)
    # A proxy's address may hold its password.
    what = re.sub(r"//[^/@\s]+@", "//", next((text for text in texts if text), type(error).__name__))
    return TargetUnavailable(
        f"{address} can't be reached: {what}.", remedy="Check the network, and HTTPS_PROXY.", outcome=outcome
    )


def _chain(error: BaseException | None) -> Iterable[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


_POLICIES = {
    "CredentialInvalidLifetimeAsPerAppPolicy": "The tenant's app management policy does not allow a secret to live "
    "that long.",
    "CredentialTypeNotAllowedAsPerAppPolicy": "The tenant's app management policy allows no client secrets.",
}
_FULL = {"Directory_ResourceSizeExceeded", "TooManyAppPasswords"}


def graph_failure(
    status: int, code: str, said: str, headers: Mapping[str, str], outcome: Outcome = Outcome.UNCHANGED
) -> TargetError:
    """Classify an answer of Graph. `outcome`: what an answer that decides nothing leaves behind."""
    text = _first_sentence(said) or code or f"status {status}"
    if status == 429:
        return TryAgain("Microsoft Graph is throttling this tenant.", _seconds(headers.get("Retry-After")))
    if status in (409, 412) or "concurren" in f"{code} {said}".lower():
        return TryAgain(f"Microsoft Graph is busy with another change of the same application: {text}", 1.0)
    if status >= 500 or status == 408:
        return TargetUnavailable(f"Microsoft Graph fails: {text}", outcome=outcome)
    if status == 401:
        return TargetRefused(
            f"Microsoft Graph does not accept the token: {text}",
            remedy="Check that the authority and the Graph URL belong to one cloud.",
        )
    if status == 403:
        return TargetRefused(f"Microsoft Graph denies it: {text} ({code})", remedy=GRANT)
    if status == 404:
        return NotThere(
            f"Microsoft Graph knows no such application: {text}",
            remedy="Take the Object ID from App registrations, Overview (not that of Enterprise applications).",
        )
    if code in _POLICIES:
        remedy = "Shorten the rotation interval." if "Lifetime" in code else "Ask for an exception to the policy."
        return TargetRefused(f"{_POLICIES[code]} ({code})", remedy=remedy)
    if code in _FULL:
        return TargetRefused(
            f"The application has too many client secrets: {text}", remedy="Remove those that nobody needs."
        )
    return BadRequest(f"Microsoft Graph refuses it: {text}")


def _seconds(retry_after: str | None) -> float:
    try:
        return max(0.0, float(retry_after or 1))
    except ValueError:  # a date is allowed too; nobody has seen Graph send one
        return 1.0


def _first_sentence(text: str) -> str:
    """Without trace ids and times, and all on one line."""
    line = re.split(r"\s*(?:Trace ID|Correlation ID|Timestamp):|[\r\n]", text.strip(), maxsplit=1)[0]
    return line[:300].rstrip()
