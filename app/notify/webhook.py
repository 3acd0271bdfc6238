"""A hook that is a web address: one signed POST of JSON. Redirects are not followed."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, unquote, urlsplit

from app import __version__
from app.errors import UsageError
from app.notify.answer import READ_MAX, Answer, clean, quoted

_PORTS = {"http": 80, "https": 443}
_LEAST = 0.001


@dataclass(frozen=True)
class Post:
    """`event_id` is the same for each try and each hook. `now`: seconds since the epoch."""

    url: str = field(repr=False)
    signing_key: str = field(repr=False)
    event_id: str
    body: bytes
    now: int


def checked(url: str) -> str:
    """The address, fit to be posted to. Raises UsageError."""
    if not url.isascii():
        raise UsageError("--webhook: an address holds ASCII characters alone; write others as %-sequences.")
    if not url.isprintable() or " " in url:
        raise UsageError("--webhook: an address holds no blanks and no control characters.")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise UsageError(f"--webhook: this is no web address: {error}.") from None
    if parts.scheme not in _PORTS:
        raise UsageError("--webhook takes an address that begins with https:// or http://.")
    if not parts.hostname:
        raise UsageError("--webhook: the address names no host.", remedy="Such as https://example.com/hooks/keyturn")
    return url


def shown(url: str) -> str:
    """The address without what may be secret: user, password, path and query."""
    parts = urlsplit(url)
    more = "/…" if parts.path.strip("/") or parts.query else "/"
    return f"{parts.scheme}://{_host(parts)}{more}"


def secrets_in(url: str) -> list[str]:
    """Parts of the address that nobody is to see."""
    parts = urlsplit(url)
    own = [url, parts.password or "", parts.path.strip("/"), parts.query]
    return [part for part in own if part] + [step for step in parts.path.split("/") if len(step) >= 16]


def signature(key: str, timestamp: str, body: bytes) -> str:
    return "sha256=" + hmac.new(key.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def send(post: Post, *, time_out: float) -> Answer:
    """Blocking, for `time_out` seconds in all. Any 2xx is success. No exception leaves."""
    hidden = [*secrets_in(post.url), post.signing_key]
    started = time.monotonic()
    try:
        return _answered(post, hidden, started + time_out)
    except TimeoutError:
        return Answer(False, f"no answer within {time_out:g} s")
    except ssl.SSLCertVerificationError as error:
        return Answer(False, clean(f"the certificate is not trusted: {error.verify_message}", hidden))
    except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
        if time.monotonic() - started >= time_out:
            return Answer(False, f"no answer within {time_out:g} s")
        return Answer(False, clean(_trouble(error), hidden))


def _trouble(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return f"the host is not known: {error.strerror}"
    if isinstance(error, http.client.RemoteDisconnected):
        return "the connection was closed without an answer"
    if isinstance(error, http.client.HTTPException):
        return f"the answer is no HTTP ({type(error).__name__})"
    if isinstance(error, OSError):
        return f"no connection: {error.strerror or error}"
    return f"the address cannot be used ({type(error).__name__})"


def _answered(post: Post, hidden: Iterable[str], deadline: float) -> Answer:
    parts = urlsplit(post.url)
    connection, target, headers = _connection(parts, max(deadline - time.monotonic(), _LEAST))
    timestamp = str(post.now)
    headers |= {
        "Content-Type": "application/json",
        "User-Agent": f"keyturn/{__version__}",
        "Connection": "close",
        "Keyturn-Id": post.event_id,
        "Keyturn-Timestamp": timestamp,
        "Keyturn-Signature": signature(post.signing_key, timestamp, post.body),
    }
    with contextlib.closing(connection):
        connection.connect()
        _refuse_link_local(connection.sock)
        with _cut_off(connection.sock, deadline):
            connection.request("POST", target, body=post.body, headers=headers)
            response = connection.getresponse()
            if time.monotonic() >= deadline:  # cut off among the headers, which looks like their end
                raise TimeoutError
            said = _read(response, deadline)
            return _judged(response, said, hidden)


def _read(response: http.client.HTTPResponse, deadline: float) -> bytes:
    """As much as is looked at; what is wrong with an answer's body does not matter."""
    said = b""
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        while len(said) <= READ_MAX and time.monotonic() < deadline:
            if not (part := response.read1(READ_MAX + 1 - len(said))):
                break
            said += part
    return said


def _judged(response: http.client.HTTPResponse, said: bytes, hidden: Iterable[str]) -> Answer:
    text = quoted(said[:READ_MAX], hidden, cut_after=len(said) > READ_MAX)
    status = f"{response.status} {response.reason}".strip()
    status = clean("".join(c if c.isprintable() else "·" for c in status), hidden)
    if 200 <= response.status < 300:
        return Answer(True, f"{status}{text}")
    asked = _seconds(response.getheader("Retry-After") or "")
    if 300 <= response.status < 400:
        return Answer(
            False, f"{status}: a redirect, and those are not followed; give the hook the final address", asked
        )
    return Answer(False, f"{status}{text}", asked)


def _seconds(retry_after: str) -> float:
    """Of "120" or a date; 0 for anything else."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    with contextlib.suppress(ValueError, TypeError):
        at = parsedate_to_datetime(text)
        return max((at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 0.0)
    return 0.0


@contextlib.contextmanager
def _cut_off(sock: socket.socket, deadline: float) -> Iterator[None]:
    """End the connection when the time is up: a time-out of a socket begins anew with each byte that drips in."""

    def cut() -> None:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    timer = threading.Timer(max(deadline - time.monotonic(), _LEAST), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _connection(parts: SplitResult, time_out: float) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
    """Not connected yet, with what to ask for and the headers for it: by the proxy of the environment, if any."""
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Host": _host(parts)} | _authorization("Authorization", parts)
    address = urllib.request.getproxies().get(parts.scheme)
    proxy = urlsplit(address) if address and not urllib.request.proxy_bypass(host) else None
    if parts.scheme == "http":
        if proxy is None or not proxy.hostname:
            return http.client.HTTPConnection(host, port, timeout=time_out), target, headers
        headers |= _authorization("Proxy-Authorization", proxy)
        connection = http.client.HTTPConnection(proxy.hostname, proxy.port or 80, timeout=time_out)
        return connection, f"http://{_host(parts)}{target}", headers
    trusting = ssl.create_default_context()
    if proxy is None or not proxy.hostname:
        return http.client.HTTPSConnection(host, port, timeout=time_out, context=trusting), target, headers
    tunnel = http.client.HTTPSConnection(proxy.hostname, proxy.port or 80, timeout=time_out, context=trusting)
    tunnel.set_tunnel(host, port, headers=_authorization("Proxy-Authorization", proxy))
    return tunnel, target, headers


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{parts.port}" if parts.port else host


def _authorization(header: str, parts: SplitResult) -> dict[str, str]:
    if parts.username is None:
        return {}
    both = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {header: f"Basic {base64.b64encode(both.encode()).decode()}"}


def _refuse_link_local(sock: socket.socket) -> None:
    """Where clouds keep their metadata, with credentials among it. Private addresses are fine."""
    address = str(sock.getpeername()[0]).partition("%")[0]
    if ipaddress.ip_address(address).is_link_local:
        raise OSError(0, f"{address} is a link-local address, where no receiver is")
