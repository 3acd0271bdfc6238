"""Programs that may use the HTTP API, and the access tokens they hold."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import delete
from sqlmodel import col, or_, select

from store.database import Store, Tx
from store.tables import AccessToken, Identity


def add(tx: Tx, row: Identity) -> Identity:
    """Raises Conflict when the name is taken."""
    tx.session.add(row)
    tx.session.flush()
    return row


def held(tx: Tx, identity_id: str) -> Identity | None:
    """Nobody gives it another secret or removes it until the transaction ends."""
    return tx.session.get(Identity, identity_id, with_for_update=True)


def find(tx: Tx, id_or_name: str) -> Identity | None:
    """An id wins over a name that looks like it."""
    query = select(Identity).where(or_(Identity.id == id_or_name, Identity.name == id_or_name))
    return min(tx.session.exec(query), key=lambda row: row.id != id_or_name, default=None)


def list_all(tx: Tx) -> list[Identity]:
    """By name."""
    return list(tx.session.exec(select(Identity).order_by(col(Identity.name))))


def remove(tx: Tx, row: Identity) -> None:
    """Its tokens go with it."""
    tx.session.delete(row)
    tx.session.flush()


def add_token(tx: Tx, row: AccessToken) -> None:
    """What has expired makes room."""
    tx.session.execute(delete(AccessToken).where(col(AccessToken.expires_at) <= row.created_at))
    tx.session.add(row)
    tx.session.flush()


def by_token(tx: Tx, token_hash: bytes, now: datetime) -> tuple[Identity, AccessToken] | None:
    """Whose token that is; None when nobody has it, or it has expired. Nobody revokes it until the transaction ends."""
    query = (
        select(Identity, AccessToken)
        .where(AccessToken.identity_id == Identity.id)
        .where(AccessToken.hash == token_hash, col(AccessToken.expires_at) > now)
        .with_for_update(of=AccessToken)
    )
    return tx.session.exec(query).one_or_none()


_BEARER = """
SELECT identity.id, identity.name, project.id, project.slug, CAST(identity.environments AS TEXT),
       CAST(identity.paths AS TEXT), CAST(identity.allowed AS TEXT)
FROM access_token JOIN identity ON identity.id = access_token.identity_id
JOIN project ON project.id = identity.project_id
WHERE access_token.hash = :hash AND access_token.expires_at > :now"""


class Holder(NamedTuple):
    """Whose token it is. The last three are JSON lists as they are stored."""

    id: str
    name: str
    project_id: str
    project_slug: str
    environments: str
    paths: str
    allowed: str


async def holder_of(store: Store, token_hash: bytes, now: datetime) -> Holder | None:
    """None when nobody has that token, or it has expired. Asked at every request: a glance, and nothing remembered."""
    # SQLite keeps times as texts, in UTC, that begin so; PostgreSQL reads them.
    rows = await store.glance(_BEARER, hash=token_hash, now=now.astimezone(UTC).isoformat(" ", "microseconds"))
    return Holder._make(rows[0]) if rows else None


async def secret_hash_of(store: Store, identity_id: str) -> bytes | None:
    """None for nobody's id. Asked before every login: a glance, which no writer holds up."""
    rows = await store.glance("SELECT secret_hash FROM identity WHERE id = :id", id=identity_id)
    return bytes(rows[0][0]) if rows else None


def revoke_tokens(tx: Tx, identity_id: str) -> None:
    tx.session.execute(delete(AccessToken).where(col(AccessToken.identity_id) == identity_id))


def count_tokens(tx: Tx, identity_id: str, now: datetime) -> int:
    """Those that are valid."""
    query = select(AccessToken.id).where(AccessToken.identity_id == identity_id, col(AccessToken.expires_at) > now)
    return len(tx.session.exec(query).all())
