"""Moving all sealed values to the ring's primary key, so that a former key can be thrown away.

In this order: `keyring.with_new_primary` into the key file, `Store.reload_keys`, `vouch`, `rewrap_some` until
it returns 0. To throw a former key away: `forget` it, then the ring without it into the key file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Table, func, or_, select, update
from sqlalchemy import delete as delete_rows
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import SQLModel, col

from store import sealing, setup
from store.database import Tx
from store.errors import Conflict, StoreError
from store.sealing import Place
from store.tables import Canary


def vouch(tx: Tx) -> None:
    """From now on the store asks for the ring's primary key at every start."""
    if tx.session.get(Canary, tx.keys.primary) is None:
        setup.add_canary(tx.session, tx.keys)


def rewrap_some(tx: Tx, limit: int) -> int:
    """Re-wrap up to so many values that another key wraps; 0 when none is left."""
    done = 0
    for table, names in _sealed_columns():
        done += _rewrap_rows(tx, table, names, limit - done)
        if done >= limit:
            break
    return done


def sealed_with(tx: Tx) -> dict[str, int]:
    """How many values each key wraps; a former one that the store still asks for is there even with none."""
    counts = dict.fromkeys([tx.keys.primary, *tx.session.scalars(select(col(Canary.key_id)))], 0)
    for kid in {*tx.keys.keys, *counts}:
        found = sum(_wrapped(tx, kid, table, name) for table, names in _sealed_columns() for name in names)
        if found or kid in counts:
            counts[kid] = found
    return counts


def _wrapped(tx: Tx, kid: str, table: Table, name: str) -> int:
    query = select(func.count()).select_from(table).where(_header(table.c[name], kid) == sealing.header_of(kid))
    return tx.session.scalar(query) or 0


def unfinished(tx: Tx) -> bool:
    """Whether something in the store still needs another key than the primary one."""
    return set(sealed_with(tx)) != {tx.keys.primary}


def forget(tx: Tx, kid: str) -> None:
    """Stop asking for a former key. Conflict while a value still needs it."""
    if kid == tx.keys.primary:
        raise ValueError("the primary key cannot be forgotten")
    for table, names in _sealed_columns():
        wrapped = or_(*(_header(table.c[name], kid) == sealing.header_of(kid) for name in names))
        if tx.session.scalar(select(func.count()).select_from(table).where(wrapped)):
            raise Conflict(
                f"Values in the store are still sealed with the key {kid!r}.",
                remedy="Run keyturn key rotate again, so that they move to the present key.",
            )
    tx.session.execute(delete_rows(Canary).where(col(Canary.key_id) == kid))


def unreadable(tx: Tx) -> list[str]:
    """The sealed values that do not open where they stand, as "table.column row"."""
    found = []
    for table, names in _sealed_columns():
        for row in tx.session.execute(select(table.c.id, *(table.c[name] for name in names))).all():
            for name in names:
                value = row._mapping[name]
                if value is not None and not _opens(tx, value, Place(table.name, row.id, name)):
                    found.append(f"{table.name}.{name} {row.id}")
    return found


def _opens(tx: Tx, sealed: bytes, place: Place) -> bool:
    try:
        sealing.unseal(tx.keys, sealed, place)
    except StoreError:
        return False
    return True


def _rewrap_rows(tx: Tx, table: Table, names: list[str], limit: int) -> int:
    kid = tx.keys.primary
    outdated = or_(*(_header(table.c[name], kid) != sealing.header_of(kid) for name in names))
    query = select(table.c.id, *(table.c[name] for name in names)).where(outdated).limit(limit).with_for_update()
    rows = tx.session.execute(query).all()
    for row in rows:
        values: dict[str, Any] = {
            name: sealing.rewrap(tx.keys, value, Place(table.name, row.id, name))
            for name, value in row._mapping.items()
            if name != "id" and value is not None
        }
        tx.session.execute(update(table).where(table.c.id == row.id).values(values))
    return len(rows)


def _header(column: ColumnElement[Any], kid: str) -> ColumnElement[Any]:
    return func.substr(column, 1, len(sealing.header_of(kid)), type_=column.type)


def _sealed_columns() -> Iterator[tuple[Table, list[str]]]:
    """Found by their names, so that a new column cannot be overlooked."""
    for table in SQLModel.metadata.sorted_tables:
        names = [column.name for column in table.columns if column.name.startswith("sealed_")]
        if names and table.name != Canary.__tablename__:
            yield table, names
