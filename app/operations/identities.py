"""Programs that may use the HTTP API: who they are, and what they may do. app/operations/logins.py lets them in.

A client secret is 256 random bits: nobody can try them all, so a plain SHA-256 keeps it as well as a slow hash would,
and a login costs nothing. The secret itself is not kept.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from app.contract import SLUG
from app.errors import InvalidInput, NotFound
from app.operations.context import Context, project_by, record
from providers.base import Problem
from store import identities, projects
from store.database import Tx
from store.errors import Conflict
from store.tables import Identity

READ, READ_CREDENTIALS, ROTATE, MANAGE = "read", "read-credentials", "rotate", "manage"
RIGHTS = (READ, READ_CREDENTIALS, ROTATE, MANAGE)
ACTOR = "api"
"""Who acts as long as nobody is known; an identity is "api:NAME"."""
TOKEN_SECONDS = 3600
LONGEST_TOKEN = 30 * 86400
"""Both in seconds."""
_NAME_MAX, _PATTERN_MAX, _PATTERNS_MAX = 60, 512, 64
"""With "api:" before it a name fits into the history, where who acts has 64 characters."""
_PATTERN = re.compile(r"/|(?:/(?:[A-Za-z0-9_.-]+|\*))*(?:/\*\*)?")
_BEGINS = "ktcs_"
"""What a scanner for leaked secrets can look for."""


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
class Identities:
    """`ref` is a name or an id. All raise NotFound."""

    context: Context

    async def create(self, wanted: NewIdentity) -> Credited:
        """Raises InvalidInput."""
        secret = _BEGINS + secrets.token_urlsafe(32)

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
                secret_hash=hashed(secret),
                token_seconds=wanted.token_seconds,
                created_at=self.context.clock(),
            )
            identities.add(tx, row)
            record(self.context, tx, "create-identity", row.name, message=f"may {', '.join(row.allowed)}")
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
        secret = _BEGINS + secrets.token_urlsafe(32)

        def write(tx: Tx) -> IdentityView:
            row = _identity_by(tx, ref)
            row.secret_hash = hashed(secret)
            identities.revoke_tokens(tx, row.id)
            record(self.context, tx, "new-identity-secret", row.name)
            return self._view(tx, row)

        return Credited(await self.context.store.awrite(write), secret)

    async def revoke(self, ref: str) -> int:
        """Its tokens are worth nothing from now on; how many there were. Its secret still logs in."""

        def write(tx: Tx) -> int:
            row, now = _identity_by(tx, ref), self.context.clock()
            valid = identities.count_tokens(tx, row.id, now)
            identities.revoke_tokens(tx, row.id)
            ended = "1 token" if valid == 1 else f"{valid} tokens"
            record(self.context, tx, "revoke-identity-tokens", row.name, message=ended)
            return valid

        return await self.context.store.awrite(write)

    async def remove(self, ref: str) -> IdentityView:
        """It and its tokens; what is gone."""

        def write(tx: Tx) -> IdentityView:
            row = _identity_by(tx, ref)
            before = self._view(tx, row)
            identities.remove(tx, row)
            record(self.context, tx, "delete-identity", before.name)
            return before

        return await self.context.store.awrite(write)

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


def hashed(secret: str) -> bytes:
    """What is kept of a client secret or a token."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


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
