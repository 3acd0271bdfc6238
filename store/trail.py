"""The history as a chain: each event carries a hash over its content, its number and the hash before it.

So none can be changed, taken out, put in or moved without the rest being written anew; how many there are, and the
newest one's hash, stand in a row of their own, which tells when some were cut off the end.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlmodel import SQLModel

from store.database import Tx

START = bytes(32)
_EVENT, _TRAIL = (SQLModel.metadata.tables[name] for name in ("event", "trail"))
_AT_ONCE = 1000
_encoded = json.JSONEncoder(separators=(",", ":")).encode
_ROW = 1


@dataclass(frozen=True)
class Verdict:
    """`count` events are intact, and `head` (hex) is the last one's hash. `broken`: what is wrong, if anything is."""

    count: int
    head: str
    broken: str = ""


@dataclass(frozen=True)
class Known:
    """The head that somebody noted when there were so many events."""

    count: int
    head: str


# Whoever adds an event holds the row until the end of the transaction, so two never follow the same one.
_HOLD = select(_TRAIL.c.count, _TRAIL.c.hash).where(_TRAIL.c.id == _ROW).with_for_update()
_MOVE = update(_TRAIL).where(_TRAIL.c.id == _ROW).values(count=bindparam("to"), hash=bindparam("newest"))


def extend(tx: Tx, lines: Sequence[Mapping[str, Any]]) -> list[bytes]:
    """The hashes of events that are about to be written, in this order; each line are one's columns."""
    held = tx.connection.execute(_HOLD).first()
    count, newest = (held[0], held[1]) if held else _begun_anew(tx)
    hashes = []
    for number, line in enumerate(lines, count + 1):
        newest = linked(newest, number, line)
        hashes.append(newest)
    tx.connection.execute(_MOVE, {"to": count + len(hashes), "newest": newest})
    return hashes


def _begun_anew(tx: Tx) -> tuple[int, bytes]:
    """Somebody removed the row. Rotations go on all the same, and `verify` finds it."""
    tx.connection.execute(insert(_TRAIL).values(id=_ROW, count=0, hash=START))
    return 0, START


def linked(former: bytes, number: int, line: Mapping[str, Any]) -> bytes:
    """`number`: which event it is, from 1. This is a format: what was hashed once is hashed the same for ever."""
    at: datetime = line["at"]
    content = [
        number,
        at.astimezone(UTC).isoformat(timespec="microseconds"),
        *(line[name] for name in ("actor", "action", "result", "rotation_id", "subject", "message")),
    ]
    return hashlib.sha256(former + _encoded(content).encode()).digest()


def verify(tx: Tx, known: Known | None = None) -> Verdict:
    """Walk the chain from the first event to the last."""
    count, newest = 0, START
    for rows in tx.connection.execute(select(_EVENT).order_by(_EVENT.c.id)).mappings().partitions(_AT_ONCE):
        for row in rows:
            following = linked(newest, count + 1, dict(row))
            if following != row["hash"]:
                return _verdict(count, newest, _break(row))
            count, newest = count + 1, following
            if known is not None and known.count == count and known.head != newest.hex():
                return _verdict(count, newest, f"event {count} is not the one that was noted: history was rewritten")
    if known is not None and known.count > count:
        return _verdict(count, newest, f"{known.count} events were noted once, and {count} are left")
    return _verdict(count, newest, _end(tx, count, newest))


def _break(row: Mapping[Any, Any]) -> str:
    what = f"number {row['id']} ({row['at']:%Y-%m-%d %H:%M:%S} UTC, {row['action']} of {row['subject']})"
    return f"the event {what} was changed, or one just before it was changed, removed or added"


def _end(tx: Tx, count: int, newest: bytes) -> str:
    held = tx.connection.execute(select(_TRAIL.c.count, _TRAIL.c.hash).where(_TRAIL.c.id == _ROW)).first()
    if held is None:
        return "how many events there must be was removed"
    if held[0] > count:
        return f"the newest events were removed: there must be {held[0]}, and there are {count}"
    return "" if (held[0], held[1]) == (count, newest) else "the newest events were not written by Keyturn"


def _verdict(count: int, newest: bytes, broken: str) -> Verdict:
    return Verdict(count, newest.hex(), broken)
