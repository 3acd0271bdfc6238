"""Programs that log in: the tokens they get for their client secret, and what a token lets them do.

A token is 256 random bits, and only its SHA-256 is kept, as of a client secret; secrets are compared in constant time.
"""

from __future__ import annotations

import functools
import hmac
import json
import re
import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from app.errors import KeyturnError
from app.operations.context import Context, record
from app.operations.identities import ACTOR, hashed
from store import identities
from store.database import Tx
from store.identities import Holder
from store.tables import AccessToken, Identity

RENEWABLE_SECONDS = 86400
"""How long a token may be renewed, from its login on; longer tokens are not renewed at all."""
_ID_LENGTH = 36
_BEGINS = "kt_"
"""What a scanner for leaked secrets can look for."""
_NOBODY = bytes(32)
"""Stands for the hash that an unknown client has not: comparing takes as long. No secret is known that has it."""


class NotLoggedIn(KeyturnError):
    """The client or its secret is wrong, or the token is unknown, expired or revoked; it is not told which."""


@dataclass(frozen=True)
class Granted:
    """What a login gives, in seconds from now."""

    access_token: str = field(repr=False)
    expires_in: int
    max_ttl: int


@dataclass(frozen=True)
class Bearer:
    """Whose token it is, and what they may do."""

    id: str
    name: str
    project_id: str
    project_slug: str
    environments: frozenset[str]
    paths: tuple[str, ...]
    allowed: frozenset[str]

    def reaches(self, environment: str, path: str) -> bool:
        """Whether a place in its project is one of its places."""
        if self.environments and environment not in self.environments:
            return False
        return any(path_matches(one, path) for one in self.paths)


@dataclass(frozen=True)
class Logins:
    context: Context

    async def knows(self, client_id: str, client_secret: str) -> bool:
        """Whether that is the client's secret. Nothing is granted, and nothing is told in the history."""
        kept = await identities.secret_hash_of(self.context.store, client_id) if _may_be(client_id) else None
        return _fits(kept, client_secret)

    async def log_in(self, client_id: str, client_secret: str, address: str) -> Granted:
        """A token for a client's secret; an event either way. Raises NotLoggedIn."""
        token = _BEGINS + secrets.token_urlsafe(32)

        def write(tx: Tx) -> Granted | None:
            now = self.context.clock()
            row = identities.held(tx, client_id) if _may_be(client_id) else None
            if not _fits(row.secret_hash if row else None, client_secret) or row is None:
                name = row.name if row else "nobody we know"
                record(self.context, tx, "login", name, result="failed", message=f"from {address}")
                return None
            row.last_login_at = now
            held = _token_of(row, token, now, self.context.new_id())
            identities.add_token(tx, held)
            record(self._by(row), tx, "login", row.name, message=f"from {address}")
            return _granted(token, held, now)

        granted = await self.context.store.awrite(write)
        if granted is None:
            raise NotLoggedIn("The client id or the client secret is wrong.")
        return granted

    async def renew(self, token: str) -> Granted:
        """The same token for longer, as far as it may be renewed. Raises NotLoggedIn."""
        await self.bearer(token)  # nobody holds up writers with what is no token

        def write(tx: Tx) -> Granted | None:
            now = self.context.clock()
            found = identities.by_token(tx, hashed(token), now)
            if found is None:
                return None
            row, held = found
            longer = min(now + timedelta(seconds=row.token_seconds), held.renewable_until)
            held.expires_at = max(held.expires_at, longer)
            record(self._by(row), tx, "renew-token", row.name)
            return _granted(token, held, now)

        granted = await self.context.store.awrite(write)
        if granted is None:
            raise _invalid_token()
        return granted

    async def bearer(self, token: str) -> Bearer:
        """Who sends a token. Raises NotLoggedIn."""
        found = await identities.holder_of(self.context.store, hashed(token), self.context.clock())
        if found is None:
            raise _invalid_token()
        return _bearer(found)

    def _by(self, row: Identity) -> Context:
        """In that identity's name."""
        return replace(self.context, actor=f"{ACTOR}:{row.name}")


@functools.lru_cache(maxsize=256)
def _bearer(found: Holder) -> Bearer:
    """By all that is stored: what changes there makes another one."""
    return Bearer(
        id=found.id,
        name=found.name,
        project_id=found.project_id,
        project_slug=found.project_slug,
        environments=frozenset(json.loads(found.environments)),
        paths=tuple(json.loads(found.paths)),
        allowed=frozenset(json.loads(found.allowed)),
    )


@functools.lru_cache(maxsize=4096)
def path_matches(pattern: str, path: str) -> bool:
    """Whether a folder is meant: "*" stands for one name, "/**" at the end for the folder and all below it."""
    names = [re.escape(name).replace(r"\*", "[^/]+") for name in pattern.removesuffix("/**").strip("/").split("/")]
    below = "(?:/.*)?" if pattern.endswith("/**") else ""
    start = "/" + "/".join(names)
    return re.fullmatch(start.rstrip("/") + below if below else start, path) is not None


def _token_of(row: Identity, token: str, now: datetime, new_id: str) -> AccessToken:
    return AccessToken(
        id=new_id,
        identity_id=row.id,
        hash=hashed(token),
        created_at=now,
        expires_at=now + timedelta(seconds=row.token_seconds),
        renewable_until=now + timedelta(seconds=max(RENEWABLE_SECONDS, row.token_seconds)),
    )


def _granted(token: str, held: AccessToken, now: datetime) -> Granted:
    return Granted(token, _seconds(held.expires_at - now), _seconds(held.renewable_until - now))


def _may_be(client_id: str) -> bool:
    """Whether a store can look for it at all."""
    return len(client_id) <= _ID_LENGTH and "\0" not in client_id


def _fits(kept: bytes | None, secret: str) -> bool:
    """Whether it is the secret of that hash; as fast for one that is not there."""
    return hmac.compare_digest(kept or _NOBODY, hashed(secret)) and kept is not None


def _seconds(span: timedelta) -> int:
    return max(0, int(span.total_seconds()))


def _invalid_token() -> NotLoggedIn:
    return NotLoggedIn("The access token is unknown, expired or revoked.", remedy="Log in again.")
