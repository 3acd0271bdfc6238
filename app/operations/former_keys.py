"""Dropping the keys that sealed the store before the present one: what still needs them, and the ring without them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from app.errors import Busy, KeyturnError, UsageError
from app.operations import backup
from app.operations import key as keys
from app.operations.context import Context, record
from app.rotation.failpoints import reached
from store import events, rekey
from store.database import Tx
from store.keyring import changing_key_file, replace_key_file, write_key_file
from store.sealing import KeyRing
from store.tables import Event

ACTION = "drop-store-keys"
_BACKUPS_MAX = 20


@dataclass(frozen=True)
class Former:
    """`ids`: the former keys in the ring. `moved_at`: since when the store does without them, as far as is known.
    `backups`: what the history knows of that was written before, newest first."""

    id: str
    ids: tuple[str, ...]
    where: str
    moved_at: datetime | None
    backups: tuple[str, ...]


def look(context: Context) -> Former:
    """What would be dropped. Raises KeyturnError while the store needs one of them, StoreError."""
    store = context.store
    store.reload_keys()
    ring = store.keys
    _refuse_needed(context, ring)
    moved_at, backups = store.read(lambda tx: _needing(tx, ring.primary))
    ids = tuple(kid for kid in ring.keys if kid != ring.primary)
    return Former(ring.primary, ids, store.key_source.text, moved_at, backups if ids else ())


def prune(context: Context) -> Former:
    """Leave the present key alone in the ring. Raises UsageError where it is not in a file that may be written, Busy,
    KeyturnError while a value needs a former one, StoreError.
    """
    store = context.store
    path = store.key_source.path
    if path is None:
        raise UsageError(
            f"The key comes from a place that Keyturn cannot write to ({store.key_source.origin.value}).",
            remedy="Write a ring without the former keys to a file: keyturn key prune --to FILE\n"
            f"Put its content {keys.PLACES[store.key_source.origin]}.",
        )
    with changing_key_file(path) as alone:
        if not alone:
            raise Busy("Somebody else is changing the key right now; nothing was done.", remedy="Wait for that to end.")
        former = look(context)
        if former.ids:
            replace_key_file(path, _present(store.keys))
            reached("key.pruned")
            store.reload_keys()
            store.write(lambda tx: _record(context, tx, former))
    return former


def prepare(context: Context, file: Path) -> str:
    """Write a ring with the present key alone to a file; what is to be done with it. Raises as `prune` does."""
    former = look(context)
    if not former.ids:
        raise UsageError("There is no former key in the ring.")
    if not write_key_file(file.absolute(), _present(context.store.keys)):
        raise UsageError(f"{file} is there already.", remedy="Take another name.")
    return (
        f"Wrote a key ring with the present key {former.id} alone to {file}.\n"
        f"1. Put its content {keys.PLACES[context.store.key_source.origin]}.\n"
        f"2. Restart whatever runs. Then delete {file}."
    )


def _present(ring: KeyRing) -> KeyRing:
    return KeyRing({ring.primary: ring.keys[ring.primary]}, ring.primary)


def _refuse_needed(context: Context, ring: KeyRing) -> None:
    needed = {kid: n for kid, n in context.store.read(rekey.sealed_with).items() if kid != ring.primary}
    if needed:
        counts = ", ".join(f"{n} values with {kid}" for kid, n in needed.items())
        raise KeyturnError(
            f"The store still needs former keys ({counts}). None was dropped.",
            remedy="Move everything to the present key: keyturn key rotate",
        )


def _needing(tx: Tx, primary: str) -> tuple[datetime | None, tuple[str, ...]]:
    moves = events.recent(tx, 1, words=[keys.ACTION, primary])
    before = moves[0].id if moves else None
    written = events.recent(tx, _BACKUPS_MAX, before_id=before, words=[backup.ACTION])
    return (moves[0].at if moves else None), tuple(_told(event) for event in written)


def _told(event: Event) -> str:
    return f"{event.subject} of {event.at:%Y-%m-%d %H:%M} UTC"


def _record(context: Context, tx: Tx, former: Former) -> None:
    message = f"Dropped from the key ring: {', '.join(former.ids)}. What they sealed opens no more."
    record(context, tx, ACTION, former.id, message=message)
