"""Programs that may use the HTTP API, and the access tokens they hold."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete
from sqlmodel import col, or_, select

from store.database import Tx
from store.tables import AccessToken, Identity, Project


def add(tx: Tx, row: Identity) -> Identity:
    """Raises Conflict when the name is taken."""
    tx.session.add(row)
    tx.session.flush()
    return row


def get(tx: Tx, identity_id: str) -> Identity | None:
    return tx.session.get(Identity, identity_id)


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
    """Whose token that is; None when nobody has it, or it has expired."""
    query = (
        select(Identity, AccessToken)
        .where(AccessToken.identity_id == Identity.id)
        .where(AccessToken.hash == token_hash, col(AccessToken.expires_at) > now)
    )
    return tx.session.exec(query).one_or_none()


def bearer_of(tx: Tx, token_hash: bytes, now: datetime) -> tuple[Identity, str] | None:
    """The same with the slug of the identity's project instead of the token."""
    query = (
        select(Identity, Project.slug)
        .where(AccessToken.identity_id == Identity.id, Project.id == Identity.project_id)
        .where(AccessToken.hash == token_hash, col(AccessToken.expires_at) > now)
    )
    return tx.session.exec(query).one_or_none()


def revoke_tokens(tx: Tx, identity_id: str) -> int:
    """How many were still valid or not yet cleared away."""
    gone = tx.session.execute(delete(AccessToken).where(col(AccessToken.identity_id) == identity_id))
    return int(getattr(gone, "rowcount", 0))


def count_tokens(tx: Tx, identity_id: str, now: datetime) -> int:
    """Those that are valid."""
    query = select(AccessToken.id).where(AccessToken.identity_id == identity_id, col(AccessToken.expires_at) > now)
    return len(tx.session.exec(query).all())
