"""Programs that may use the HTTP API: who they are, what they may do, and the tokens they get for their secret.

Client secrets and tokens are 256 random bits: nobody can try them all, so a plain SHA-256 keeps them as well as a slow
hash would, and a login costs nothing. Neither is kept; both are compared in constant time.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.contract import SLUG
from app.errors import InvalidInput, KeyturnError, NotFound
from app.operations.context import Context, project_by
from providers.base import Problem
from store import events, identities, projects
from store.database import Tx
from store.errors import Conflict
from store.identities import Holder
from store.tables import AccessToken, Identity

READ, READ_CREDENTIALS, ROTATE, MANAGE = "read", "read-credentials", "rotate", "manage"
RIGHTS = (READ, READ_CREDENTIALS, ROTATE, MANAGE)
ACTOR = "api"
"""Who acts as long as nobody is known; an identity is "api:NAME"."""
TOKEN_SECONDS = 3600
LONGEST_TOKEN = 30 * 86400
"""Both in seconds."""
RENEWABLE_SECONDS = 86400
"""How long a token may be renewed, from its login on; longer tokens are not renewed at all."""
_ID_LENGTH, _NAME_MAX, _PATTERN_MAX, _PATTERNS_MAX = 36, 64, 512, 64
_PATTERN = re.compile(r"/|(?:/(?:[A-Za-z0-9_.-]+|\*))*(?:/\*\*)?")
_SECRET_BEGINS, _TOKEN_BEGINS = "ktcs_", "kt_"
"""What a scanner for leaked secrets can look for."""
_NOBODY = bytes(32)
"""Stands for the hash that an unknown client has not: comparing takes as long. No secret is known that has it."""


class NotLoggedIn(KeyturnError):
    """The client or its secret is wrong, or the token is unknown, expired or revoked; it is not told which."""


@dataclass(frozen=True)
class NewIdentity:
    name: str
    project: str
    environments: Sequence[str] = ()
    paths: Sequence[str] = ("/**",)
    allowed: Sequence[str] = (READ,)
    token_seconds: int = TOKEN_SECONDS


@dataclass(frozen=True)
class IdentityView:
    """`environments` empty: all of the project's. `tokens`: how many are valid now."""

    id: str
    name: str
    project: str
    project_id: str
    environments: tuple[str, ...]
    paths: tuple[str, ...]
    allowed: tuple[str, ...]
    token_seconds: int
    tokens: int
    created_at: datetime
    last_login_at: datetime | None


@dataclass(frozen=True)
class Credited:
    """An identity with its client secret, which is shown this once."""

    identity: IdentityView
    client_secret: str = field(repr=False)


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
class Identities:
    """`ref` is a name or an id. All raise NotFound."""

    context: Context

    async def create(self, wanted: NewIdentity) -> Credited:
        """Raises InvalidInput."""
        secret = _SECRET_BEGINS + secrets.token_urlsafe(32)

        def write(tx: Tx) -> IdentityView:
            project = project_by(tx, wanted.project)
            known = [environment.slug for environment in projects.list_environments(tx, project.id)]
            if problems := [*_problems(wanted), *_unknown(wanted.environments, known)]:
                raise InvalidInput(problems)
            row = Identity(
                id=self.context.new_id(),
                name=wanted.name,
                project_id=project.id,
                environments=list(dict.fromkeys(wanted.environments)),
                paths=list(dict.fromkeys(wanted.paths)),
                allowed=[right for right in RIGHTS if right in wanted.allowed],
                secret_hash=_hash(secret),
                token_seconds=wanted.token_seconds,
                created_at=self.context.clock(),
            )
            identities.add(tx, row)
            self._record(tx, row.name, "create-identity", message=f"may {', '.join(row.allowed)}")
            return self._view(tx, row)

        try:
            return Credited(await self.context.store.awrite(write), secret)
        except Conflict:
            raise InvalidInput([Problem("name", f"an identity named {wanted.name} exists already")]) from None

    async def list(self) -> list[IdentityView]:
        """By name."""
        return await self.context.store.aread(lambda tx: [self._view(tx, row) for row in identities.list_all(tx)])

    async def show(self, ref: str) -> IdentityView:
        return await self.context.store.aread(lambda tx: self._view(tx, _identity_by(tx, ref)))

    async def new_secret(self, ref: str) -> Credited:
        """The former secret and all tokens are worth nothing from now on."""
        secret = _SECRET_BEGINS + secrets.token_urlsafe(32)

        def write(tx: Tx) -> IdentityView:
            row = _identity_by(tx, ref)
            row.secret_hash = _hash(secret)
            identities.revoke_tokens(tx, row.id)
            self._record(tx, row.name, "new-identity-secret")
            return self._view(tx, row)

        return Credited(await self.context.store.awrite(write), secret)

    async def revoke(self, ref: str) -> int:
        """Its tokens are worth nothing from now on; how many there were. Its secret still logs in."""

        def write(tx: Tx) -> int:
            row, now = _identity_by(tx, ref), self.context.clock()
            valid = identities.count_tokens(tx, row.id, now)
            identities.revoke_tokens(tx, row.id)
            self._record(tx, row.name, "revoke-identity-tokens", message="1 token" if valid == 1 else f"{valid} tokens")
            return valid

        return await self.context.store.awrite(write)

    async def remove(self, ref: str) -> IdentityView:
        """It and its tokens; what is gone."""

        def write(tx: Tx) -> IdentityView:
            row = _identity_by(tx, ref)
            before = self._view(tx, row)
            identities.remove(tx, row)
            self._record(tx, before.name, "delete-identity")
            return before

        return await self.context.store.awrite(write)

    async def knows(self, client_id: str, client_secret: str) -> bool:
        """Whether that is the client's secret. Nothing is granted, and nothing is told in the history."""
        kept = await identities.secret_hash_of(self.context.store, client_id) if _may_be(client_id) else None
        return _fits(kept, client_secret)

    async def log_in(self, client_id: str, client_secret: str, address: str) -> Granted:
        """A token for a client's secret; an event either way. Raises NotLoggedIn."""
        token = _new_token()

        def write(tx: Tx) -> Granted | None:
            now = self.context.clock()
            row = identities.held(tx, client_id) if _may_be(client_id) else None
            if not _fits(row.secret_hash if row else None, client_secret) or row is None:
                name = row.name if row else "nobody we know"
                self._record(tx, name, "login", result="failed", message=f"from {address}")
                return None
            row.last_login_at = now
            granted = _granted(tx, row, token, now, now + timedelta(seconds=_renewable(row)), self.context.new_id())
            self._record(tx, row.name, "login", actor=f"{ACTOR}:{row.name}", message=f"from {address}")
            return granted

        granted = await self.context.store.awrite(write)
        if granted is None:
            raise NotLoggedIn("The client id or the client secret is wrong.")
        return granted

    async def renew(self, token: str) -> Granted:
        """The same token for longer, as far as it may be renewed. Raises NotLoggedIn."""
        await self.bearer(token)  # nobody holds up writers with what is no token

        def write(tx: Tx) -> Granted | None:
            now = self.context.clock()
            found = identities.by_token(tx, _hash(token), now)
            if found is None:
                return None
            row, held = found
            longer = min(now + timedelta(seconds=row.token_seconds), held.renewable_until)
            held.expires_at = max(held.expires_at, longer)
            self._record(tx, row.name, "renew-token", actor=f"{ACTOR}:{row.name}")
            return Granted(token, _seconds(held.expires_at - now), _seconds(held.renewable_until - now))

        granted = await self.context.store.awrite(write)
        if granted is None:
            raise _invalid_token()
        return granted

    async def bearer(self, token: str) -> Bearer:
        """Who sends a token. Raises NotLoggedIn."""
        found = await identities.holder_of(self.context.store, _hash(token), self.context.clock())
        if found is None:
            raise _invalid_token()
        return _bearer(found)

    def _view(self, tx: Tx, row: Identity) -> IdentityView:
        project = projects.find_project(tx, row.project_id)
        return IdentityView(
            id=row.id,
            name=row.name,
            project=project.slug if project else row.project_id,
            project_id=row.project_id,
            environments=tuple(row.environments),
            paths=tuple(row.paths),
            allowed=tuple(row.allowed),
            token_seconds=row.token_seconds,
            tokens=identities.count_tokens(tx, row.id, self.context.clock()),
            created_at=row.created_at,
            last_login_at=row.last_login_at,
        )

    def _record(
        self, tx: Tx, name: str, action: str, *, result: str = "success", message: str = "", actor: str = ""
    ) -> None:
        events.append(
            tx,
            at=self.context.clock(),
            actor=actor or self.context.actor,
            action=action,
            result=result,
            subject=name,
            message=message,
        )


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


def _identity_by(tx: Tx, ref: str) -> Identity:
    found = identities.find(tx, ref)
    if found is None:
        raise NotFound(f"There is no identity {ref!r}.", remedy="keyturn identities list shows all.")
    return found


def _problems(wanted: NewIdentity) -> list[Problem]:
    found = []
    if not (SLUG.fullmatch(wanted.name) and len(wanted.name) <= _NAME_MAX):
        text = f"must be slug-friendly (small letters, digits, single hyphens), at most {_NAME_MAX} characters"
        found.append(Problem("name", text))
    if not wanted.paths or len(wanted.paths) > _PATTERNS_MAX:
        found.append(Problem("paths", f"must be 1 to {_PATTERNS_MAX} folder paths, such as /,/db/**"))
    found += [
        Problem("paths", f"{path!r} is no folder path; * stands for one name, /** at the end for all below")
        for path in wanted.paths
        if not path or len(path) > _PATTERN_MAX or not _PATTERN.fullmatch(path)
    ]
    if not 60 <= wanted.token_seconds <= LONGEST_TOKEN:
        found.append(Problem("token-minutes", f"must be 1 to {LONGEST_TOKEN // 60}"))
    if not wanted.allowed:
        found.append(Problem("allow", f"must be one or more of: {', '.join(RIGHTS)}"))
    found += [
        Problem("allow", f"there is no right {right!r}; there are: {', '.join(RIGHTS)}")
        for right in wanted.allowed
        if right not in RIGHTS
    ]
    return found


def _unknown(environments: Sequence[str], known: Sequence[str]) -> list[Problem]:
    return [
        Problem("environments", f"there is no environment {slug!r}; there are: {', '.join(known)}")
        for slug in environments
        if slug not in known
    ]


def _granted(tx: Tx, row: Identity, token: str, now: datetime, renewable_until: datetime, id_: str) -> Granted:
    expires_at = now + timedelta(seconds=row.token_seconds)
    held = AccessToken(
        id=id_,
        identity_id=row.id,
        hash=_hash(token),
        created_at=now,
        expires_at=expires_at,
        renewable_until=renewable_until,
    )
    identities.add_token(tx, held)
    return Granted(token, row.token_seconds, _seconds(renewable_until - now))


def _renewable(row: Identity) -> int:
    return max(RENEWABLE_SECONDS, row.token_seconds)


def _may_be(client_id: str) -> bool:
    """Whether a store can look for it at all."""
    return len(client_id) <= _ID_LENGTH and "\0" not in client_id


def _fits(kept: bytes | None, secret: str) -> bool:
    """Whether it is the secret of that hash; as fast for one that is not there."""
    return hmac.compare_digest(kept or _NOBODY, _hash(secret)) and kept is not None


def _seconds(span: timedelta) -> int:
    return max(0, int(span.total_seconds()))


def _new_token() -> str:
    return _TOKEN_BEGINS + secrets.token_urlsafe(32)


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _invalid_token() -> NotLoggedIn:
    return NotLoggedIn("The access token is unknown, expired or revoked.", remedy="Log in again.")
